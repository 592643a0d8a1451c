import Platform
import Postgres
import Shared

/// How long a move is under way in the hub: its two hosts answer at once, and do nothing.
///
/// What is measured is everything else: the order, nine children's creation, leases through the
/// agents' protocol, reports, the workflow's steps, and the waiter's answer.
struct MoveBench: Sendable {
    let options: PostgresOptions
    let identifiers: Identifiers
    let log: Logger

    private static let moves = 60

    func run() async throws {
        let pool = PostgresPool(options, limits: PostgresPool.Limits(connections: 20))
        let bell = OperationBell()
        let settings = OperationSettings()
        let service = OperationService(
            pool: pool, bell: bell, settings: settings, identifiers: identifiers, log: log)
        let changes = ChangeRunner(pool: pool, bell: bell)
        let timeline = identifiers.make(TimelineIdentity.self)
        try await pool.withTransaction { transaction in
            try await HubRowStore(transaction).insert(timeline: timeline, keyringCheck: [0])
        }
        let fleet = try await BenchHistory(changes: changes, identifiers: identifiers).pair()
        let hosts = fleet.hosts.map {
            IdleHost(
                host: $0.host, ledger: $0.ledger, repository: fleet.repository, service: service,
                changes: changes, identifiers: identifiers)
        }
        let runner = WorkflowRunner(
            changes, settings: settings, identifiers: identifiers, log: log,
            hasPath: { _, _ in true })
        let times = try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await runner.run() }
            for host in hosts {
                try await host.open()
                group.addTask { try await host.work() }
            }
            defer { group.cancelAll() }
            return try await time(fleet.project, hosts, service)
        }.sorted()
        print("moves: median of \(times.count), p99 \(times[times.count * 99 / 100]) ms")
        figure("move_workflow_overhead_ms", times[times.count / 2], "ms")
        await pool.close()
    }

    /// Moves a project to and fro, and says how many milliseconds each move took.
    private func time(
        _ project: ProjectID, _ hosts: [IdleHost], _ service: OperationService
    ) async throws -> [Double] {
        var times: [Double] = []
        for number in 1...Self.moves {
            let target = hosts[number % 2].host
            let begin = ContinuousClock.now
            let id = try await service.create(
                .move(project, MoveOrder(target: target)),
                by: RegistryWriter.Author(actor: "bench")
            ).operation.id
            let ended = try await service.waitForTerminal(id, atMost: .seconds(30))
            guard ended?.state == .succeeded else {
                throw HubError(.database, "a move did not succeed: \(String(describing: ended))")
            }
            times.append(seconds(.now - begin) * 1000)
        }
        return times
    }
}

/// A host that answers its work at once, and does nothing.
private actor IdleHost {
    let host: HostID
    private let ledger: LedgerID
    private let repository: RepositoryID
    private let service: OperationService
    private let changes: ChangeRunner
    private let identifiers: Identifiers
    private let session: SessionID
    private var sequence: Int64 = 0

    init(
        host: HostID, ledger: LedgerID, repository: RepositoryID, service: OperationService,
        changes: ChangeRunner, identifiers: Identifiers
    ) {
        self.host = host
        self.ledger = ledger
        self.repository = repository
        self.service = service
        self.changes = changes
        self.identifiers = identifiers
        session = identifiers.make(SessionIdentity.self)
    }

    func open() async throws {
        _ = try await service.openSession(
            OpenSessionRequest(
                session: session, ledger: ledger, agentVersion: "bench", timeline: nil), host: host)
        _ = try await service.heartbeat(
            HeartbeatRequest(
                session: session, held: [],
                status: HostStatus(
                    agentVersion: "bench", filesystem: nil, freeBytes: 1 << 40,
                    totalBytes: 2 << 40, outboxPending: 0, trouble: nil)), host: host)
    }

    func work() async throws {
        while true {
            let leased = try await service.lease(
                LeaseRequest(
                    session: session, request: identifiers.make(RequestIdentity.self),
                    capacity: 4, waitMilliseconds: 20_000), host: host)
            for operation in leased.operations {
                sequence += 1
                let outcome = OperationOutcome(
                    operation: operation.id, epoch: operation.epoch, state: .succeeded,
                    result: try await result(of: operation), failure: nil)
                _ = try await service.applyReports(
                    ReportsRequest(
                        session: session, ledger: ledger,
                        reports: [
                            Report(
                                sequence: sequence, time: identifiers.currentTime,
                                content: .operationFinished(outcome))
                        ]), host: host)
            }
        }
    }

    private func result(of operation: LeasedOperation) async throws -> JSONValue {
        switch operation.kind {
        case .volumeBackup:
            let input = try JSON.decode(VolumeBackupInput.self, from: operation.input)
            return try await backUp(input, operation.id)
        case .volumeRestore:
            let input = try JSON.decode(VolumeRestoreInput.self, from: operation.input)
            return try JSON.value(
                RestoreReceipt(
                    backup: input.backup.id, host: host, generation: input.volume.generation,
                    rootTree: input.backup.rootTree, files: 1, bytes: 1))
        default: return .object([:])
        }
    }

    /// Records a backup as the end of a commit does.
    private func backUp(
        _ input: VolumeBackupInput, _ operation: OperationID
    ) async throws -> JSONValue {
        let reference = BackupReference(
            id: input.backup, project: input.volume.project, snapshot: Random.hex(bytes: 32),
            rootTree: Random.hex(bytes: 32), takenAt: identifiers.currentTime)
        try await changes.run { change in
            try await change.record(
                .backupRecorded(
                    BackupRecorded(
                        backup: reference.id, project: reference.project, repository: repository,
                        snapshot: reference.snapshot, rootTree: reference.rootTree,
                        takenAt: reference.takenAt, host: host,
                        generation: input.volume.generation, operation: operation, files: 1,
                        bytes: 1, addedBytes: 1, storedBytes: 1, omissions: [], tags: [])))
        }
        return try JSON.value(
            VolumeBackupResult(
                backup: reference, files: 1, bytes: 1, addedBytes: 1, storedBytes: 1,
                omissions: [], isCurrent: true))
    }
}
