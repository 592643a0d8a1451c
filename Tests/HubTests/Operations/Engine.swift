import Platform
import Postgres
import Shared
import Testing

@testable import Hub

/// The engine over a database of its own, with hosts and projects made by registry events.
struct Engine: Sendable {
    let options: PostgresOptions
    let pool: PostgresPool
    let bell = OperationBell()
    let service: OperationService
    let settings: OperationSettings
    let identifiers: Identifiers
    let changes: ChangeRunner
    let rescue: OperationRescue
    let log: Logger
    let author = RegistryWriter.Author(actor: "test")

    static var quick: OperationSettings {
        var settings = OperationSettings()
        settings.lease = .seconds(20)
        settings.heartbeat = .seconds(5)
        settings.poll = .milliseconds(50)
        settings.sweep = .milliseconds(50)
        return settings
    }

    /// - Parameter database: a migrated database; nil makes one in the cluster of all tests.
    init(
        _ settings: OperationSettings = Engine.quick, database: PostgresOptions? = nil
    ) async throws {
        self.settings = settings
        if let database {
            options = StablePlans.of(database)
        } else {
            options = StablePlans.of(try await EngineDatabases.shared.make())
        }
        pool = PostgresPool(
            options, limits: PostgresPool.Limits(connections: 24, acquireTimeout: .seconds(20)))
        let output = try LogOutput(descriptor: 2, format: .text)
        log = Logger(output: output, level: .error)
        identifiers = Identifiers(
            now: { UTCTime.now().millisecondsSinceEpoch },
            random: {
                var random = Random()
                return random.next()
            })
        service = OperationService(
            pool: pool, bell: bell, settings: settings, identifiers: identifiers, log: log)
        changes = ChangeRunner(pool: pool, bell: bell)
        rescue = OperationRescue(changes, settings: settings, log: log)
        let timeline = identifiers.make(TimelineIdentity.self)
        try await pool.query(
            "INSERT INTO hub (timeline, keyring_check) VALUES (\(timeline), '\\x00')")
    }

    /// Another hub over the same database.
    ///
    /// - Parameters:
    ///   - through: another way to the database.
    ///   - limits: of its pool.
    init(
        again other: Engine, through: PostgresOptions? = nil,
        limits: PostgresPool.Limits = PostgresPool.Limits()
    ) {
        settings = other.settings
        options = through ?? other.options
        identifiers = other.identifiers
        log = other.log
        pool = PostgresPool(options, limits: limits)
        service = OperationService(
            pool: pool, bell: bell, settings: settings, identifiers: identifiers, log: log)
        changes = ChangeRunner(pool: pool, bell: bell)
        rescue = OperationRescue(changes, settings: settings, log: log)
    }

