import FoundationEssentials
import HTTP
import ObjectStore
import Platform
import Repository
import Shared

@testable import HostAgent

extension ScriptedHub {
    private func refuse(ended session: SessionID) throws {
        guard state.withLock({ $0.endedSessions.contains(session) }) else { return }
        throw Problem(status: 409, code: "session-ended", title: "ended", detail: "ended")
    }

    func openSession(_ request: OpenSessionRequest) throws -> OpenSessionAnswer {
        try refuse(ended: request.session)
        return state.withLock { state -> OpenSessionAnswer in
            state.session = request.session
            state.knownHead = request.logHead
            for held in state.held.values where held.session != request.session {
                state.queue.append(held.operation)
            }
            state.held = state.held.filter { $1.session == request.session }
            return OpenSessionAnswer(
                host: host, timeline: timeline, leaseMilliseconds: leaseMilliseconds,
                heartbeatMilliseconds: leaseMilliseconds / 3, appliedReport: state.applied,
                logHead: state.logHead)
        }
    }

    func lease(_ request: LeaseRequest) async throws -> LeaseAnswer {
        try refuse(ended: request.session)
        let end = ContinuousClock.now.advanced(by: .milliseconds(request.waitMilliseconds))
        while true {
            let answer = state.withLock { state -> LeaseAnswer? in
                if let known = state.leases[request.request] { return known }
                guard state.session == request.session else { return LeaseAnswer(operations: []) }
                guard !state.queue.isEmpty || ContinuousClock.now >= end else { return nil }
                var given: [LeasedOperation] = []
                while given.count < request.capacity, !state.queue.isEmpty {
                    var operation = state.queue.removeFirst()
                    state.epoch += 1
                    operation.epoch = state.epoch
                    operation.attempt += 1
                    state.held[operation.id] = Held(
                        operation: operation, session: request.session)
                    given.append(operation)
                }
                let answer = LeaseAnswer(operations: given)
                state.leases[request.request] = answer
                return answer
            }
            if let answer { return answer }
            try await ContinuousClock().sleep(for: .milliseconds(5))
        }
    }

    func heartbeat(_ request: HeartbeatRequest) throws -> HTTPResponse {
        try refuse(ended: request.session)
        let answer = state.withLock { state -> HeartbeatAnswer? in
            guard state.answersHeartbeats else { return nil }
            let now = ContinuousClock.now
            state.longestSilence = max(state.longestSilence, now - (state.heardAt ?? now))
            state.heardAt = now
            state.status = request.status
            let lost = request.held.filter { lease in
                state.held[lease.operation]?.operation.epoch != lease.epoch
            }.map(\.operation)
            let canceled = request.held.map(\.operation).filter(state.canceled.contains)
            for lease in request.held { state.progress[lease.operation] = lease.progress }
            state.interrupted = Set(request.interrupted ?? [])
            return HeartbeatAnswer(
                canceled: canceled, lost: lost,
                ended: request.interrupted?.filter(state.ended.contains),
                logHead: state.logHead)
        }
        guard let answer else { return HTTPResponse(status: 503) }
        return try ok(answer)
    }

    /// Applies reports once each and in order; an answer may be lost after that.
    func reports(_ request: ReportsRequest) throws -> HTTPResponse {
        let answer = state.withLock { state -> ReportsAnswer? in
            for report in request.reports where report.sequence == state.applied + 1 {
                state.applied = report.sequence
                state.applications[report.sequence, default: 0] += 1
                apply(report.content, &state)
            }
            if state.lostReportAnswers > 0 {
                state.lostReportAnswers -= 1
                return nil
            }
            return ReportsAnswer(applied: state.applied)
        }
        guard let answer else { return HTTPResponse(status: 502) }
        return try ok(answer)
    }

    private func apply(_ content: ReportContent, _ state: inout State) {
        switch content {
        case .operationFinished(let outcome):
            guard state.held[outcome.operation]?.operation.epoch == outcome.epoch else { return }
            state.held[outcome.operation] = nil
            state.outcomes[outcome.operation] = outcome
        case .volume(let observation): state.volumes[observation.project] = observation
        case .volumeGone(let project): state.volumes[project] = nil
        case .inventory(let inventory):
            state.inventories.append(inventory)
            state.volumes = [:]
            for volume in inventory.volumes { state.volumes[volume.project] = volume }
        }
    }

