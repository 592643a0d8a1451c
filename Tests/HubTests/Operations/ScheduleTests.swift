import Platform
import Postgres
import Shared
import Testing

@testable import Hub

@Suite("Schedules", .timeLimit(.minutes(2)))
struct ScheduleTests {
    private struct World: Sendable {
        var engine: Engine
        var host: HostID
        var projects: [ProjectID]

        init(projects count: Int = 2) async throws {
            engine = try await Engine()
            host = try await engine.host("a")
            projects = []
            for index in 0..<count {
                projects.append(try await engine.project("p\(index)", on: host))
            }
        }

        func desk<Answer: Sendable>(
            _ body: @Sendable (ScheduleDesk) async throws -> Answer
        ) async throws -> Answer {
            try await engine.pool.withTransaction { transaction in
                try await body(
                    ScheduleDesk(
                        transaction: transaction, author: engine.author,
                        identifiers: engine.identifiers))
            }
        }

        func create(
            _ name: String = "often", project: String? = "p0", filter: ProjectFilter? = nil,
            verb: BatchVerb = .backup
        ) async throws -> ScheduleID {
            try await desk { desk in
                try await desk.create(
                    CreateScheduleRequest(
                        name: name, work: BatchWorkRequest(verb: verb), project: project,
                        filter: filter, cadence: Cadence(everySeconds: 3600)))
            }
        }

        func show(_ id: ScheduleID) async throws -> ScheduleDescription? {
            try await engine.pool.withTransaction {
                try await ScheduleStore($0).schedules(only: id).first
            }
        }

        /// Lets the schedule be due since so many hours, as the database's clock has it.
        func due(_ id: ScheduleID, hours: Int = 0) async throws {
            try await engine.pool.query(
                """
                UPDATE schedule_clocks SET slot = date_trunc('hour', clock_timestamp())
                    - \(hours) * interval '1 hour',
                    due_at = date_trunc('hour', clock_timestamp()) - \(hours) * interval '1 hour'
                WHERE schedule = \(id)
                """)
        }

        func service(_ other: Engine? = nil) -> ScheduleService {
            let engine = other ?? self.engine
            return ScheduleService(
                engine.changes, identifiers: engine.identifiers, pause: .milliseconds(20),
                log: engine.log)
        }

        func count(_ kind: OperationKind) async throws -> Int {
            try await engine.pool.query(
                "SELECT count(*) AS n FROM operations WHERE kind = \(kind.rawValue)"
            ).one().decode("n")
        }
    }

