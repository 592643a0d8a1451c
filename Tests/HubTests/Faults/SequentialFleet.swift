import Platform
import Postgres
import Shared
import Testing

@testable import Hub

/// A hub and hosts that do one thing after another, each request repeated until it is answered, so
/// that the same work sends the same messages on every run.
///
/// The hub's way to its database may break at any message; looking at the outcome goes another way.
struct SequentialFleet: Sendable {
    /// The way that breaks.
    let engine: Engine
    /// The way that does not.
    let direct: Engine
    let worker: WorkflowWorker
    let session: SessionID
    let turns = LaneTurns(lane: OperationBell.hub, pause: .zero)
    let hosts: [HostID]
    let agents: [ScriptedAgent]
    let desk: OrderDesk
    /// Which run it is, in names.
    let name: String

    init(
        _ direct: Engine, _ hosts: [HostID], through options: PostgresOptions, _ name: String,
        fails: @escaping ScriptedAgent.Script
    ) async throws {
        self.direct = direct
        self.name = name
        engine = Engine(
            again: direct, through: options, limits: PostgresPool.Limits(connections: 2))
        worker = WorkflowWorker(
            engine.changes, settings: engine.settings, identifiers: engine.identifiers,
            log: engine.log, hasPath: { _, _ in true })
        session = engine.identifiers.make(SessionIdentity.self)
        desk = OrderDesk(pool: engine.pool, operations: engine.service)
        self.hosts = hosts
        var agents: [ScriptedAgent] = []
        for (host, word) in zip(hosts, ["a", "b"]) {
            agents.append(try await ScriptedAgent(engine, host, word, fails: fails))
        }
        self.agents = agents
    }

    /// Creates an operation under a key, as the API does.
    func create(_ order: OperationOrder) async throws -> OperationID {
        try await engine.stubborn {
            try await desk.place(key: name, fingerprint: [1], by: engine.author) { _ in order }
        }.operation.id
    }

    /// Opens the hub's session and those of the hosts.
    func open() async throws {
        try await engine.stubborn { try await worker.open(session) }
        for agent in agents { try await agent.openStubbornly() }
    }

    /// Lets everybody work until the operation has ended.
    func settle(_ operation: OperationID, hostsWork: Bool) async throws {
        let deadline = ContinuousClock.now + .seconds(30)
        while try await !hasEnded(operation) {
            guard ContinuousClock.now < deadline else {
                let stuck = try await direct.service.describe(operation)
                Issue.record("stuck: \(String(describing: stuck))")
                return
            }
            if try await turn(hostsWork: hostsWork) { continue }
            try await wait()
        }
    }

    private func hasEnded(_ operation: OperationID) async throws -> Bool {
        try await direct.pool.withTransaction {
            try await OperationCancelStore($0).hasEnded(operation)
        }
    }

    /// One turn of everybody.
    ///
    /// - Returns: whether there was anything to do.
    private func turn(hostsWork: Bool) async throws -> Bool {
        var isBusy = try await hubTurn()
        for agent in agents where hostsWork {
            if try await agent.workOff() { isBusy = true }
        }
        return isBusy
    }

    /// The hub takes what work there is, and does it.
    func hubTurn() async throws -> Bool {
        let claimed = try await engine.stubborn {
            try await worker.claim(session, limit: 4, turns)
        }
        for operation in claimed {
            try await engine.stubborn {
                try await worker.beat(
                    session,
                    held: claimed.map { HeldLease(operation: $0.id, epoch: $0.epoch) })
            }
            await worker.step(operation)
        }
        return !claimed.isEmpty
    }

    /// Nobody finds anything: what was lost is taken back, and what waits for its time has it.
    func wait() async throws {
        // The time of two heartbeats goes by.
        try await direct.pool.query(
            "UPDATE operation_run SET listed_at = claimed_at - interval '1 minute'")
        try await engine.stubborn { try await worker.beat(session, held: []) }
        try await direct.pool.query("UPDATE operation_delayed SET due_at = clock_timestamp()")
        try await direct.pool.query(
            """
            UPDATE operation_waiting SET wake_at = clock_timestamp()
            WHERE wake_at IS NOT NULL AND reason <> 'children'
            """)
        try await engine.stubborn { try await engine.rescue.sweep() }
    }

    /// What the run came to, without names and times.
    func outcome(of root: OperationID, since event: Int64) async throws -> [String] {
        var lines: [String] = []
        let operations = try await direct.pool.query(
            """
            SELECT o.kind, coalesce(regexp_replace(o.child_key, '_[0-9a-z]{26}', ''), '') AS key,
                e.state, coalesce(e.failure ->> 'code', '') AS failure,
                coalesce(e.cancel_confirmed::text, '') AS confirmed,
                (SELECT count(*) FROM operation_leases a
                    WHERE a.operation = o.id AND a.ending = e.state) AS ends
            FROM operations o JOIN operation_end e ON e.operation = o.id
            WHERE o.root = \(root) ORDER BY o.created_at, o.id
            """)
        for row in operations.rows {
            lines.append(
                try ["kind", "key", "state", "failure", "confirmed"]
                    .map { try row.decode($0, as: String.self) }.joined(separator: " ")
                    + " \(try row.decode("ends", as: Int.self))")
        }
        let events = try await direct.pool.query(
            "SELECT type FROM events WHERE sequence > \(event) ORDER BY sequence")
        lines += try events.rows.map { try $0.decode("type", as: String.self) }
        for agent in agents { lines += await agent.done }
        let made = try await direct.pool.query(
            """
            SELECT count(*) AS n FROM operations
            WHERE parent IS NULL AND created_at >= (SELECT created_at FROM operations
                WHERE id = \(root))
            """)
        lines.append("\(try made.one().decode("n", as: Int.self)) operation")
        return lines
    }
}
