import Shared
import Testing

@testable import Hub

@Suite("A move, driven through by two hosts", .timeLimit(.minutes(3)))
struct MoveRunTests {
    /// Where a failure is put: the host, the kind, and which time it is worked on there.
    struct Fault: Sendable, CustomTestStringConvertible {
        var host: String
        var kind: OperationKind
        var count: Int
        var testDescription: String { "\(host) \(kind.rawValue) \(count)" }
    }

    static let faults: [Fault] = [
        Fault(host: "a", kind: .volumeBackup, count: 1),
        Fault(host: "a", kind: .runtimeStop, count: 1),
        Fault(host: "a", kind: .volumeBackup, count: 2),
        Fault(host: "b", kind: .volumeRestore, count: 1),
    ]

    private func fleet(
        _ fault: Fault? = nil
    ) async throws -> (engine: Engine, a: ScriptedAgent, b: ScriptedAgent, project: ProjectID) {
        let engine = try await Engine()
        let hostA = try await engine.host("a")
        let hostB = try await engine.host("b")
        @Sendable func script(_ host: String) -> ScriptedAgent.Script {
            { operation, count in
                guard let fault, fault.host == host, fault.kind == operation.kind,
                    fault.count == count
                else { return nil }
                return Failure(code: "injected", message: "the test says so")
            }
        }
        let a = try await ScriptedAgent(engine, hostA, "a", fails: script("a"))
        let b = try await ScriptedAgent(engine, hostB, "b", fails: script("b"))
        let project = try await engine.project("web", on: hostA, isWanted: true)
        return (engine, a, b, project)
    }

