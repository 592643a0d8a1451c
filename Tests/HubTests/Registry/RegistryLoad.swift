import Platform
import Postgres
import Shared
import Testing

@testable import Hub

/// Events of every kind, as a busy fleet makes them.
struct RegistryLoad: Sendable {
    let engine: Engine
    let hosts: [HostID]

    init(_ engine: Engine, label: String) async throws {
        self.engine = engine
        hosts = [
            try await engine.host("\(label)-a"), try await engine.host("\(label)-b"),
        ]
    }

    private func create(_ name: String) async throws -> ProjectID {
        let project = engine.identifiers.make(ProjectIdentity.self)
        let bucket = engine.identifiers.make(BucketIdentity.self)
        try await engine.changes.run(author: engine.author) { change in
            let user = try await ProjectStore(change.transaction).allocateUser()
            try await change.record(
                .projectCreated(
                    ProjectCreated(
                        project: project, name: name, owner: "anna", region: "default", uid: user,
                        gid: user, runtime: RuntimeDescription(command: ["/bin/serve", "a\tb"]),
                        host: hosts[0])))
            try await change.record(
                .bucketCreated(
                    BucketCreated(
                        bucket: bucket, name: name, kind: "directory", region: "default",
                        settings: .object(["path": .string("/b"), "n": .number(1.5)]),
                        grantMode: .gateway, isDefault: false)))
            try await change.record(
                .repositoryCreated(
                    RepositoryCreated(
                        repository: engine.identifiers.make(RepositoryIdentity.self),
                        project: project, bucket: bucket, prefix: name,
                        chunkerPolynomial: "3abc9bff07d9e5")))
        }
        try await change(bucket, of: project, name)
        try await engine.record(
            .placementProvisioned(
                PlacementProvisioned(
                    project: project, host: hosts[0], generation: 1, isProvisioned: true)),
            .projectWanted(ProjectWanted(project: project, isWantedRunning: true)))
        return project
    }

    /// Another repository takes the place of the project's, with its one backup.
    private func replaceRepository(of project: ProjectID, snapshot: String) async throws {
        let old = try await engine.pool.withTransaction { transaction in
            try await BucketStore(transaction).repository(of: project)
        }
        let repository = try #require(old)
        let id = engine.identifiers.make(RepositoryIdentity.self)
        try await engine.record(
            .repositoryReplaced(
                RepositoryReplaced(
                    repository: id, project: project, bucket: repository.bucket.id,
                    prefix: "repositories/\(id)", chunkerPolynomial: "3abc9bff07d9e5",
                    replaces: repository.id,
                    snapshots: [snapshot: String(snapshot.reversed())])))
        let new = try await engine.pool.withTransaction { transaction in
            try await BucketStore(transaction).repository(of: project)
        }
        #expect(new?.id == id)
    }

    /// A bucket's changes, and another bucket that comes and goes.
    private func change(_ bucket: BucketID, of project: ProjectID, _ name: String) async throws {
        let other = engine.identifiers.make(BucketIdentity.self)
        let test = BucketTest(
            time: Timestamp(milliseconds: 1_900_000_000_123),
            checks: [.init(name: "list", need: .use, passed: true, detail: "ä")],
            hasConditionalPut: true)
        try await engine.record(
            .bucketCreated(
                BucketCreated(
                    bucket: other, name: name + "-other", kind: "directory", region: "default",
                    settings: .object([:]), grantMode: .gateway, isDefault: false)),
            .projectRouted(ProjectRouted(project: project, bucket: bucket)),
            .bucketChanged(
                BucketChanged(
                    bucket: bucket, settings: .object(["path": .string("/c")]),
                    grantMode: .presigned, isDefault: false, test: try JSON.value(test))),
            .bucketChanged(
                BucketChanged(
                    bucket: other, settings: .object([:]), grantMode: .gateway, isDefault: false,
                    test: nil)),
            .bucketRemoved(BucketRemoved(bucket: other)))
    }

    /// A project's life: made, provisioned, backed up, pinned, copied, moved, deleted.
    func live(_ name: String, random: inout Random) async throws {
        let project = try await create(name)
        let backup = try await engine.backup(of: project)
        let pin = PinChanged(
            project: project, backup: backup.id, reason: .base, holder: hosts[0].uuid)
        try await engine.record(.pinAdded(pin))
        let copy = engine.identifiers.make(CopyIdentity.self)
        try await engine.record(
            .copyCreated(
                CopyCreated(
                    copy: copy, operation: engine.identifiers.make(OperationIdentity.self),
                    source: project, backup: backup.id, sourcePath: try ProjectPath("a/b"),
                    destination: project, destinationPath: try ProjectPath("c"),
                    overwrite: .never, expiresAt: Timestamp(milliseconds: 1_900_000_000_123))))
        try await engine.record(
            .copyChanged(
                CopyChanged(copy: copy, destination: project, state: .applying, failure: nil)))
        let isFailure = random.next() % 2 == 0
        try await engine.record(
            .copyChanged(
                CopyChanged(
                    copy: copy, destination: project, state: isFailure ? .failed : .done,
                    failure: isFailure
                        ? Failure(code: "x", message: "ä \"quoted\" | \u{1F600}") : nil)))
        try await engine.record(
            .placementChanged(
                PlacementChanged(
                    project: project, host: hosts[1], generation: 2, isProvisioned: nil)),
            .pinReleased(pin))
        try await replaceRepository(of: project, snapshot: backup.snapshot)
        if random.next() % 2 == 0 {
            try await engine.record(
                .backupForgotten(BackupForgotten(backup: backup.id, project: project)))
        }
        if random.next() % 3 == 0 {
            try await engine.record(.projectDeleted(ProjectDeleted(project: project)))
        }
    }
}

extension Engine {
    /// Every row of the registry as it would be dumped, in the order of the keys.
    func registryDump() async throws -> String {
        var text = ""
        for table in RegistryStatements.tables {
            let rows = try await pool.query(
                PostgresQuery(
                    stringLiteral: "SELECT t::text AS row FROM \(table) t ORDER BY t::text"))
            text += "\(table)\n"
            for row in rows.rows { text += try row.decode("row", as: String.self) + "\n" }
        }
        return text
    }

    /// Runs `body` with a connection as the owner of the tables.
    @discardableResult
    func asOwner<Answer>(
        _ body: (PostgresConnection) async throws -> Answer
    ) async throws -> Answer {
        let connection = try await PostgresConnection.connect(options)
        do {
            let answer = try await body(connection)
            await connection.close()
            return answer
        } catch {
            await connection.close()
            throw error
        }
    }

    /// Changes the log as only somebody with the owner's rights can.
    func tamper(_ statement: String) async throws {
        try await asOwner { connection in
            try await connection.execute(
                script: """
                    ALTER TABLE events DISABLE TRIGGER ALL; \(statement);
                    ALTER TABLE events ENABLE TRIGGER ALL
                    """)
        }
    }
}
