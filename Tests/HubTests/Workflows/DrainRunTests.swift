import Platform
import Postgres
import Shared
import Testing

@testable import Hub

@Suite("A drain, driven through by its hosts", .timeLimit(.minutes(3)))
struct DrainRunTests {
    struct Fleet: Sendable {
        var engine: Engine
        var a: ScriptedAgent
        var b: ScriptedAgent
        var projects: [ProjectID]

        init(
            _ count: Int, fails: @escaping ScriptedAgent.Script = { _, _ in nil }
        ) async throws {
            let engine = try await Engine()
            a = try await ScriptedAgent(engine, try await engine.host("a"), "a", fails: fails)
            b = try await ScriptedAgent(engine, try await engine.host("b"), "b")
            var projects: [ProjectID] = []
            for index in 0..<count {
                let project = try await engine.project("p\(index)", on: a.host)
                try await engine.backup(of: project)
                projects.append(project)
            }
            (self.engine, self.projects) = (engine, projects)
        }

        /// Runs hub and hosts.
        func working(
            _ agents: [ScriptedAgent]? = nil, _ body: @escaping @Sendable () async throws -> Void
        ) async throws {
            let agents = agents ?? [a, b]
            try await engine.running {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for agent in agents {
                        try await agent.open()
                        try await agent.heartbeat([])
                        group.addTask { try await agent.work() }
                    }
                    defer { group.cancelAll() }
                    try await body()
                }
            }
        }

        func drain(_ order: DrainOrder = DrainOrder()) async throws -> OperationID {
            try await engine.service.create(.drain(a.host, order), by: engine.author).operation.id
        }

        func items(_ drain: OperationID) async throws -> [ItemDescription] {
            try await engine.pool.withTransaction {
                try await GroupReader($0).items(of: drain, nil, after: nil, limit: 1000)
            }
        }

