import Postgres
import Shared

/// One row of `OperationReader`'s selection, made into words.
struct OperationRow: Sendable {
    private let row: PostgresRow

    init(_ row: PostgresRow) {
        self.row = row
    }

    func description() throws -> OperationDescription {
        let stateName = try row.decode("state", as: String.self)
        guard let state = OperationState(rawValue: stateName) else {
            throw HubError(.database, "an operation has the unknown state \(stateName)")
        }
        let own = try row.decode("progress", as: JSONColumn<Progress>?.self)?.value
        let kind = try row.kind()
        // A group counts; what one of its items does says little.
        let child =
            kind.isGroup
            ? nil : try row.decode("child_progress", as: JSONColumn<Progress>?.self)?.value
        return OperationDescription(
            id: try row.decode("id"), kind: kind, state: state, scope: try scope(),
            scopeName: try row.decode("scope_name"), project: try row.decode("project"),
            host: try row.decode("host"), parent: try row.decode("parent"),
            phase: try row.decode("phase"), attempt: try row.decode("attempts"),
            maxAttempts: try row.decode("max_attempts"), epoch: try row.decode("epoch"),
            waiting: try waiting(state), progress: child ?? own,
            result: try row.decode("result", as: JSONColumn<JSONValue>?.self)?.value,
            failure: try row.decode("failure", as: JSONColumn<Failure>?.self)?.value,
            cancelRequestedAt: try row.decode("cancel_requested_at"),
            isCancelConfirmed: try row.decode("cancel_confirmed"),
            createdBy: try row.decode("created_by"), createdAt: try row.decode("created_at"),
            startedAt: try row.decode("started_at"), finishedAt: try row.decode("finished_at"))
    }

    /// The scope's identifier in its written form.
    private func scope() throws -> String {
        switch try row.decode("scope_kind", as: String.self) {
        case "project": "\(try row.decode("scope", as: ProjectID.self))"
        case "host": "\(try row.decode("scope", as: HostID.self))"
        case "copy": "\(try row.decode("scope", as: CopyID.self))"
        case "fleet": "fleet"
        default: try row.decode("scope", as: String.self)
        }
    }

    private func waiting(_ state: OperationState) throws -> Waiting? {
        var waiting: Waiting
        switch state {
        case .running, .succeeded, .failed, .canceled, .expired: return nil
        case .queued: waiting = try queued()
        case .waiting: waiting = try parked()
        }
        waiting.since = try row.decode("waits_since")
        return waiting
    }

    private func queued() throws -> Waiting {
        let next = try row.decode("next_try_at", as: Timestamp?.self)
        if let sentence = try row.decode("sentence", as: String?.self) {
            let reason = try row.decode("reason", as: String?.self)
            return Waiting(
                reason: reason.flatMap { WaitingReason(rawValue: $0) } ?? .backoff,
                sentence: sentence, nextTryAt: next)
        }
        if try !row.decode("is_online", as: Bool.self) {
            return Waiting(
                reason: .hostOffline,
                sentence: offline(
                    try row.decode("host_name"), since: try row.decode("seen_at")))
        }
        if let guardian = try row.decode("guard", as: OperationID?.self) {
            return Waiting(
                reason: .guarded, sentence: "the project is held by operation \(guardian)")
        }
        if let resource = try row.decode("full_resource", as: String?.self) {
            return Waiting(reason: .noSlot, sentence: try full(resource))
        }
        if try row.decode("note", as: String?.self) == WaitingReason.leaseLost.rawValue {
            return Waiting(
                reason: .leaseLost,
                sentence: "its worker's lease ran out; it will be claimed again")
        }
        return Waiting(reason: .ready, sentence: "will be claimed at once")
    }

    private func parked() throws -> Waiting {
        let reason = try row.decode("reason", as: String?.self)
        let known = reason.flatMap { WaitingReason(rawValue: $0) } ?? .children
        let next = try row.decode("next_try_at", as: Timestamp?.self)
        if known == .children, try !row.kind().isGroup,
            let kind = try row.decode("child_kind", as: String?.self)
        {
            let host = try row.decode("child_host", as: String?.self)
            if try row.decode("child_online", as: Bool?.self) == false {
                return Waiting(
                    reason: .hostOffline,
                    sentence: offline(host, since: try row.decode("child_seen")))
            }
            let count = try row.decode("child_count", as: Int?.self) ?? 1
            let more = count > 1 ? " and \(count - 1) more" : ""
            return Waiting(
                reason: .children, sentence: "waits for \(kind) on \(host ?? "the hub")\(more)")
        }
        let sentence = try row.decode("sentence", as: String?.self) ?? "waits"
        return Waiting(reason: known, sentence: sentence, nextTryAt: next)
    }

    private func offline(_ host: String?, since seen: Timestamp?) -> String {
        let name = host ?? "its host"
        return seen.map { "host \(name) is offline since \($0)" }
            ?? "host \(name) has never been heard of"
    }

    /// Which limit it waits for.
    private func full(_ resource: String) throws -> String {
        let places = try row.decode("full_places", as: Int.self)
        let used = try row.decode("full_used", as: Int.self)
        let name = try row.decode("full_name", as: String?.self)
        let parts = resource.split(separator: ":").map(String.init)
        let what =
            switch (parts.first, parts.count) {
            case ("kind", _): "\(parts.last ?? "") operations"
            case ("bucket", _): "transfers with bucket \(name ?? "?")"
            case ("host", 3):
                parts.last == "backup"
                    ? "backups on host \(name ?? "?")"
                    : "restores and copies on host \(name ?? "?")"
            default: "operations on host \(name ?? "?")"
            }
        return "all places for \(what) are taken: \(used) of \(places)"
    }
}
