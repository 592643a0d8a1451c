import FoundationEssentials
import ObjectStore
import Platform
import Postgres
import S3TestSupport
import Shared
import Testing

@testable import Hub

@Suite("Setting up buckets", .timeLimit(.minutes(2)))
struct BucketDeskTests {
    /// What an operator has, over a hub's database of its own.
    private struct Office: Sendable {
        let engine: Engine
        let desk: BucketDesk
        let place: TemporaryDirectory
        /// The names that credentials were looked for under in the environment.
        let asked: Locked<Set<String>>

        init() async throws {
            engine = try await Engine()
            place = try TemporaryDirectory()
            let asked = Locked<Set<String>>([])
            self.asked = asked
            let files = BlockingPool(label: "test", width: 2)
            let environment = [
                "BUCKET_KEY": "ENFORCED", "BUCKET_SECRET": "an enforced secret",
                "AWS_ACCESS_KEY_ID": "AMBIENT", "AWS_SECRET_ACCESS_KEY": "ambient",
            ]
            let credentials = CredentialReader(
                pool: engine.pool, keyring: try Keyring.mint(path: place.path + "/key"),
                files: files
            ) { name in
                asked.withLock { _ = $0.insert(name) }
                return environment[name]
            }
            desk = BucketDesk(
                pool: engine.pool, identifiers: engine.identifiers,
                catalog: BucketCatalog(
                    files: files, credentials: credentials,
                    opened: OpenedBuckets(patience: .seconds(5))),
                operations: engine.service)
        }

        func settings(port: Int) throws -> BucketSettings {
            var settings = BucketSettings()
            settings.endpoint = "http://127.0.0.1:\(port)"
            settings.bucket = try EnforcingBucket.configuration(port: port).bucket
            settings.accessKey = "env:BUCKET_KEY"
            settings.secretKey = "env:BUCKET_SECRET"
            return settings
        }

        func create(_ name: String, _ settings: BucketSettings) async throws -> BucketID {
            try await desk.create(
                CreateBucketRequest(
                    name: name, kind: "s3", region: nil, settings: settings, isDefault: false),
                author: engine.author)
        }

        func change(_ bucket: BucketID, _ body: (inout BucketSettings) -> Void) async throws {
            var settings = BucketSettings()
            body(&settings)
            try await desk.set(
                bucket,
                SetBucketRequest(settings: settings, isDefault: nil, acceptsUnenforced: nil),
                author: engine.author)
        }
    }

    @Test("credentials come from the names that are said, and never from the machine's own")
    func ambient() async throws {
        let office = try await Office()
        try await EnforcingBucket().serve { port in
            let bucket = try await office.create("eu", try office.settings(port: port))
            let row = try await office.desk.require(bucket).row
            #expect(row.grantMode == .presigned)
        }
        #expect(office.asked.withLock { $0 } == ["BUCKET_KEY", "BUCKET_SECRET"])
    }