    func gateway(
        _ request: HTTPRequest, _ body: HTTPBodyStream, _ path: [String]
    ) async throws -> HTTPResponse {
        guard let operation = path.first.flatMap({ OperationID($0) }),
            let project = state.withLock({ $0.projects[operation] }), path.count >= 2
        else { return HTTPResponse(status: 404) }
        let repository = try await repository(of: project)
        switch path[1] {
        case "grants":
            let grant = try JSON.decode(
                GrantRequest.self, from: try await body.collect(limitBytes: 4096))
            try fence(operation, grant.epoch)
            try await state.withLock { $0.beforeGrant }?()
            return try ok(
                GrantAnswer(
                    mode: .gateway, repository: .make(),
                    key: repository.key.withBytes { Data($0) },
                    chunkerPolynomial: repository.config.polynomial.description))
        case "commit":
            let commit = try JSON.decode(
                CommitRequest.self, from: try await body.collect(limitBytes: 64 << 20))
            return try await self.commit(commit, operation, project, repository)
        default:
            try fence(operation, request.headers["Berth-Epoch"].flatMap { Int64($0) } ?? 0)
            return try await object(request, body, path.dropFirst(2), repository.store)
        }
    }

    private func object(
        _ request: HTTPRequest, _ body: HTTPBodyStream, _ name: ArraySlice<String>,
        _ store: any ObjectStorage
    ) async throws -> HTTPResponse {
        guard !name.isEmpty else {
            let list = try await store.list(try ObjectPrefix(request.queryValue("prefix") ?? ""))
            return try ok(
                GrantedObjectList(
                    objects: list.map { GrantedObject(name: $0.name.text, bytes: $0.bytes) }))
        }
        let name = try ObjectName(name.joined(separator: "/"))
        switch request.method {
        case "PUT":
            let bytes = try await body.limited(toBytes: 200 << 20).collect(limitBytes: 200 << 20)
            let (count, before) = state.withLock {
                state -> (Int, (@Sendable (Int) async -> Void)?) in
                state.puts[name.text, default: 0] += 1
                return (state.puts.count, state.beforePut)
            }
            await before?(count)
            let isNew = try await store.put(name, .bytes(bytes, sha256: name.id?.bytes))
            return HTTPResponse(status: isNew ? 201 : 200)
        case "HEAD":
            let bytes = try await store.size(of: name)
            return HTTPResponse(status: 200, body: .stream(length: bytes) { _ in })
        default:
            try await state.withLock { $0.beforeGet }?()
            var range: Range<Int64>?
            if let header = request.headers["Range"] {
                let ends = header.dropFirst(6).split(separator: "-").compactMap { Int64($0) }
                range = ends[0]..<ends[1] + 1
            }
            let bytes = try await store.get(name, range: range, limitBytes: 200 << 20)
            return HTTPResponse(status: range == nil ? 200 : 206, body: .bytes(bytes))
        }
    }

    private func commit(
        _ request: CommitRequest, _ operation: OperationID, _ project: ProjectID,
        _ repository: OpenRepository
    ) async throws -> HTTPResponse {
        try fence(operation, request.epoch)
        if let known = state.withLock({ $0.backups[request.backup] }) {
            return try ok(CommitAnswer(backup: known))
        }
        if let same = try unchanged(request, operation) {
            state.withLock { $0.confirmations += 1 }
            return try ok(CommitAnswer(backup: same))
        }
        try await state.withLock { $0.beforeCommit }?()
        // Whoever asked is dead: the request got no further.
        try Task.checkCancellation()
        let announced = try request.packs.map { pack in
            AnnouncedPack(
                id: try present(BlobID(hex: pack.id)), bytes: pack.bytes,
                headerDigest: try present(BlobID(hex: pack.headerDigest)))
        }
        let lost = try await repository.lost(of: announced).map(\.hex)
        guard lost.isEmpty else {
            throw Problem(
                status: 422, code: Problem.packsLost, title: "lost", detail: "packs are lost",
                packs: lost)
        }
        let packs = try await repository.readHeaders(of: announced)
        _ = try await repository.writeIndex(packs)
        let reference = BackupReference(
            id: request.backup, project: project, snapshot: request.rootTree,
            rootTree: request.rootTree, takenAt: request.takenAt)
        let after = state.withLock { state -> (@Sendable () async -> Void)? in
            state.backups[request.backup] = reference
            state.commits += 1
            return state.afterCommit
        }
        await after?()
        return try ok(CommitAnswer(backup: reference))
    }

    /// The base, where a backup is just what that holds, as the hub answers then.
    private func unchanged(
        _ request: CommitRequest, _ operation: OperationID
    ) throws -> BackupReference? {
        let held = state.withLock { $0.held[operation]?.operation.input }
        let input = try held.map { try JSON.decode(VolumeBackupInput.self, from: $0) }
        guard request.packs.isEmpty, let base = input?.base, base.rootTree == request.rootTree
        else { return nil }
        return base
    }

    private func fence(_ operation: OperationID, _ epoch: Int64) throws {
        let current = state.withLock { $0.held[operation]?.operation.epoch }
        guard current == epoch else {
            throw Problem(
                status: 409, code: "lease-lost", title: "lost", detail: "the lease is lost")
        }
    }
}

/// A value that a well-behaved agent always sends.
private func present<Value>(_ value: Value?) throws -> Value {
    guard let value else {
        throw Problem(status: 400, code: "bad", title: "bad", detail: "a malformed commit")
    }
    return value
}
