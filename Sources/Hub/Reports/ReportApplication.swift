import Platform
import Postgres
import Shared

/// Applies a host's reports, exactly once and in order (D8).
struct ReportApplication: Sendable {
    private let changes: ChangeRunner
    private let log: Logger

    init(_ changes: ChangeRunner, log: Logger) {
        self.changes = changes
        self.log = log
    }

    /// Applies a batch in one transaction.
    ///
    /// What was applied before is skipped; at a gap it stops, and the answer says up to where it
    /// came.
    ///
    /// - Parameter applied: told afterwards what was new.
    /// - Throws: `Problem`.
    func apply(
        _ request: ReportsRequest, host: HostID, applied: ([Report]) -> Void = { _ in }
    ) async throws -> ReportsAnswer {
        guard request.reports.count <= 1000 else {
            throw Problem(
                status: 400, code: "invalid-parameter", title: "A parameter is wrong",
                detail: "reports must be at most 1,000")
        }
        let author = RegistryWriter.Author(actor: "host:\(host)")
        let (answer, due) = try await changes.run(author: author) { change in
            let inbox = InboxStore(change.transaction)
            let ledger = try await inbox.accept(request.ledger, of: host)
            let due = ReportOrder.due(request.reports, after: ledger.applied)
            let simple = try await lock(due, in: change)
            try await apply(due, simple: simple, host: host, in: &change)
            let applied = due.last?.sequence ?? ledger.applied
            try await inbox.advance(request.ledger, of: host, to: applied)
            return (ReportsAnswer(applied: applied), due)
        }
        applied(due)
        return answer
    }

    /// Applies reports in order; volumes that follow each other at once.
    ///
    /// - Parameter simple: the operations whose success changes nothing but themselves.
    private func apply(
        _ reports: [Report], simple: Set<OperationID>, host: HostID, in change: inout Change
    ) async throws {
        let volumes = VolumeReports(host: host)
        var observed: [VolumeReports.Observed] = []
        var finished: [FinishedOperation] = []
        for report in reports {
            if case .volume(let observation) = report.content {
                try await finish(&finished, host: host, in: &change)
                observed.append(VolumeReports.Observed(volume: observation, time: report.time))
                continue
            }
            try await volumes.apply(observed, in: &change)
            observed = []
            if case .operationFinished(let outcome) = report.content,
                simple.contains(outcome.operation), outcome.state == .succeeded
            {
                finished.append(
                    FinishedOperation(
                        id: outcome.operation, epoch: outcome.epoch, ending: ending(outcome)))
                continue
            }
            try await finish(&finished, host: host, in: &change)
            switch report.content {
            case .volume: break
            case .operationFinished(let outcome):
                try await finish(outcome, host: host, in: &change)
            case .volumeGone(let project):
                try await volumes.gone(project, in: &change)
            case .inventory(let inventory):
                try await volumes.apply(inventory, at: report.time, in: &change)
                try await HistoryRecovery(change.transaction).arrived(
                    inventory, from: host, at: report.time, in: &change)
            }
        }
        try await volumes.apply(observed, in: &change)
        try await finish(&finished, host: host, in: &change)
    }

    /// Ends operations that succeeded, all at once.
    private func finish(
        _ finished: inout [FinishedOperation], host: HostID, in change: inout Change
    ) async throws {
        guard !finished.isEmpty else { return }
        let outcome = try await OperationFinish(change.transaction).finish(finished, host: host)
        change.lanes.formUnion(outcome.lanes)
        for operation in finished where !outcome.ended.contains(operation.id) {
            log.warning(
                "an outcome came without the lease",
                ["operation": "\(operation.id)", "state": "succeeded"])
        }
        finished = []
    }

    /// Locks the trees of all outcomes at once, in one order for every batch.
    ///
    /// - Returns: the operations whose success changes nothing but themselves and their parents.
    private func lock(
        _ reports: [Report], in change: Change
    ) async throws -> Set<OperationID> {
        let operations = reports.compactMap { report -> OperationID? in
            guard case .operationFinished(let outcome) = report.content else { return nil }
            return outcome.operation
        }
        guard !operations.isEmpty else { return [] }
        let store = OperationStore(change.transaction)
        let standing = try await store.standing(of: operations)
        if !standing.roots.isEmpty { try await store.lockTrees(standing.roots) }
        return standing.simple
    }

    private func finish(
        _ outcome: OperationOutcome, host: HostID, in change: inout Change
    ) async throws {
        guard
            let body = try await OperationBodyReader(change.transaction).fenced(
                outcome.operation, epoch: outcome.epoch, host: host)
        else {
            log.warning(
                "an outcome came without the lease",
                ["operation": "\(outcome.operation)", "state": "\(outcome.state.rawValue)"])
            return
        }
        _ = try await OperationCompletion.finish(
            body, epoch: outcome.epoch, ending(outcome), in: &change)
    }

    private func ending(_ outcome: OperationOutcome) -> OperationEnding {
        switch outcome.state {
        case .succeeded: .succeeded(outcome.result)
        case .canceled: .canceled(isConfirmed: true)
        case .failed:
            .failed(
                outcome.failure
                    ?? Failure(code: "unknown", message: "the agent gave no reason"))
        case .queued, .running, .waiting, .expired:
            .failed(
                Failure(
                    code: "bad-report",
                    message: "the agent reported the state \(outcome.state.rawValue)"))
        }
    }
}