    private func work(
        _ engine: Engine, _ agents: [ScriptedAgent],
        _ body: @escaping @Sendable () async throws -> Void
    ) async throws {
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

    @Test("backs up, stops, backs up, restores, switches, starts and retires, in this order")
    func whole() async throws {
        let (engine, a, b, project) = try await fleet()
        try await work(engine, [a, b]) {
            let created = try await engine.service.create(
                .move(project, MoveOrder(target: b.host)), by: engine.author)
            let again = try await engine.service.create(
                .move(project, MoveOrder(target: b.host)), by: engine.author)
            #expect(again.isReplay && again.operation.id == created.operation.id)
            let busy = await #expect(throws: Problem.self) {
                _ = try await engine.service.create(.start(project), by: engine.author)
            }
            #expect(busy?.code == "project-busy")
            #expect(busy?.operation == created.operation.id)
            let ended = try await engine.service.waitForTerminal(
                created.operation.id, atMost: .seconds(60))
            #expect(ended?.state == .succeeded, "\(ended?.failure?.description ?? "")")
            #expect(
                await a.done == [
                    "a volume.backup", "a runtime.stop", "a volume.backup", "a volume.retire",
                ])
            // What was backed up first is built there while the project still runs.
            #expect(
                await b.done == ["b volume.restore", "b volume.restore", "b runtime.start"])
            let facts = try await engine.facts(project)
            #expect(facts.host == b.host)
            #expect(facts.generation == 2)
            #expect(facts.provisioned == true)
            try await engine.expectNothingLeft()
        }
    }

    @Test("that fails before its switch leaves the source as it was", arguments: faults)
    func undone(_ fault: Fault) async throws {
        let (engine, a, b, project) = try await fleet(fault)
        try await work(engine, [a, b]) {
            let created = try await engine.service.create(
                .move(project, MoveOrder(target: b.host)), by: engine.author)
            let ended = try await engine.service.waitForTerminal(
                created.operation.id, atMost: .seconds(60))
            #expect(ended?.state == .failed)
            #expect(ended?.failure?.code == "injected")
            let facts = try await engine.facts(project)
            #expect(facts.host == a.host)
            #expect(facts.generation == 1)
            let stops = await a.done.filter { $0 == "a runtime.stop" }.count
            #expect(await a.done.filter { $0 == "a runtime.start" }.count == stops)
            let frozen = await a.done.filter { $0 == "a volume.backup" }.count > 1
            #expect(await a.done.contains("a volume.thaw") == frozen)
            let staged = await b.done.contains("b volume.restore")
            #expect(await b.done.contains("b volume.retire") == staged)
            try await engine.expectNothingLeft()
        }
    }

    @Test("goes on forward after its switch although the start fails")
    func startFails() async throws {
        let (engine, a, b, project) = try await fleet(
            Fault(host: "b", kind: .runtimeStart, count: 1))
        try await work(engine, [a, b]) {
            let created = try await engine.service.create(
                .move(project, MoveOrder(target: b.host)), by: engine.author)
            let ended = try await engine.service.waitForTerminal(
                created.operation.id, atMost: .seconds(60))
            #expect(ended?.state == .succeeded)
            #expect(ended?.result?["startFailure"] != nil)
            #expect(try await engine.facts(project).host == b.host)
            try await engine.expectNothingLeft()
        }
    }

    @Test("to its own host is refused, and from a silent host without the loss accepted")
    func refused() async throws {
        let (engine, a, b, project) = try await fleet()
        try await b.open()
        func refusal(_ order: MoveOrder) async -> String? {
            let problem = await #expect(throws: Problem.self) {
                _ = try await engine.service.create(.move(project, order), by: engine.author)
            }
            return problem?.code
        }
        #expect(await refusal(MoveOrder(target: a.host)) == "same-host")
        #expect(await refusal(MoveOrder(target: b.host)) == "source-offline")
        #expect(await refusal(MoveOrder(target: b.host, acceptLoss: "other")) == "source-offline")
        #expect(await refusal(MoveOrder(target: b.host, acceptLoss: "web")) == "no-backup")
        let stranger = engine.identifiers.make(HostIdentity.self)
        #expect(await refusal(MoveOrder(target: stranger)) == "host-not-found")
        try await engine.expectNothingLeft()
    }

    @Test("from a silent host restores the last backup, frees the project, and retires later")
    func sourceLost() async throws {
        let (engine, a, b, project) = try await fleet()
        let backup = try await engine.backup(of: project)
        try await work(engine, [b]) {
            let created = try await engine.service.create(
                .move(project, MoveOrder(target: b.host, acceptLoss: "web")), by: engine.author)
            let id = created.operation.id
            while try await engine.facts(project).host != b.host {
                _ = try await engine.service.waitForTerminal(id, atMost: .milliseconds(50))
            }
            // It waits for the source to come back, and says so; the project is free meanwhile.
            while try await engine.service.describe(id)?.phase != "halt" {
                _ = try await engine.service.waitForTerminal(id, atMost: .milliseconds(50))
            }
            let waiting = try await engine.service.describe(id)
            #expect(waiting?.state == .waiting)
            #expect(waiting?.waiting?.reason == .hostOffline)
            let refused = await #expect(throws: Problem.self) {
                _ = try await engine.service.cancel(id, by: engine.author)
            }
            #expect(refused?.code == "too-late")
            let stopped = try await engine.service.create(.stop(project), by: engine.author)
            let stop = try await engine.service.waitForTerminal(
                stopped.operation.id, atMost: .seconds(20))
            #expect(stop?.state == .succeeded)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await a.work() }
                let ended = try await engine.service.waitForTerminal(id, atMost: .seconds(30))
                #expect(ended?.state == .succeeded)
                #expect(ended?.result?["lossSince"] == .string("\(backup.takenAt)"))
                group.cancelAll()
            }
            #expect(await a.done == ["a runtime.stop", "a volume.retire"])
            try await engine.expectNothingLeft()
        }
    }

    @Test("is undone by a cancel while a host works for it", arguments: [1, 2, 3, 4, 5])
    func canceled(_ step: Int) async throws {
        let (engine, a, b, project) = try await fleet()
        try await engine.running {
            try await a.open()
            try await b.open()
            try await a.heartbeat([])
            let id = try await engine.service.create(
                .move(project, MoveOrder(target: b.host)), by: engine.author
            ).operation.id
            // Backup, preparation on the target, stop, final backup, restore.
            let workers = [a, b, a, a, b]
            for worker in workers[..<(step - 1)] {
                try await worker.answer(try #require(try await worker.lease(1, wait: 10_000).first))
            }
            // The child of this step is under way when the cancel comes.
            let worker = workers[step - 1]
            let under = try #require(try await worker.lease(1, wait: 10_000).first)
            let asked = try await engine.service.cancel(id, by: engine.author)
            #expect(asked?.state.isTerminal == false)
            while try await !worker.heartbeat([under]).canceled.contains(under.id) {
                _ = try await engine.service.waitForTerminal(id, atMost: .milliseconds(20))
            }
            try await worker.finish(under, .canceled)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await a.work() }
                group.addTask { try await b.work() }
                let ended = try await engine.service.waitForTerminal(id, atMost: .seconds(30))
                #expect(ended?.state == .canceled, "\(ended?.failure?.description ?? "")")
                group.cancelAll()
            }
            #expect(try await engine.facts(project).host == a.host)
            #expect(await a.done.contains("a runtime.start") == (step >= 3))
            #expect(await a.done.contains("a volume.thaw") == (step >= 4))
            #expect(await b.done.contains("b volume.retire") == (step >= 2))
            try await engine.expectNothingLeft()
        }
    }
}