    @Test("what was changed while a bucket was tried out is kept, and the test says so")
    func interleaved() async throws {
        let office = try await Office()
        let target = Locked<BucketID?>(nil)
        let bucket = EnforcingBucket(meanwhile: {
            guard let id = target.withLock({ $0.take() }) else { return }
            do {
                try await office.change(id) { $0.grants = .gateway }
            } catch {
                Issue.record("the change at the same time failed: \(error)")
            }
        })
        try await bucket.serve { port in
            let id = try await office.create("eu", try office.settings(port: port))
            target.withLock { $0 = id }
            await #expect(throws: RegistryConflict.self) {
                try await office.desk.test(id, author: office.engine.author)
            }
            let row = try await office.desk.require(id).row
            #expect(row.settings.grants == .gateway && row.grantMode == .gateway)
            _ = try await office.desk.test(id, author: office.engine.author)
        }
    }

    @Test("settings that are refused leave the bucket's client and its waits as they were")
    func refused() async throws {
        let office = try await Office()
        try await EnforcingBucket().serve { port in
            let id = try await office.create("eu", try office.settings(port: port))
            let catalog = office.desk.catalog
            let before = try await catalog.s3(try await office.desk.require(id).row)
            let problem = await #expect(throws: Problem.self) {
                try await office.change(id) { $0.endpoint = "http://127.0.0.1:9" }
            }
            #expect(problem?.code == "bucket-unusable")
            let after = try await catalog.s3(try await office.desk.require(id).row)
            #expect(after.health === before.health)
        }
    }

    @Test("with sealed credentials is tried as soon as they are sealed")
    func sealed() async throws {
        let office = try await Office()
        try await EnforcingBucket().serve { port in
            var settings = try office.settings(port: port)
            settings.accessKey = "sealed"
            settings.secretKey = "sealed"
            let id = try await office.create("eu", settings)
            try await office.change(id) { $0.endpoint = "http://127.0.0.1:9" }
            try await office.change(id) { $0.endpoint = "http://127.0.0.1:\(port)" }
            let keyring = office.desk.catalog.credentials.keyring
            try await office.engine.pool.withTransaction { transaction in
                try await SecretStore(transaction).replace(
                    try JSON.encode(
                        CredentialReader.Sealed(
                            accessKey: "ENFORCED", secretKey: "an enforced secret")),
                    kind: .bucket, id: id, keyring: keyring)
            }
            let problem = await #expect(throws: Problem.self) {
                try await office.change(id) { $0.endpoint = "http://127.0.0.1:9" }
            }
            #expect(problem?.code == "bucket-unusable")
        }
    }

    @Test("one that is removed gets no project, and one with a project is not removed")
    func removal() async throws {
        let office = try await Office()
        let engine = office.engine
        let host = try await engine.host("a")
        let project = try await engine.project("web", on: host)
        try await EnforcingBucket().serve { port in
            let id = try await office.create("eu", try office.settings(port: port))
            try await engine.record(
                .projectRouted(ProjectRouted(project: project, bucket: id)))
            let problem = await #expect(throws: Problem.self) {
                try await office.desk.remove(id, author: engine.author)
            }
            #expect(problem?.code == "bucket-in-use")
            let other = try await office.create("us", try office.settings(port: port))
            try await office.desk.remove(other, author: engine.author)
            await #expect(throws: RegistryConflict.self) {
                try await engine.record(
                    .projectRouted(ProjectRouted(project: project, bucket: other)))
            }
            // The name is free again.
            _ = try await office.create("us", try office.settings(port: port))
        }
    }

    @Test("uploads that nobody ended are removed once a day, by age")
    func swept() async throws {
        let office = try await Office()
        let directory = office.place.path + "/bucket"
        let store = try DirectoryStore(root: directory, create: true)
        try await store.put(ObjectName("data/aa/one"), .bytes([1]))
        let left = directory + "/data/aa/.tmp-left"
        try DurableFile.write([1, 2, 3], to: left)
        _ = try await office.desk.create(
            CreateBucketRequest(
                name: "dir", kind: "directory", region: nil,
                settings: BucketSettings(path: directory), isDefault: true),
            author: office.engine.author)
        var sweep = BucketSweep(
            pool: office.engine.pool, catalog: office.desk.catalog, logger: office.engine.log)
        sweep.delay = .zero
        sweep.interval = .milliseconds(20)
        #expect(try await runs(sweep) { DirectoryListing.names(directory + "/data/aa").count == 2 })
        sweep.age = .seconds(-60)
        #expect(try await runs(sweep) { DirectoryListing.names(directory + "/data/aa") == ["one"] })
        #expect(try await store.get(ObjectName("data/aa/one"), limitBytes: 1) == [1])
    }

    /// Runs a sweep for a while, or until something is true of what it leaves.
    private func runs(_ sweep: BucketSweep, until isDone: @Sendable () -> Bool) async throws -> Bool
    {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await sweep.run() }
            defer { group.cancelAll() }
            let clock = ContinuousClock()
            let end = clock.now + .seconds(20)
            while clock.now < end {
                try await clock.sleep(for: .milliseconds(200))
                if isDone() { return true }
            }
            return false
        }
    }
}

/// What is in a directory.
private enum DirectoryListing {
    static func names(_ path: String) -> [String] {
        // A directory that is away has nothing in it: the expectation says what is missing.
        ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted()
    }
}
