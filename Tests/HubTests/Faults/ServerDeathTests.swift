import Glibc
import Platform
import Postgres
import Shared
import Testing

@testable import Hub

@Suite("A database server that goes away while operations run", .timeLimit(.minutes(4)))
struct ServerDeathTests {
    /// How it goes away.
    enum Death: CaseIterable, Sendable {
        /// As an administrator restarts it.
        case restarted
        /// Without a checkpoint.
        case stoppedImmediately
        /// SIGKILL of the postmaster, its backends with it.
        case killed
    }

    @Test(
        "comes back with all that was acknowledged, and every operation ends",
        arguments: Death.allCases)
    func dies(_ death: Death) async throws {
        try await withServer { cluster, options in
            var settings = Engine.quick
            settings.lease = .seconds(2)
            settings.heartbeat = .milliseconds(500)
            let engine = try await Engine(settings, database: options)
            let hostA = try await engine.host("a")
            let hostB = try await engine.host("b")
            var projects: [ProjectID] = []
            for number in 0..<6 {
                projects.append(
                    try await engine.project(
                        "p\(number)", on: hostA, isProvisioned: number > 0, isWanted: number > 1))
            }
            let all = projects
            try await engine.running {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for (host, name) in [(hostA, "a"), (hostB, "b")] {
                        group.addTask { try await ChaosTests.agent(engine, host, name) }
                    }
                    try await ChaosTests.hostsAreReady(engine)
                    let ids = try await ChaosTests.create(engine, all, hostB)
                    for _ in 0..<3 {
                        // Long enough that work is under way, which is what is tested.
                        try await Task.sleep(for: .milliseconds(120))
                        try await end(cluster, death)
                        try await cluster.start()
                    }
                    for id in ids {
                        var ended: OperationDescription?
                        while ended?.state.isTerminal != true {
                            ended = try await engine.stubborn {
                                try await engine.service.waitForTerminal(id, atMost: .seconds(60))
                            }
                        }
                        #expect(
                            ended?.state == .succeeded,
                            "\(ended?.kind.rawValue ?? ""): \(ended?.failure?.description ?? "")")
                    }
                    group.cancelAll()
                    while await group.nextResult() != nil {}
                }
                try await engine.stubborn { try await engine.expectNothingLeft() }
                try await engine.stubborn { try await engine.expectOneStateEach() }
                let log = try await PostgresConnection.connect(engine.options)
                let verified = try await LogVerification(connection: log).run()
                await log.close()
                guard case .whole = verified else {
                    Issue.record("the log is \(verified)")
                    return
                }
            }
        }
    }

    private func end(_ cluster: PrivateCluster, _ death: Death) async throws {
        switch death {
        case .restarted: try await cluster.stop()
        case .stoppedImmediately: try await cluster.stopImmediately()
        case .killed:
            let server = try #require(await cluster.processID)
            #expect(kill(server, SIGKILL) == 0)
            try await cluster.wait()
        }
    }

    /// A server of its own with durable commits.
    private func withServer(
        _ body: (PrivateCluster, PostgresOptions) async throws -> Void
    ) async throws {
        let directory = try TemporaryDirectory(prefix: "berth-server")
        try systemCall("chmod") { unsafe chmod(directory.path, 0o711) }
        let cluster = PrivateCluster(
            dataDirectory: directory.path + "/postgres", diesWithParent: true)
        try await cluster.initialize()
        try await cluster.start()
        do {
            try await cluster.createDatabase("engine")
            let options = cluster.connectionOptions(database: "engine")
            try await PostgresMigrations(directory: EngineDatabases.migrations).apply(to: options)
            try await body(cluster, options)
        } catch {
            try await cluster.stopImmediately()
            throw error
        }
        try await cluster.stopImmediately()
    }
}
