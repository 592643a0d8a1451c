import Glibc
import Platform
import Postgres
import Shared
import Testing

@testable import Hub

/// `make soak-operations` cuts at every message of every scenario (`BERTH_SOAK=1`); `BERTH_SOAK=7`
/// at every seventh point.
private let soakStride = unsafe getenv("BERTH_SOAK").flatMap { unsafe Int(String(cString: $0)) }

/// What a run of a scenario came to, and how many messages it took.
private struct Run: Sendable {
    var outcome: [String]
    var messages: Int
    var hasCut: Bool
}

/// One database and the way to it that breaks, for all runs of one scenario.
private struct Bench: Sendable {
    let scenario: Scenario
    let direct: Engine
    let proxy: WireProxy
    let hosts: [HostID]

    init(_ scenario: Scenario) async throws {
        self.scenario = scenario
        var settings = Engine.quick
        // What a hub knows of a lane is looked up at every claim: as many messages on every run.
        settings.turnPause = .zero
        direct = try await Engine(settings)
        proxy = try WireProxy(to: direct.options)
        var hosts: [HostID] = []
        for name in ["a", "b"].prefix(scenario.hostCount) {
            hosts.append(try await direct.host(name))
            try await direct.pool.query(
                """
                INSERT INTO host_status (host, seen_at, status)
                VALUES (\(hosts.last), clock_timestamp(), '{"agentVersion": "1",
                    "freeBytes": 1, "totalBytes": 2, "outboxPending": 0}')
                """)
        }
        self.hosts = hosts
    }

    func close() async {
        proxy.stop()
        await direct.pool.close()
    }

    /// Runs the scenario from the beginning.
    func run(_ plan: WireProxy.Plan?) async throws -> Run {
        let name = "r\(Random.hex(bytes: 6))"
        proxy.arm(nil)
        // Every run sets the limits up, and every message of that is cut as well.
        try await direct.pool.query("DELETE FROM limits")
        try await direct.pool.query("DELETE FROM slots")
        let fleet = try await SequentialFleet(
            direct, hosts, through: proxy.options, name,
            fails: { [scenario] in scenario.failure(of: $0, count: $1) })
        let order = try await scenario.prepare(fleet)
        let since = try await direct.pool.query(
            "SELECT coalesce(max(sequence), 0) AS n FROM events"
        ).one().decode("n", as: Int64.self)
        proxy.arm(plan)
        try await fleet.open()
        let operation = try await fleet.create(order)
        try await scenario.disturb(fleet, operation)
        try await fleet.settle(operation, hostsWork: scenario.hostsWork)
        let messages = proxy.messages
        let hasCut = proxy.hasCut
        proxy.arm(nil)
        try await direct.expectNothingLeft()
        try await direct.expectOneStateEach()
        let outcome = try await fleet.outcome(of: operation, since: since)
        await fleet.engine.pool.close()
        return Run(outcome: outcome, messages: messages, hasCut: hasCut)
    }

    /// Runs it with one cut and compares its end with that of the undisturbed run.
    func check(_ plan: WireProxy.Plan, against whole: Run) async throws {
        let run = try await run(plan)
        #expect(run.hasCut, "\(scenario): \(plan) never came")
        #expect(run.outcome == whole.outcome, "\(scenario): \(plan)")
    }

    /// How many operations there are.
    func operations() async throws -> Int {
        try await direct.pool.query("SELECT count(*) AS n FROM operations").one().decode("n")
    }

    /// Every message, before it, behind it, behind its answer.
    ///
    /// - Parameter stride: every so many of these points.
    func checkAll(against whole: Run, stride: Int = 1) async throws {
        let points = (1...whole.messages).flatMap { message in
            WireProxy.Cut.allCases.map { WireProxy.Plan(message: message, cut: $0) }
        }
        for index in Swift.stride(from: 0, to: points.count, by: max(1, stride)) {
            try await check(points[index], against: whole)
        }
    }
}

// One after another: each keeps a processor busy, and other tests have deadlines.
@Suite(
    "A connection cut at any message to the database", .serialized,
    .timeLimit(.minutes(soakStride == nil ? 10 : 60)))
struct EveryMessageTests {
    @Test(
        "loses and repeats nothing of an operation, whichever message it is",
        arguments: [Scenario.check])
    func everyPoint(_ scenario: Scenario) async throws {
        let bench = try await Bench(scenario)
        let whole = try await bench.run(nil)
        #expect(whole.messages > 40)
        try await bench.checkAll(against: whole)
        await bench.close()
    }

    @Test(
        "loses and repeats nothing of any kind of operation",
        arguments: Scenario.allCases.filter { $0 != .check })
    func seededPoints(_ scenario: Scenario) async throws {
        let bench = try await Bench(scenario)
        let whole = try await bench.run(nil)
        if let soakStride {
            try await bench.checkAll(against: whole, stride: soakStride)
        } else {
            // The same points on every run of the tests.
            var random = SeededNumbers(
                seed: scenario.rawValue.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
            for _ in 0..<4 {
                let cut = WireProxy.Cut.allCases.randomElement(using: &random) ?? .afterSending
                let message = Int.random(in: 1...whole.messages, using: &random)
                try await bench.check(
                    WireProxy.Plan(message: message, cut: cut), against: whole)
            }
        }
        await bench.close()
    }

    @Test("is noticed by this test where a request is repeated without a key")
    func noticesRepetition() async throws {
        let bench = try await Bench(.check)
        var made: Set<Int> = []
        for message in 1...60 where made.count < 2 {
            bench.proxy.arm(nil)
            let fleet = try await SequentialFleet(
                bench.direct, bench.hosts, through: bench.proxy.options, "n\(message)",
                fails: { _, _ in nil })
            bench.proxy.arm(WireProxy.Plan(message: message, cut: .afterSending))
            let before = try await bench.operations()
            // As a caller must not do it.
            try await fleet.engine.stubborn {
                try await fleet.engine.service.create(
                    .hostCheck(fleet.hosts[0]), by: fleet.engine.author)
            }
            made.insert(try await bench.operations() - before)
            await fleet.engine.pool.close()
        }
        #expect(made == [1, 2])
        await bench.close()
    }
}
