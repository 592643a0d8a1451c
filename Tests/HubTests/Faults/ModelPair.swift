import Platform
import Postgres
import Shared
import Testing

@testable import Hub
@testable import Simulator

/// One history in both: an engine on PostgreSQL with agents that speak its protocol, and the
/// simulator's database.
struct ModelPair {
    enum Step {
        case create(host: Int)
        case open(host: Int)
        case lease(host: Int)
        /// - Parameter leavesOut: whether the newest lease is not listed.
        case heartbeat(host: Int, leavesOut: Bool)
        case expire(host: Int)
        case sweep
        case report(host: Int, lease: Int, Outcome)
        /// Reports that were applied already, or that come too early.
        case disorder(host: Int, shift: Int)
        case cancel(operation: Int)
    }

    enum Outcome: CaseIterable {
        case succeeded, failedForNow, failedForGood, canceled
    }

    /// A lease that a host was given, and may believe in for ever.
    private struct Given {
        var leased: LeasedOperation
        var operation: Int
        var epoch: Int
    }

    private let engine: Engine
    private let hosts: [HostID]
    private let project: ProjectID
    private var agents: [ScriptedAgent] = []
    private let rules: Simulator.Rules
    private var world: Simulator.World
    private var random: SeededNumbers
    private var operations: [OperationID] = []
    /// The model's session of each host.
    private var sessions: [Int] = []
    private var given: [[Given]] = [[], []]
    /// How many operations have ended in the model.
    var ends: Int { world.database.operations.count { !$0.isLive } }

    init(_ engine: Engine, seed: UInt64) async throws {
        self.engine = engine
        random = SeededNumbers(seed: seed)
        var options = Simulator.Options()
        options.hubs = 1
        rules = Simulator.Rules(options)
        world = Simulator.World(rules)
        hosts = [try await engine.host("a"), try await engine.host("b")]
        project = try await engine.project("web", on: hosts[0])
        for host in hosts {
            agents.append(try await ScriptedAgent(engine, host))
            sessions.append(-1)
        }
        for host in hosts.indices { try await open(host) }
    }

    // MARK: What happens

    mutating func choose() -> Step {
        let host = below(2)
        switch below(20) {
        case 0, 1, 2, 3: return .create(host: host)
        case 4: return .open(host: host)
        case 5, 6, 7, 8: return .lease(host: host)
        case 9, 10: return .heartbeat(host: host, leavesOut: below(2) == 0)
        case 11: return .expire(host: host)
        case 12, 13: return .sweep
        case 14: return .disorder(host: host, shift: below(2) == 0 ? 0 : 2)
        case 15: return operations.isEmpty ? .sweep : .cancel(operation: below(operations.count))
        default:
            guard !given[host].isEmpty else { return .lease(host: host) }
            // Mostly of late: an old one is a zombie's.
            let back = below(3) == 0 ? below(given[host].count) : 0
            return .report(
                host: host, lease: given[host].count - 1 - back,
                Outcome.allCases[below(4)])
        }
    }

    private mutating func below(_ limit: Int) -> Int { Int(random.next() % UInt64(limit)) }

    mutating func take(_ step: Step) async throws {
        switch step {
        case .create(let host): try await create(host)
        case .open(let host): try await open(host)
        case .lease(let host): try await lease(host)
        case .heartbeat(let host, let leavesOut):
            try await heartbeat(host, leavesOut: leavesOut)
        case .expire(let host):
            try await engine.pool.query(
                """
                UPDATE sessions SET lease_until = clock_timestamp() - interval '1 second'
                WHERE id = \(await agents[host].session)
                """)
            world.database.sessions[sessions[host]].leaseLeft = 0
        case .sweep: try await sweep()
        case .report(let host, let lease, let outcome):
            try await report(host, given[host][lease], outcome)
        case .disorder(let host, let shift):
            let sequence = world.database.applied[host] + shift
            let report = Report(
                sequence: Int64(sequence), time: engine.identifiers.currentTime,
                content: .volumeGone(project))
            let applied = try await agents[host].send([report])
            let answer = try world.handle(
                host, .reports([Entry(sequence: sequence, body: .gone(project: 0))]), rules)
            #expect(answer == .applied(Int(applied)))
        case .cancel(let operation):
            _ = try await engine.service.cancel(operations[operation], by: engine.author)
            try world.cancel(operation, rules)
        }
    }