    /// Runs the hub's own services while `body` runs.
    func running(
        hasPath: @escaping WorkflowRunner.PathLookup = { _, _ in true },
        _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
        let runner = WorkflowRunner(
            changes, settings: settings, identifiers: identifiers, log: log, hasPath: hasPath)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await runner.run() }
            group.addTask { [rescue] in try await rescue.run() }
            do {
                try await body()
            } catch {
                group.cancelAll()
                throw error
            }
            group.cancelAll()
            // Both end because they are cancelled.
            while let result = await group.nextResult() {
                if case .failure(let error) = result, !(error is CancellationError) { throw error }
            }
        }
        await pool.close()
    }

    /// What somebody does whose request was not answered: asks again.
    @discardableResult
    func stubborn<Answer: Sendable>(_ body: () async throws -> Answer) async throws -> Answer {
        while true {
            do {
                return try await body()
            } catch is PostgresError {
                try Task.checkCancellation()
            } catch let problem as Problem where problem.code == "request-in-flight" {
                // The server has not noticed yet that the connection of the try before is gone.
                try Task.checkCancellation()
            }
        }
    }

    /// Records registry events.
    func record(_ events: RegistryEvent...) async throws {
        try await changes.run(author: author) { change in
            for event in events { try await change.record(event) }
        }
    }

    func host(_ name: String) async throws -> HostID {
        let host = identifiers.make(HostIdentity.self)
        try await record(
            .hostExpected(HostExpected(host: host, name: name, region: "default")),
            .hostEnrolled(
                HostEnrolled(host: host, ledger: identifiers.make(LedgerIdentity.self))))
        return host
    }

    /// A project with its repository.
    func project(
        _ name: String, on host: HostID, isProvisioned: Bool = true, isWanted: Bool = false,
        command: [String] = ["/bin/serve"]
    ) async throws -> ProjectID {
        let project = identifiers.make(ProjectIdentity.self)
        let bucket = identifiers.make(BucketIdentity.self)
        let uid = try await pool.query("SELECT 200000 + count(*) AS uid FROM projects").one()
            .decode("uid", as: Int.self)
        try await record(
            .projectCreated(
                ProjectCreated(
                    project: project, name: name, owner: "test", region: "default",
                    uid: UInt32(uid), gid: UInt32(uid),
                    runtime: RuntimeDescription(command: command), host: host)),
            .bucketCreated(
                BucketCreated(
                    bucket: bucket, name: name, kind: "directory", region: "default",
                    settings: .object([:]), grantMode: .gateway, isDefault: false)),
            .repositoryCreated(
                RepositoryCreated(
                    repository: identifiers.make(RepositoryIdentity.self), project: project,
                    bucket: bucket, prefix: name, chunkerPolynomial: "3abc9bff07d9e5")))
        if isProvisioned {
            try await record(
                .placementProvisioned(
                    PlacementProvisioned(
                        project: project, host: host, generation: 1, isProvisioned: true)))
        }
        if isWanted {
            try await record(
                .projectWanted(ProjectWanted(project: project, isWantedRunning: true)))
        }
        return project
    }

    /// Records a backup as a commit does.
    @discardableResult
    func backup(
        of project: ProjectID, id: BackupID? = nil, operation: OperationID? = nil
    ) async throws -> BackupReference {
        let id = id ?? identifiers.make(BackupIdentity.self)
        let row = try await pool.query(
            """
            SELECT r.id, l.host, l.generation FROM repositories r
            JOIN placements l ON l.project = r.project WHERE r.project = \(project)
            """
        ).one()
        let taken = Timestamp(milliseconds: UTCTime.now().millisecondsSinceEpoch)
        let reference = BackupReference(
            id: id, project: project, snapshot: Random.hex(bytes: 32),
            rootTree: Random.hex(bytes: 32), takenAt: taken)
        try await record(
            .backupRecorded(
                BackupRecorded(
                    backup: id, project: project, repository: try row.decode("id"),
                    snapshot: reference.snapshot, rootTree: reference.rootTree, takenAt: taken,
                    host: try row.decode("host"), generation: try row.decode("generation"),
                    operation: operation ?? identifiers.make(OperationIdentity.self), files: 1,
                    bytes: 1, addedBytes: 1, storedBytes: 1, omissions: [], tags: [])))
        return reference
    }

    /// The recorded backup with this identity, or a new one: a commit that is asked for again.
    func backupOnce(
        of project: ProjectID, id: BackupID, operation: OperationID
    ) async throws -> BackupReference {
        let recorded = try await pool.withTransaction { try await BackupReader($0).backup(id) }
        guard let recorded else {
            return try await backup(of: project, id: id, operation: operation)
        }
        return BackupReference(
            id: id, project: project, snapshot: recorded.snapshot, rootTree: recorded.rootTree,
            takenAt: recorded.takenAt)
    }

    func facts(_ project: ProjectID) async throws -> ProjectDescription {
        try #require(
            try await pool.withTransaction { try await ProjectReader($0).project(project) })
    }

    /// What must hold when nothing is alive any more.
    func expectNothingLeft() async throws {
        let row = try await pool.query(
            """
            SELECT (SELECT count(*) FROM slots WHERE operation IS NOT NULL) AS slots,
                (SELECT count(*) FROM guards) AS guards,
                (SELECT count(*) FROM operation_live) AS live,
                (SELECT count(*) FROM pins WHERE reason <> 'copy') AS pins,
                (SELECT count(*) FROM operations) AS operations,
                (SELECT count(*) FROM operation_states) AS states,
                (SELECT count(*) FROM operation_states
                    WHERE state IN ('queued', 'running', 'waiting')) AS open
            """
        ).one()
        #expect(try row.decode("slots", as: Int.self) == 0)
        #expect(try row.decode("guards", as: Int.self) == 0)
        #expect(try row.decode("live", as: Int.self) == 0)
        #expect(try row.decode("pins", as: Int.self) == 0)
        #expect(try row.decode("open", as: Int.self) == 0)
        #expect(
            try row.decode("operations", as: Int.self) == (try row.decode("states", as: Int.self)))
    }

    /// Exactly one row for each operation in all the tables of states.
    func expectOneStateEach() async throws {
        let row = try await pool.query(
            """
            SELECT count(*) AS wrong FROM operations o
            WHERE (SELECT count(*) FROM operation_states s WHERE s.operation = o.id) <> 1
            """
        ).one()
        #expect(try row.decode("wrong", as: Int.self) == 0)
    }
}