        func end(_ drain: OperationID, seconds: Int = 60) async throws -> OperationDescription {
            try #require(
                try await engine.service.waitForTerminal(drain, atMost: .seconds(seconds)))
        }

        func host(_ id: HostID) async throws -> HostDescription? {
            try await engine.pool.withTransaction { try await HostReader($0).host(id) }
        }
    }

    @Test("takes every project away, a new one too, asks the host, and leaves it cordoned")
    func whole() async throws {
        let fleet = try await Fleet(7)
        try await fleet.working {
            let drain = try await fleet.drain(DrainOrder(maxParallel: 3))
            #expect(try await fleet.host(fleet.a.host)?.isSchedulable == false)
            #expect(try await fleet.host(fleet.a.host)?.drain == drain)
            // What appears meanwhile is taken along.
            let late = try await fleet.engine.project("late", on: fleet.a.host)
            try await fleet.engine.backup(of: late)
            let again = try await fleet.engine.service.create(
                .drain(fleet.a.host, DrainOrder(maxParallel: 3)), by: fleet.engine.author)
            #expect(again.isReplay && again.operation.id == drain)
            let ended = try await fleet.end(drain)
            #expect(ended.state == .succeeded, "\(ended.failure?.description ?? "")")
            let result = try JSON.decode(GroupResult.self, from: try #require(ended.result))
            #expect(result.counts == ItemCounts(done: 8))
            #expect(result.left.isEmpty)
            for project in fleet.projects + [late] {
                #expect(try await fleet.engine.facts(project).host == fleet.b.host)
            }
            #expect(await fleet.a.done.last == "a host.inventory")
            #expect(try await fleet.host(fleet.a.host)?.isSchedulable == false)
            #expect(try await fleet.host(fleet.a.host)?.drain == nil)
            try await fleet.engine.expectNothingLeft()
        }
    }

    @Test("one project that cannot be moved hides no other, and says why")
    func oneFails() async throws {
        let stubborn = Locked<ProjectID?>(nil)
        let fleet = try await Fleet(5) { operation, _ in
            guard operation.kind == .volumeBackup,
                let input = try? JSON.decode(VolumeBackupInput.self, from: operation.input),
                input.volume.project == stubborn.withLock({ $0 })
            else { return nil }
            return Failure(code: "volume-trouble", message: "it has a nested subvolume")
        }
        stubborn.withLock { $0 = fleet.projects[2] }
        try await fleet.working {
            let drain = try await fleet.drain(DrainOrder(tries: 1))
            let ended = try await fleet.end(drain)
            #expect(ended.failure?.code == "drain-incomplete")
            #expect(ended.failure?.message.contains("p2: it has a nested subvolume") == true)
            for (index, item) in try await fleet.items(drain).enumerated() {
                #expect(item.state == (index == 2 ? .failed : .done))
            }
            #expect(try await fleet.engine.facts(fleet.projects[2]).host == fleet.a.host)
            try await fleet.engine.expectNothingLeft()
        }
    }

    @Test("blocked projects say their reason and next try, and go on when they can")
    func blocked() async throws {
        let fleet = try await Fleet(2)
        // No host may take anything: b is not there yet.
        try await fleet.working([fleet.a]) {
            let drain = try await fleet.drain()
            try await eventually {
                let items = try await fleet.items(drain)
                return items.count == 2 && items.allSatisfy { $0.reason == "no-target" }
            }
            for item in try await fleet.items(drain) {
                #expect(item.state == .blocked)
                #expect(item.nextTryAt != nil)
                #expect(item.sentence?.isEmpty == false)
            }
            let shown = try #require(try await fleet.engine.service.describe(drain))
            #expect(shown.state == .waiting)
            #expect(shown.waiting?.sentence.contains("2 blocked") == true)
            #expect(shown.progress?.total == 2)
            try await fleet.b.open()
            try await fleet.b.heartbeat([])
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await fleet.b.work() }
                let ended = try await fleet.end(drain)
                #expect(ended.state == .succeeded)
                group.cancelAll()
            }
        }
    }

    @Test("cancel reaches what is at work, and leaves the projects where they were")
    func cancel() async throws {
        let fleet = try await Fleet(4)
        // b does nothing, so that the moves wait for their restore.
        try await fleet.b.open()
        try await fleet.b.heartbeat([])
        try await fleet.working([fleet.a]) {
            let drain = try await fleet.drain(DrainOrder(maxParallel: 2))
            try await eventually {
                let lane = try await fleet.engine.pool.query(
                    "SELECT count(*) AS n FROM operation_ready WHERE lane = \(fleet.b.host.uuid)")
                return try lane.one().decode("n", as: Int.self) == 2
            }
            _ = try await fleet.engine.service.cancel(drain, by: fleet.engine.author)
            try await eventually {
                let asked = try await fleet.engine.pool.query(
                    "SELECT count(*) AS n FROM operation_cancel")
                return try asked.one().decode("n", as: Int.self) >= 3
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                // What was staged there is given back.
                group.addTask { try await fleet.b.work() }
                let ended = try await fleet.end(drain)
                #expect(ended.state == .canceled)
                group.cancelAll()
            }
            for project in fleet.projects {
                #expect(try await fleet.engine.facts(project).host == fleet.a.host)
            }
            try await fleet.engine.expectNothingLeft()
        }
    }

    @Test("goes on behind a crash of its hub with what its parts have done")
    func crash() async throws {
        let fleet = try await Fleet(6)
        let drain = Locked<OperationID?>(nil)
        // The first hub dies when two projects are away.
        let other = Engine(again: fleet.engine)
        try await fleet.working {
            let id = try await fleet.drain(DrainOrder(maxParallel: 1))
            drain.withLock { $0 = id }
            try await eventually {
                try await fleet.items(id).filter { $0.state == .done }.count >= 2
            }
        }
        let id = try #require(drain.withLock { $0 })
        let before = try await other.pool.withTransaction {
            try await GroupReader($0).items(of: id, .done, after: nil, limit: 100)
        }
        let second = Fleet(again: fleet, engine: other)
        try await second.takenOver {
            let ended = try #require(
                try await other.service.waitForTerminal(id, atMost: .seconds(90)))
            #expect(ended.state == .succeeded, "\(ended.failure?.description ?? "")")
            let after = try await other.pool.withTransaction {
                try await GroupReader($0).items(of: id, nil, after: nil, limit: 100)
            }
            for item in before {
                #expect(after.first { $0.project == item.project }?.operation == item.operation)
            }
            let moves = try await other.pool.query(
                "SELECT count(*) AS n FROM operations WHERE kind = 'move'")
            #expect(try moves.one().decode("n", as: Int.self) == 6)
        }
    }

    @Test("a host that cannot be reached is drained only from backups, and says what stays")
    func offline() async throws {
        let fleet = try await Fleet(3)
        let never = try await fleet.engine.project("never", on: fleet.a.host)
        try await fleet.working([fleet.b]) {
            let refused = await #expect(throws: Problem.self) { _ = try await fleet.drain() }
            #expect(refused?.code == "source-offline")
            #expect(refused?.detail.contains("1 have no backup at all") == true)
            #expect(refused?.candidates?.contains("never") == true)
            #expect(try await fleet.host(fleet.a.host)?.isSchedulable == true)
            let drain = try await fleet.drain(
                DrainOrder(fromBackup: true, acceptsLoss: true))
            let ended = try await fleet.end(drain)
            #expect(ended.failure?.code == "drain-incomplete")
            for project in fleet.projects {
                #expect(try await fleet.engine.facts(project).host == fleet.b.host)
            }
            #expect(try await fleet.engine.facts(never).host == fleet.a.host)
            let items = try await fleet.items(drain)
            #expect(items.filter { $0.state == .deferred }.count == 3)
            #expect(items.first { $0.project == never }?.reason == "no-backup")
        }
    }

    @Test("a cordoned host takes no project and no move")
    func cordoned() async throws {
        let fleet = try await Fleet(1)
        let (engine, b) = (fleet.engine, fleet.b)
        try await b.open()
        try await b.heartbeat([])
        try await engine.pool.withTransaction {
            try await GroupCreation($0, author: engine.author, identifiers: engine.identifiers)
                .schedule(b.host, false)
        }
        let refused = await #expect(throws: Problem.self) {
            _ = try await engine.service.create(
                .move(fleet.projects[0], MoveOrder(target: b.host)), by: engine.author)
        }
        #expect(refused?.code == "host-cordoned")
        let roomiest = try await engine.pool.withTransaction {
            try await HostStore($0).roomiest()
        }
        #expect(roomiest == nil)
        await engine.pool.close()
    }
}

