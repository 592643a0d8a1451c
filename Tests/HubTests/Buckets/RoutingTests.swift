import Platform
import Postgres
import Shared
import Testing

@testable import Hub

@Suite("A project's bucket", .timeLimit(.minutes(2)))
struct RoutingTests {
    /// A hub with one host, and what its tests are made of.
    private struct Fleet {
        let engine: Engine
        let host: HostID

        init() async throws {
            engine = try await Engine()
            host = try await engine.host("a")
        }

        /// A bucket of a region.
        @discardableResult
        func bucket(
            _ name: String, region: String, isDefault: Bool = false, alsoServes: [String]? = nil
        ) async throws -> BucketID {
            let bucket = engine.identifiers.make(BucketIdentity.self)
            var settings = BucketSettings(path: "/buckets/\(name)")
            settings.alsoServes = alsoServes
            try await engine.record(
                .bucketCreated(
                    BucketCreated(
                        bucket: bucket, name: name, kind: "directory", region: region,
                        settings: try JSON.value(settings), grantMode: .gateway,
                        isDefault: isDefault)))
            return bucket
        }

        /// A project of a region, without a repository.
        func project(_ name: String, region: String) async throws -> ProjectID {
            let project = engine.identifiers.make(ProjectIdentity.self)
            try await engine.changes.run(author: engine.author) { change in
                let user = try await ProjectStore(change.transaction).allocateUser()
                try await change.record(
                    .projectCreated(
                        ProjectCreated(
                            project: project, name: name, owner: "test", region: region, uid: user,
                            gid: user, runtime: RuntimeDescription(command: []), host: host)))
            }
            return project
        }

        /// The bucket that the project's first backup would go to.
        func target(_ project: ProjectID) async throws -> String? {
            try await engine.pool.withTransaction { transaction in
                try await BucketStore(transaction).route(project).bucket?.name
            }
        }

        func route(
            _ project: ProjectID, _ bucket: String, acrossRegions: Bool = false
        ) async throws {
            let engine = engine
            try await engine.pool.withTransaction { transaction in
                try await ProjectRouting(transaction).route(
                    project, RouteProjectRequest(bucket: bucket, acrossRegions: acrossRegions),
                    author: engine.author)
            }
        }

        /// Gives a project its repository.
        func settle(_ project: ProjectID, in bucket: BucketID) async throws {
            try await engine.record(
                .repositoryCreated(
                    RepositoryCreated(
                        repository: engine.identifiers.make(RepositoryIdentity.self),
                        project: project, bucket: bucket, prefix: "p",
                        chunkerPolynomial: "3abc9bff07d9e5")))
        }

        func expectRefusal(_ code: String, _ body: () async throws -> Void) async {
            let problem = await #expect(throws: Problem.self) { try await body() }
            #expect(problem?.code == code, "\(problem as Any)")
        }
    }

    @Test("is the default of its region; no other region's, and none that is no default")
    func regions() async throws {
        let fleet = try await Fleet()
        try await fleet.bucket("eu-old", region: "eu")
        try await fleet.bucket("eu-main", region: "eu", isDefault: true)
        try await fleet.bucket("us-main", region: "us", isDefault: true)
        try await fleet.bucket("asia-cold", region: "asia")
        let targets = ["eu": "eu-main", "us": "us-main", "asia": nil, "africa": nil]
        for (region, target) in targets {
            let project = try await fleet.project("of-\(region)", region: region)
            #expect(try await fleet.target(project) == target, "\(region)")
        }
    }

    @Test("is a default that serves its region too, but only where its region has none")
    func serving() async throws {
        let fleet = try await Fleet()
        try await fleet.bucket(
            "eu-main", region: "eu", isDefault: true, alsoServes: ["us", "asia"])
        try await fleet.bucket("any", region: "moon", isDefault: true, alsoServes: ["*"])
        let asian = try await fleet.project("asian", region: "asia")
        // The oldest of those that serve it.
        #expect(try await fleet.target(asian) == "eu-main")
        let african = try await fleet.project("african", region: "africa")
        #expect(try await fleet.target(african) == "any")
        let american = try await fleet.project("american", region: "us")
        #expect(try await fleet.target(american) == "eu-main")
        try await fleet.bucket("us-main", region: "us", isDefault: true)
        #expect(try await fleet.target(american) == "us-main")
        // One that serves others is not used for them while it is no default.
        try await fleet.bucket("idle", region: "eu", alsoServes: ["mars"])
        let martian = try await fleet.project("martian", region: "mars")
        #expect(try await fleet.target(martian) == "any")
    }

    @Test("is the one that was asked for, in another region only when that is asked for too")
    func asked() async throws {
        let fleet = try await Fleet()
        try await fleet.bucket("eu-main", region: "eu", isDefault: true)
        try await fleet.bucket("eu-cold", region: "eu")
        try await fleet.bucket("us-main", region: "us", isDefault: true)
        try await fleet.bucket("us-open", region: "us", alsoServes: ["eu"])
        let project = try await fleet.project("notes", region: "eu")
        try await fleet.route(project, "eu-cold")
        #expect(try await fleet.target(project) == "eu-cold")
        await fleet.expectRefusal("other-region") { try await fleet.route(project, "us-main") }
        #expect(try await fleet.target(project) == "eu-cold")
        try await fleet.route(project, "us-open")
        #expect(try await fleet.target(project) == "us-open")
        try await fleet.route(project, "us-main", acrossRegions: true)
        #expect(try await fleet.target(project) == "us-main")
    }

    @Test("stays once its repository is there, whatever becomes of defaults")
    func sticky() async throws {
        let fleet = try await Fleet()
        let first = try await fleet.bucket("first", region: "eu", isDefault: true)
        let project = try await fleet.project("notes", region: "eu")
        try await fleet.settle(project, in: first)
        try await fleet.engine.record(
            .bucketChanged(
                BucketChanged(
                    bucket: first,
                    settings: try JSON.value(BucketSettings(path: "/buckets/first")),
                    grantMode: .gateway, isDefault: false, test: nil)))
        try await fleet.bucket("second", region: "eu", isDefault: true)
        let repository = try await fleet.engine.pool.withTransaction { transaction in
            try await BucketStore(transaction).repository(of: project)
        }
        #expect(repository?.bucket.name == "first")
        await fleet.expectRefusal("bucket-sticky") {
            try await fleet.route(project, "second", acrossRegions: true)
        }
        // Asked for where it is, nothing changes.
        try await fleet.route(project, "first")
        let other = try await fleet.project("later", region: "eu")
        #expect(try await fleet.target(other) == "second")
    }

    @Test("has one default a region, which the database holds to")
    func oneDefault() async throws {
        let fleet = try await Fleet()
        try await fleet.bucket("first", region: "eu", isDefault: true)
        await #expect(throws: (any Error).self) {
            try await fleet.bucket("second", region: "eu", isDefault: true)
        }
        try await fleet.bucket("third", region: "us", isDefault: true)
    }
}
