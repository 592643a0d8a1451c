import Postgres
import Shared
import Testing

@testable import Hub

@Suite("A copy, driven through by hosts", .timeLimit(.minutes(3)))
struct CopyRunTests {
    struct Fleet: Sendable {
        var engine: Engine
        var a: ScriptedAgent
        var b: ScriptedAgent
        var source: ProjectID
        var target: ProjectID

        init(targetIsProvisioned: Bool = true) async throws {
            engine = try await Engine()
            let hostA = try await engine.host("a")
            let hostB = try await engine.host("b")
            a = try await ScriptedAgent(engine, hostA, "a")
            b = try await ScriptedAgent(engine, hostB, "b")
            source = try await engine.project("source", on: hostA)
            target = try await engine.project(
                "target", on: hostB, isProvisioned: targetIsProvisioned)
        }

        func order(_ backup: BackupReference? = nil) throws -> OperationOrder {
            .copy(
                source,
                CopyOrder(
                    path: try ProjectPath("data"), destinations: [target],
                    destinationPath: try ProjectPath("data"), overwrite: .always, backup: backup))
        }

        func copies() async throws -> [CopyDescription] {
            try await engine.pool.withTransaction {
                try await CopyReader($0).copies(state: nil, before: nil, limit: 100)
            }
        }

        /// Polls until it holds.
        func until(_ condition: () async throws -> Bool) async throws {
            while try await !condition() {
                try await engine.bell.wait(
                    "never", after: engine.bell.ticket("never"), atMost: .milliseconds(20))
            }
        }

