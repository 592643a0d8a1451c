import Postgres
import Shared
import Testing

@testable import Hub

@Suite("Limits of the engine", .timeLimit(.minutes(3)))
struct LimitTests {
    @Test("slots are exact under concurrency, and whoever has none says so")
    func slots() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let agent = try await ScriptedAgent(engine, host)
        try await agent.open()
        try await agent.heartbeat([])
        for number in 0..<12 {
            let project = try await engine.project("p\(number)", on: host)
            _ = try await engine.service.create(
                .backup(project, BackupOrder()), by: engine.author)
        }
        try await engine.running {
            while true {
                let ready = try await engine.pool.query(
                    "SELECT count(*) AS n FROM operation_ready WHERE lane = \(host.uuid)"
                ).one().decode("n", as: Int.self)
                if ready == 12 { break }
                try await engine.bell.wait(
                    "never", after: engine.bell.ticket("never"), atMost: .milliseconds(20))
            }
            var left = 12
            while left > 0 {
                // Sixteen requests at once never get more than the two places.
                let leased = try await withThrowingTaskGroup(of: [LeasedOperation].self) { group in
                    for _ in 0..<16 { group.addTask { try await agent.lease(3) } }
                    return try await group.reduce(into: []) { $0 += $1 }
                }
                #expect((1...2).contains(leased.count))
                let taken = try await engine.pool.query(
                    "SELECT count(*) AS n FROM slots WHERE operation IS NOT NULL"
                ).one()
                #expect(try taken.decode("n", as: Int.self) == leased.count)
                if leased.count == 2, left > 2 {
                    let waiting = try await engine.service.list(
                        OperationFilter(
                            state: .queued, kind: .volumeBackup, includesChildren: true),
                        before: nil, limit: 20)
                    #expect(waiting.allSatisfy { $0.waiting?.reason == .noSlot })
                }
                for operation in leased { try await agent.answer(operation) }
                left -= leased.count
            }
        }
    }

    @Test("a host's checks are not kept waiting by backups without a place")
    func noHeadOfLine() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let agent = try await ScriptedAgent(engine, host)
        try await agent.open()
        try await engine.pool.query("UPDATE slots SET operation = \(host), epoch = 1")
        let project = try await engine.project("web", on: host)
        _ = try await engine.service.create(.backup(project, BackupOrder()), by: engine.author)
        let check = try await engine.service.create(.hostCheck(host), by: engine.author)
        #expect(try await agent.lease(1).map(\.id) == [check.operation.id])
    }

    @Test("a smaller limit lets the holders finish")
    func lowered() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let limits = OperationLimits(engine.changes)
        try await limits.set("x", places: 3, by: engine.author)
        try await engine.pool.query(
            "UPDATE slots SET operation = \(host), epoch = 1 WHERE number = 3")
        try await limits.set("x", places: 1, by: engine.author)
        let held = try await engine.pool.query(
            "SELECT number FROM slots WHERE resource = 'x' ORDER BY number")
        #expect(try held.rows.map { try $0.decode("number", as: Int.self) } == [1, 3])
    }

    @Test(
        "a guard keeps every other operation out until its holder ends",
        arguments: [
            OperationKind.move, .delete, .restore,
        ])
    func guards(_ kind: OperationKind) async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let other = try await engine.host("b")
        let agent = try await ScriptedAgent(engine, other)
        try await agent.open()
        try await agent.heartbeat([])
        let source = try await ScriptedAgent(engine, host)
        try await source.open()
        try await source.heartbeat([])
        let project = try await engine.project("web", on: host)
        let backup = try await engine.backup(of: project)
        let path = try ProjectPath("x")
        let restore = RestoreOrder(backup: backup, overwrite: .always)
        let order: OperationOrder =
            switch kind {
            case .move: .move(project, MoveOrder(target: other))
            case .delete: .delete(project)
            default: .restore(project, restore)
            }
        let holder = try await engine.service.create(order, by: engine.author).operation.id
        let execute = ExecuteRequest(command: ["true"], asRoot: false, timeoutSeconds: nil)
        let copy = CopyOrder(
            path: path, destinations: [project], destinationPath: try ProjectPath("y"),
            overwrite: .never)
        let others: [OperationOrder] = [
            .start(project), .stop(project), .backup(project, BackupOrder()), .delete(project),
            .restore(project, restore), .move(project, MoveOrder(target: other)),
            .copy(project, copy), .execute(project, execute),
            .importTree(
                project, ImportRequest(directory: "/x", destination: .root, isFaithful: false)),
        ]
        for refused in others where refused.kind != kind {
            let problem = await #expect(throws: Problem.self) {
                _ = try await engine.service.create(refused, by: engine.author)
            }
            #expect(problem?.code == "project-busy")
            #expect(problem?.operation == holder)
        }
        _ = try await engine.service.cancel(holder, by: engine.author)
        try await engine.expectNothingLeft()
        _ = try await engine.service.create(.stop(project), by: engine.author)
    }

    @Test("a guard's holder waits for what was begun before it")
    func drains() async throws {
        let engine = try await Engine()
        let host = try await engine.host("a")
        let agent = try await ScriptedAgent(engine, host)
        try await agent.open()
        try await agent.heartbeat([])
        let project = try await engine.project("web", on: host)
        try await engine.running {
            let stop = try await engine.service.create(.stop(project), by: engine.author)
            let delete = try await engine.service.create(.delete(project), by: engine.author)
            let first = try #require(try await agent.lease(5, wait: 10_000).first)
            #expect(first.kind == .runtimeStop)
            while true {
                let now = try await engine.service.describe(delete.operation.id)
                if now?.waiting?.reason == .guarded {
                    #expect(now?.waiting?.sentence.contains("\(stop.operation.id)") == true)
                    break
                }
                _ = try await engine.service.waitForTerminal(
                    delete.operation.id, atMost: .milliseconds(20))
            }
            #expect(try await agent.lease(5).isEmpty)
            try await withThrowingTaskGroup(of: Void.self) { group in
                try await agent.answer(first)
                group.addTask { try await agent.work() }
                let ended = try await engine.service.waitForTerminal(
                    delete.operation.id, atMost: .seconds(30))
                #expect(ended?.state == .succeeded)
                group.cancelAll()
            }
            try await engine.expectNothingLeft()
        }
    }
}