    private mutating func create(_ host: Int) async throws {
        let id = engine.identifiers.make(OperationIdentity.self)
        let new = NewOperation(
            id: id, kind: .runtimeStop, scopeKind: .project, scope: project.uuid, project: nil,
            lane: hosts[host].uuid, input: .object([:]), createdBy: "test", root: id)
        try await engine.pool.withTransaction { transaction in
            _ = try await OperationStore(transaction).create([new])
        }
        operations.append(id)
        world.database.operations.append(
            Simulator.Operation(
                kindNumber: Simulator.Operation.number(of: .runtimeStop), lane: host, project: 0,
                root: operations.count - 1))
    }

    private mutating func open(_ host: Int) async throws {
        try await agents[host].open()
        world.database.sessions.append(Simulator.Session(node: host, leaseLeft: 0))
        sessions[host] = world.database.sessions.count - 1
        let answer = try world.handle(host, .open(session: sessions[host]), rules)
        #expect(answer == .opened(applied: world.database.applied[host]))
        // The hub takes back what the host's earlier sessions held, at once.
        try takeBackInModel { $0 == host }
    }

    private mutating func takeBackInModel(_ concerns: (Int) -> Bool) throws {
        for operation in world.database.operations.indices {
            guard let lease = world.database.operations[operation].lease,
                case let session = world.database.sessions[lease.session], !session.isOpen,
                concerns(session.node)
            else { continue }
            try world.takeBack(operation, epoch: lease.epoch, rules)
        }
    }