        func work(
            _ agents: [ScriptedAgent], hasPath: Bool = true,
            _ body: @escaping @Sendable () async throws -> Void
        ) async throws {
            try await engine.running(hasPath: { _, _ in hasPath }) {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for agent in agents { group.addTask { try await agent.work() } }
                    defer { group.cancelAll() }
                    try await body()
                }
            }
        }
    }

    @Test("waits for an offline destination, and is applied when it returns")
    func pending() async throws {
        let fleet = try await Fleet()
        try await fleet.work([fleet.a]) {
            let id = try await fleet.engine.service.create(
                try fleet.order(), by: fleet.engine.author
            ).operation.id
            try await fleet.until { try await fleet.copies().count == 1 }
            #expect(try await fleet.copies().first?.state == .pending)
            try await fleet.until {
                try await fleet.engine.service.describe(id)?.waiting?.reason == .hostOffline
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await fleet.b.work() }
                let ended = try await fleet.engine.service.waitForTerminal(
                    id, atMost: .seconds(30))
                #expect(ended?.state == .succeeded, "\(ended?.failure?.description ?? "")")
                group.cancelAll()
            }
            #expect(try await fleet.copies().first?.state == .done)
            #expect(await fleet.a.done == ["a volume.backup"])
            #expect(await fleet.b.done == ["b volume.apply"])
            let pins = try await fleet.engine.pool.query("SELECT count(*) AS n FROM pins").one()
            #expect(try pins.decode("n", as: Int.self) == 0)
            try await fleet.engine.expectNothingLeft()
        }
    }

    @Test("of a path that the backup does not have fails and leaves no copies")
    func missingPath() async throws {
        let fleet = try await Fleet()
        try await fleet.work([fleet.a, fleet.b], hasPath: false) {
            let id = try await fleet.engine.service.create(
                try fleet.order(), by: fleet.engine.author
            ).operation.id
            let ended = try await fleet.engine.service.waitForTerminal(id, atMost: .seconds(30))
            #expect(ended?.failure?.code == "path-not-in-backup")
            #expect(try await fleet.copies().isEmpty)
            try await fleet.engine.expectNothingLeft()
        }
    }

    @Test("into a project without a volume is applied by its start, before the runtime")
    func appliedByStart() async throws {
        let fleet = try await Fleet(targetIsProvisioned: false)
        try await fleet.work([fleet.a, fleet.b]) {
            let id = try await fleet.engine.service.create(
                try fleet.order(), by: fleet.engine.author
            ).operation.id
            try await fleet.until {
                try await fleet.engine.service.describe(id)?.phase == "apply"
            }
            #expect(try await fleet.copies().first?.state == .pending)
            let started = try await fleet.engine.service.create(
                .start(fleet.target), by: fleet.engine.author)
            let start = try await fleet.engine.service.waitForTerminal(
                started.operation.id, atMost: .seconds(30))
            #expect(start?.state == .succeeded, "\(start?.failure?.description ?? "")")
            let ended = try await fleet.engine.service.waitForTerminal(id, atMost: .seconds(30))
            #expect(ended?.state == .succeeded)
            let done = await fleet.b.done
            #expect(done == ["b volume.create", "b volume.apply", "b runtime.start"])
            try await fleet.engine.expectNothingLeft()
        }
    }

    @Test("takes the place of an older one to the same path")
    func superseded() async throws {
        let fleet = try await Fleet(targetIsProvisioned: false)
        try await fleet.work([fleet.a]) {
            for count in 1...2 {
                _ = try await fleet.engine.service.create(
                    try fleet.order(), by: fleet.engine.author)
                try await fleet.until { try await fleet.copies().count == count }
            }
            try await fleet.until {
                try await fleet.copies().map(\.state) == [.pending, .superseded]
            }
            // The first operation has nothing left to do.
            try await fleet.until {
                try await fleet.engine.service.list(
                    OperationFilter(state: .succeeded, kind: .copy), before: nil, limit: 10
                ).count == 1
            }
            let pins = try await fleet.engine.pool.query(
                "SELECT count(*) AS n FROM pins p JOIN copies c ON c.id = p.holder"
            ).one()
            #expect(try pins.decode("n", as: Int.self) == 1)
        }
    }

    @Test("is canceled alone, and lets go of its backup")
    func canceled() async throws {
        let fleet = try await Fleet()
        try await fleet.work([fleet.a]) {
            let id = try await fleet.engine.service.create(
                try fleet.order(), by: fleet.engine.author
            ).operation.id
            try await fleet.until { try await fleet.copies().count == 1 }
            let copy = try #require(try await fleet.copies().first)
            try await fleet.engine.service.cancelCopy(copy.id, by: fleet.engine.author)
            let ended = try await fleet.engine.service.waitForTerminal(id, atMost: .seconds(30))
            #expect(ended?.state == .canceled)
            #expect(try await fleet.copies().first?.state == .canceled)
            let again = await #expect(throws: Problem.self) {
                try await fleet.engine.service.cancelCopy(copy.id, by: fleet.engine.author)
            }
            #expect(again?.code == "copy-ended")
            let pins = try await fleet.engine.pool.query("SELECT count(*) AS n FROM pins").one()
            #expect(try pins.decode("n", as: Int.self) == 0)
            try await fleet.engine.expectNothingLeft()
        }
    }

    @Test("follows its destination when that moves to another host")
    func follows() async throws {
        let fleet = try await Fleet()
        let backup = try await fleet.engine.backup(of: fleet.source)
        try await fleet.work([fleet.a]) {
            let id = try await fleet.engine.service.create(
                try fleet.order(backup), by: fleet.engine.author
            ).operation.id
            try await fleet.until {
                try await fleet.engine.service.describe(id)?.waiting?.reason == .hostOffline
            }
            // As a move's switch does it.
            try await fleet.engine.record(
                .placementChanged(
                    PlacementChanged(
                        project: fleet.target, host: fleet.a.host, generation: 2,
                        isProvisioned: true)))
            let ended = try await fleet.engine.service.waitForTerminal(id, atMost: .seconds(30))
            #expect(ended?.state == .succeeded)
            #expect(await fleet.a.done == ["a volume.apply"])
            try await fleet.engine.expectNothingLeft()
        }
    }

    @Test("that waited too long expires and lets go of its backup")
    func expires() async throws {
        let fleet = try await Fleet(targetIsProvisioned: false)
        try await fleet.work([fleet.a]) {
            let id = try await fleet.engine.service.create(
                try fleet.order(), by: fleet.engine.author
            ).operation.id
            try await fleet.until {
                let now = try await fleet.engine.service.describe(id)
                return now?.phase == "apply" && now?.state == .waiting
            }
            try await fleet.engine.pool.query(
                "UPDATE copies SET expires_at = clock_timestamp() - interval '1 second'")
            let ended = try await fleet.engine.service.waitForTerminal(id, atMost: .seconds(30))
            #expect(ended?.state.isTerminal == true)
            #expect(try await fleet.copies().first?.state == .expired)
            try await fleet.engine.expectNothingLeft()
        }
    }
}