extension DrainRunTests.Fleet {
    /// The same fleet before another hub.
    init(again other: DrainRunTests.Fleet, engine: Engine) {
        self = other
        self.engine = engine
    }

    /// Runs the hub, and hosts that join anew before it.
    func takenOver(_ body: @escaping @Sendable () async throws -> Void) async throws {
        let a = try await ScriptedAgent(engine, a.host, "a")
        let b = try await ScriptedAgent(engine, b.host, "b")
        try await engine.running {
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await a.work() }
                group.addTask { try await b.work() }
                defer { group.cancelAll() }
                try await body()
            }
        }
    }
}

/// Asks until it is so.
func eventually(_ condition: () async throws -> Bool) async throws {
    for _ in 0..<600 {
        if try await condition() { return }
        try await Task.sleep(for: .milliseconds(50))
    }
    Issue.record("it did not become so in 30 s")
}

@Suite("A batch, driven through by a host", .timeLimit(.minutes(2)))
struct BatchRunTests {
    @Test("backs up what the filter finds, skips what it cannot, and hides no failure")
    func backups() async throws {
        let fleet = try await DrainRunTests.Fleet(4)
        let bare = try await fleet.engine.project(
            "p-bare", on: fleet.a.host, isProvisioned: false)
        _ = try await fleet.engine.project("other", on: fleet.a.host)
        try await fleet.working([fleet.a]) {
            let engine = fleet.engine
            let query = try await engine.pool.withTransaction {
                try await ProjectQuery(
                    try #require(ProjectFilter(words: ["prefix=p", "host=a"])), $0)
            }
            let order = try BatchOrder(BatchWorkRequest(verb: .backup, maxParallel: 2))
            let created = try await engine.service.create(
                .batch(order, query), by: engine.author)
            let ended = try await fleet.end(created.operation.id)
            #expect(ended.state == .succeeded, "\(ended.failure?.description ?? "")")
            let result = try JSON.decode(GroupResult.self, from: try #require(ended.result))
            #expect(result.counts == ItemCounts(done: 4, skipped: 1))
            let items = try await fleet.items(created.operation.id)
            #expect(items.first { $0.project == bare }?.reason == "no-volume")
            #expect(await fleet.a.done == Array(repeating: "a volume.backup", count: 4))
            let none = await #expect(throws: Problem.self) {
                var query = ProjectQuery()
                query.prefix = "nothing"
                _ = try await engine.service.create(
                    .batch(order, query), by: engine.author)
            }
            #expect(none?.code == "nothing-matches")
            try await engine.expectNothingLeft()
        }
    }
}