    private mutating func lease(_ host: Int) async throws {
        let isOpen = world.database.sessions[sessions[host]].isOpen
        let leased: [LeasedOperation]
        do {
            leased = try await agents[host].lease(1)
        } catch let problem as Problem where problem.code == "session-ended" {
            #expect(!isOpen)
            return
        }
        #expect(isOpen)
        guard let one = leased.first else {
            #expect(
                !world.database.operations.contains { $0.lane == host && $0.place == .ready })
            return
        }
        // Which of the ready ones is first is not what the model is about.
        let operation = try #require(operations.firstIndex(of: one.id))
        let given = world.claim(operation, sessions[host])
        let claim = try #require(given)
        #expect(claim.attempt == one.attempt)
        self.given[host].append(Given(leased: one, operation: operation, epoch: claim.epoch))
    }

    private mutating func heartbeat(_ host: Int, leavesOut: Bool) async throws {
        var held = given[host]
        if leavesOut, !held.isEmpty { held.removeLast() }
        // A second heartbeat that does not list a lease is more than an interval behind the first.
        for operation in world.database.operations.indices {
            guard let lease = world.database.operations[operation].lease, lease.missed > 0 else {
                continue
            }
            try await engine.pool.query(
                """
                UPDATE operation_run SET claimed_at = clock_timestamp() - interval '1 hour',
                    listed_at = clock_timestamp() - interval '1 hour'
                WHERE operation = \(operations[operation])
                """)
        }
        let request = Request.heartbeat(
            session: sessions[host],
            held: held.map { Request.Held(operation: $0.operation, epoch: $0.epoch) },
            interrupted: [])
        let answer = try world.handle(host, request, rules)
        do {
            let told = try await agents[host].heartbeat(held.map(\.leased))
            guard case .beaten(let canceled, let lost, _) = answer else {
                Issue.record("the model says \(String(describing: answer))")
                return
            }
            #expect(Set(told.canceled) == Set(canceled.map { operations[$0] }))
            #expect(Set(told.lost) == Set(lost.map { operations[$0] }))
        } catch let problem as Problem where problem.code == "session-ended" {
            #expect(answer == .sessionEnded)
        }
    }

    private mutating func sweep() async throws {
        try await engine.pool.query(
            "UPDATE operation_delayed SET due_at = clock_timestamp() - interval '1 second'")
        try await engine.rescue.sweep()
        for operation in world.database.operations.indices
        where world.database.operations[operation].place == .delayed {
            world.database.operations[operation].place = .ready
        }
        try takeBackInModel { _ in true }
    }

    private mutating func report(
        _ host: Int, _ given: Given, _ outcome: Outcome
    ) async throws {
        var product = OperationOutcome(
            operation: given.leased.id, epoch: given.leased.epoch, state: .succeeded, result: nil,
            failure: nil)
        var number = rules.catalogue.done
        switch outcome {
        case .succeeded: break
        case .failedForNow:
            product.state = .failed
            product.failure = Failure(code: "x", message: "x", class: .retryable)
            number = rules.catalogue.failure("x", .retryable)
        case .failedForGood:
            product.state = .failed
            product.failure = Failure(code: "x", message: "x", class: .terminal)
            number = rules.catalogue.failure("x")
        case .canceled:
            product.state = .canceled
            number = rules.catalogue.number(Simulator.ChildOutcome.canceled)
        }
        let applied = try await agents[host].report(.operationFinished(product))
        let entry = Entry(
            sequence: world.database.applied[host] + 1,
            body: .finished(operation: given.operation, epoch: given.epoch, outcome: number))
        let answer = try world.handle(host, .reports([entry]), rules)
        #expect(answer == .applied(Int(applied)))
    }

    // MARK: What came of it

    /// Every operation's place in the model: state, tries, which of its leases, whether it is to stop.
    func model() -> [String] {
        world.database.operations.map { body in
            let canceled = body.isLive && body.isCanceled ? " canceled" : ""
            switch body.place {
            case .ready: return "ready \(body.attempts)\(canceled)"
            case .delayed: return "delayed \(body.attempts)\(canceled)"
            case .waiting: return "waiting"
            case .running(let lease):
                return "running \(lease.attempt) under \(modelLease(lease.epoch))\(canceled)"
            case .ended(let outcome):
                switch rules.catalogue.outcome(outcome) {
                case .succeeded: return "succeeded"
                case .failed: return "failed"
                case .canceled: return "canceled"
                case .expired: return "expired"
                }
            }
        }
    }

    private func modelLease(_ epoch: Int) -> Int {
        (given[0] + given[1]).firstIndex { $0.epoch == epoch } ?? -1
    }

    /// The same of PostgreSQL.
    func product() async throws -> [String] {
        let rows = try await engine.pool.query(
            """
            SELECT o.id, CASE WHEN q.operation IS NOT NULL THEN 'ready'
                    WHEN d.operation IS NOT NULL THEN 'delayed'
                    WHEN r.operation IS NOT NULL THEN 'running' ELSE e.state END AS place,
                coalesce(q.tries, d.tries, r.attempt, 0)::bigint AS tries, r.epoch,
                c.operation IS NOT NULL AS is_canceled
            FROM operations o LEFT JOIN operation_ready q ON q.operation = o.id
            LEFT JOIN operation_delayed d ON d.operation = o.id
            LEFT JOIN operation_run r ON r.operation = o.id
            LEFT JOIN operation_end e ON e.operation = o.id
            LEFT JOIN operation_cancel c ON c.operation = o.id
            """
        ).rows
        var places = [String](repeating: "nowhere", count: operations.count)
        for row in rows {
            guard let index = operations.firstIndex(of: try row.decode("id")) else { continue }
            let place = try row.decode("place", as: String.self)
            let tries = try row.decode("tries", as: Int64.self)
            let canceled = try row.decode("is_canceled", as: Bool.self) ? " canceled" : ""
            switch place {
            case "ready", "delayed": places[index] = "\(place) \(tries)\(canceled)"
            case "running":
                let epoch = try row.decode("epoch", as: Int64.self)
                let lease = (given[0] + given[1]).firstIndex { $0.leased.epoch == epoch } ?? -1
                places[index] = "running \(tries) under \(lease)\(canceled)"
            default: places[index] = place
            }
        }
        return places
    }
}
