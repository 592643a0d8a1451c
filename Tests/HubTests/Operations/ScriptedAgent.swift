import Platform
import Postgres
import Shared
import Testing

@testable import Hub

/// Speaks the agents' protocol with the engine and answers work as a host would: backups are
/// recorded, restores give receipts. What fails is scripted.
actor ScriptedAgent {
    typealias Script = @Sendable (LeasedOperation, Int) -> Failure?

    let engine: Engine
    let host: HostID
    let name: String
    private(set) var session: SessionID
    private let ledger: LedgerID
    private var sequence: Int64 = 0
    private var counts: [OperationKind: Int] = [:]
    private let script: Script
    /// What was worked on, in order.
    private(set) var done: [String] = []

    init(
        _ engine: Engine, _ host: HostID, _ name: String = "host",
        fails script: @escaping Script = { _, _ in nil }
    ) async throws {
        self.engine = engine
        self.host = host
        self.name = name
        self.script = script
        session = engine.identifiers.make(SessionIdentity.self)
        ledger = try await engine.pool.query("SELECT ledger FROM hosts WHERE id = \(host)").one()
            .decode("ledger")
    }

    /// Opens a new session.
    func open() async throws {
        session = engine.identifiers.make(SessionIdentity.self)
        let answer = try await engine.service.openSession(
            OpenSessionRequest(
                session: session, ledger: ledger, agentVersion: "1", timeline: nil), host: host)
        sequence = max(sequence, answer.appliedReport)
    }

    func lease(
        _ capacity: Int = 10, wait: Int64 = 0, request: RequestID? = nil
    ) async throws -> [LeasedOperation] {
        try await engine.service.lease(
            LeaseRequest(
                session: session,
                request: request ?? engine.identifiers.make(RequestIdentity.self),
                capacity: capacity, waitMilliseconds: wait), host: host
        ).operations
    }

    @discardableResult
    func heartbeat(
        _ held: [LeasedOperation], progress: Progress? = nil,
        interrupted: [OperationID]? = nil
    ) async throws -> HeartbeatAnswer {
        try await engine.service.heartbeat(
            HeartbeatRequest(
                session: session,
                held: held.map {
                    HeldLease(operation: $0.id, epoch: $0.epoch, progress: progress)
                }, interrupted: interrupted,
                status: HostStatus(
                    agentVersion: "1", filesystem: nil, freeBytes: 1 << 40, totalBytes: 2 << 40,
                    outboxPending: 0, trouble: nil)), host: host)
    }

    @discardableResult
    func report(_ contents: ReportContent...) async throws -> Int64 {
        let time = Timestamp(milliseconds: UTCTime.now().millisecondsSinceEpoch)
        let reports = contents.enumerated().map { index, content in
            Report(sequence: sequence + Int64(index) + 1, time: time, content: content)
        }
        sequence += Int64(contents.count)
        return try await engine.service.applyReports(
            ReportsRequest(session: session, ledger: ledger, reports: reports), host: host
        ).applied
    }

    /// Sends reports with sequences of the caller's choice.
    func send(_ reports: [Report], ledger other: LedgerID? = nil) async throws -> Int64 {
        try await engine.service.applyReports(
            ReportsRequest(session: session, ledger: other ?? ledger, reports: reports),
            host: host
        ).applied
    }

    func finish(
        _ operation: LeasedOperation, _ state: OperationState = .succeeded,
        result: JSONValue? = nil, failure: Failure? = nil
    ) async throws {
        try await report(
            .operationFinished(
                OperationOutcome(
                    operation: operation.id, epoch: operation.epoch, state: state,
                    result: result, failure: failure)))
    }

    /// Takes work and answers it until cancelled.
    func work() async throws {
        try await open()
        try await heartbeat([])
        while true {
            do {
                for operation in try await lease(4, wait: 500) { try await answer(operation) }
            } catch let problem as Problem where problem.code == "session-ended" {
                try await open()
                try await heartbeat([])
            } catch is CancellationError {
                return
            }
        }
    }

    /// Does one piece of work.
    func answer(_ operation: LeasedOperation) async throws {
        let count = (counts[operation.kind] ?? 0) + 1
        counts[operation.kind] = count
        done.append("\(name) \(operation.kind.rawValue)")
        if let failure = script(operation, count) {
            try await finish(operation, .failed, failure: failure)
            return
        }
        try await finish(operation, result: try await result(of: operation))
    }

    /// Does one piece of work again and again until its outcome is known; a backup is recorded once.
    func outcome(of operation: LeasedOperation) async throws -> ReportContent {
        .operationFinished(
            OperationOutcome(
                operation: operation.id, epoch: operation.epoch, state: .succeeded,
                result: try await result(of: operation), failure: nil))
    }

    /// Sends one report with the next sequence until it is acknowledged.
    func deliver(_ content: ReportContent) async throws {
        sequence += 1
        let report = Report(
            sequence: sequence,
            time: Timestamp(milliseconds: UTCTime.now().millisecondsSinceEpoch), content: content)
        while true {
            do {
                _ = try await send([report])
                return
            } catch is PostgresError {
                try Task.checkCancellation()
            }
        }
    }

    /// Opens a session and repeats the request until it is answered.
    func openStubbornly() async throws {
        session = engine.identifiers.make(SessionIdentity.self)
        let request = OpenSessionRequest(
            session: session, ledger: ledger, agentVersion: "1", timeline: nil)
        let answer = try await engine.stubborn {
            try await engine.service.openSession(request, host: host)
        }
        sequence = max(sequence, answer.appliedReport)
    }

    /// Takes what work there is and does it as an agent should: every request is repeated until it
    /// is answered, and an outcome is stored before it is reported.
    ///
    /// - Returns: whether there was any.
    func workOff() async throws -> Bool {
        let request = engine.identifiers.make(RequestIdentity.self)
        let leased = try await engine.stubborn { try await lease(4, request: request) }
        for operation in leased {
            let progress = Progress(
                time: Timestamp(milliseconds: 1), phase: "work", phaseIndex: 1, phaseCount: 1)
            try await engine.stubborn { try await heartbeat(leased, progress: progress) }
            let count = (counts[operation.kind] ?? 0) + 1
            counts[operation.kind] = count
            done.append("\(name) \(operation.kind.rawValue)")
            if let failure = script(operation, count) {
                try await deliver(
                    .operationFinished(
                        OperationOutcome(
                            operation: operation.id, epoch: operation.epoch, state: .failed,
                            result: nil, failure: failure)))
            } else {
                let content = try await engine.stubborn { try await outcome(of: operation) }
                try await deliver(content)
            }
        }
        return !leased.isEmpty
    }

    private func result(of operation: LeasedOperation) async throws -> JSONValue {
        switch operation.kind {
        case .volumeBackup:
            let input = try JSON.decode(VolumeBackupInput.self, from: operation.input)
            let backup = try await engine.backupOnce(
                of: input.volume.project, id: input.backup, operation: operation.id)
            return try JSON.value(
                VolumeBackupResult(
                    backup: backup, files: 1, bytes: 1, addedBytes: 1, storedBytes: 1,
                    omissions: [], isCurrent: true))
        case .volumeRestore:
            let input = try JSON.decode(VolumeRestoreInput.self, from: operation.input)
            return try JSON.value(
                RestoreReceipt(
                    backup: input.backup.id, host: host, generation: input.volume.generation,
                    rootTree: input.backup.rootTree, files: 1, bytes: 1))
        case .volumeExecute:
            return try JSON.value(
                VolumeExecuteResult(exitCode: 0, output: "ok", isTruncated: false))
        case .hostInventory:
            return try JSON.value(HostContents(volumes: volumes.sorted(), others: []))
        default: return .object([:])
        }
    }

    /// Volumes that the host says it has although nothing places them there.
    private(set) var volumes: [ProjectID] = []

    func setVolumes(_ volumes: [ProjectID]) { self.volumes = volumes }
}