    @Test("two hubs at once fire each schedule exactly once")
    func once() async throws {
        let world = try await World(projects: 40)
        var ids: [ScheduleID] = []
        for index in 0..<40 {
            let id = try await world.create("s\(index)", project: "p\(index)")
            try await world.due(id)
            ids.append(id)
        }
        let other = Engine(again: world.engine)
        let fired = Locked(0)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for service in [
                world.service(), world.service(other), world.service(), world.service(other),
            ] {
                group.addTask {
                    while try await service.fireNext() { fired.withLock { $0 += 1 } }
                }
            }
            try await group.waitForAll()
        }
        #expect(fired.withLock { $0 } == 40)
        #expect(try await world.count(.backup) == 40)
        for id in ids {
            let schedule = try #require(try await world.show(id))
            #expect(schedule.lastOperation != nil)
            #expect(schedule.lastProblem == nil)
            #expect(schedule.missed == 0)
            let next = try #require(schedule.nextDue)
            let left =
                next.milliseconds
                - Timestamp(milliseconds: UTCTime.now().millisecondsSinceEpoch)
                .milliseconds
            #expect((0...3_600_000).contains(left))
        }
        // Nothing is due any more.
        #expect(try await !world.service().fireNext())
        await other.pool.close()
        await world.engine.pool.close()
    }

    @Test("firings that were missed are made good by one")
    func coalesced() async throws {
        let world = try await World()
        let id = try await world.create()
        try await world.due(id, hours: 24)
        #expect(try await world.service().fireNext())
        #expect(try await !world.service().fireNext())
        #expect(try await world.count(.backup) == 1)
        #expect(try await world.show(id)?.missed == 24)
        await world.engine.pool.close()
    }

    @Test("one that cannot be fired says why, and does not hold up those behind it")
    func unfireable() async throws {
        let world = try await World()
        let broken = try await world.create("broken", project: "p0")
        let good = try await world.create("good", project: "p1")
        try await world.due(broken, hours: 2)
        try await world.due(good, hours: 1)
        try await world.engine.tamper(
            "UPDATE schedules SET definition = '{}' WHERE name = 'broken'")
        let service = world.service()
        #expect(try await service.fireNext())
        #expect(try await service.fireNext())
        #expect(try await !service.fireNext())
        #expect(try await world.count(.backup) == 1)
        #expect(try await world.show(good)?.lastOperation != nil)
        let problem: String? = try await world.engine.pool.query(
            "SELECT last_problem FROM schedule_clocks WHERE schedule = \(broken)"
        ).one().decode("last_problem")
        #expect(problem?.isEmpty == false)
        await world.engine.pool.close()
    }

    @Test("an audit fires as a backup that reads everything besides")
    func audit() async throws {
        let world = try await World()
        let id = try await world.create(verb: .audit)
        try await world.due(id)
        #expect(try await world.service().fireNext())
        let operation = try #require(try await world.show(id)?.lastOperation)
        let input = try await world.engine.pool.query(
            "SELECT input::text AS t FROM operations WHERE id = \(operation)"
        ).one().decode("t", as: String.self)
        #expect(try JSON.decode(BackupOrder.self, from: Array(input.utf8)).isAudit == true)
        await world.engine.pool.close()
    }

    @Test("while the last firing's operation lives, none is added, and that is said")
    func stillAlive() async throws {
        let world = try await World()
        let id = try await world.create()
        try await world.due(id)
        #expect(try await world.service().fireNext())
        let first = try await world.show(id)?.lastOperation
        try await world.due(id)
        #expect(try await world.service().fireNext())
        let schedule = try #require(try await world.show(id))
        #expect(schedule.lastOperation == first)
        #expect(schedule.lastProblem?.contains("has not ended") == true)
        #expect(try await world.count(.backup) == 1)
        _ = try await world.engine.service.cancel(try #require(first), by: world.engine.author)
        try await world.due(id)
        #expect(try await world.service().fireNext())
        #expect(try await world.count(.backup) == 2)
        #expect(try await world.show(id)?.lastProblem == nil)
        await world.engine.pool.close()
    }

    @Test("a firing whose transaction is lost has not happened, and comes again")
    func crash() async throws {
        let world = try await World()
        let id = try await world.create()
        try await world.due(id)
        struct Crash: Error {}
        await #expect(throws: Crash.self) {
            try await world.engine.pool.withTransaction { transaction in
                let store = ScheduleStore(transaction)
                let due = try await store.due(try #require(try await store.takeDue()))
                let firing = ScheduleService.Firing(due)
                try await store.set(due.id, slot: firing.next, due: firing.nextDue)
                // Locked, so that nobody else fires it meanwhile.
                #expect(try await !world.service().fireNext())
                throw Crash()
            }
        }
        #expect(try await world.service().fireNext())
        #expect(try await world.count(.backup) == 1)
        await world.engine.pool.close()
    }

    @Test("a refusal is kept, and the next firing tries again")
    func refused() async throws {
        let world = try await World()
        let bare = try await world.engine.project("bare", on: world.host, isProvisioned: false)
        _ = bare
        let id = try await world.create(project: "bare")
        try await world.due(id)
        #expect(try await world.service().fireNext())
        let schedule = try #require(try await world.show(id))
        #expect(schedule.lastOperation == nil)
        #expect(schedule.lastProblem?.contains("does not have a volume") == true)
        #expect(schedule.nextDue != nil)
        await world.engine.pool.close()
    }

    @Test("fleet-wide, a batch of what the filter finds then")
    func fleetWide() async throws {
        let world = try await World(projects: 5)
        let id = try await world.create(
            project: nil, filter: ProjectFilter(words: ["prefix=p", "host=a"]))
        try await world.due(id)
        #expect(try await world.service().fireNext())
        let batch = try #require(try await world.show(id)?.lastOperation)
        let counts = try await world.engine.pool.withTransaction {
            try await GroupStore($0).counts(of: batch)
        }
        #expect(counts == ItemCounts(pending: 5))
        await world.engine.pool.close()
    }

    @Test(
        "paused it does not fire, resumed it fires from the next time on; all of it is in the log")
    func life() async throws {
        let world = try await World()
        let id = try await world.create()
        try await world.desk { try await $0.set(id, SetScheduleRequest(isPaused: true)) }
        #expect(try await world.show(id)?.nextDue == nil)
        try await world.desk { try await $0.set(id, SetScheduleRequest(isPaused: false)) }
        #expect(try await world.show(id)?.nextDue != nil)
        #expect(try await !world.service().fireNext())
        try await world.desk {
            try await $0.set(id, SetScheduleRequest(cadence: Cadence(everySeconds: 7200)))
        }
        try await world.desk { try await $0.delete(id) }
        #expect(try await world.show(id) == nil)
        let types = try await world.engine.pool.query(
            "SELECT type, actor FROM events WHERE type LIKE 'schedule.%' ORDER BY sequence")
        #expect(
            try types.rows.map { try $0.decode("type", as: String.self) } == [
                "schedule.created", "schedule.changed", "schedule.changed", "schedule.changed",
                "schedule.deleted",
            ])
        #expect(
            try types.rows.allSatisfy { try $0.decode("actor", as: String.self) == "test" })
        // And the log alone rebuilds them.
        let connection = try await PostgresConnection.connect(world.engine.options)
        let outcome = try await RegistryReplay(connection: connection).run(onlyCompares: true)
        #expect(outcome.differences.isEmpty && outcome.unknown == 0)
        await connection.close()
        let again = try await world.create()
        let taken = await #expect(throws: Problem.self) { _ = try await world.create() }
        #expect(taken?.code == "schedule-exists")
        _ = again
        await world.engine.pool.close()
    }
}
