import Glibc
import HTTP
import Platform
import Postgres
import Shared

/// `berth-hub bench hosts`: what idle agents cost a hub that runs, and how fast it takes reports over
/// TLS; all agents are simulated by this process, over the loopback.
///
/// The hub is another process, in the same data directory; its database is filled by SQL.
struct HostBench: Sendable {
    let directory: HubDirectory
    let configuration: Configuration
    let identifiers: Identifiers
    /// The hub's process.
    let process: Int32
    let parts: BenchParts

    private static let hosts = 3000
    private static let idle: Duration = .seconds(30)
    /// How many operations are made for idle agents, one for each of the last hosts.
    private static let woken = 300

    private struct Agent: Sendable {
        var host: HostID
        var ledger: LedgerID
        var token: String
        var session: SessionID
    }

    func run() async throws {
        let database = try Database(configuration, directory: directory)
        var owner = database.owner
        owner.statementTimeout = nil
        let connection = try await PostgresConnection.connect(owner)
        let store = HostBenchStore(connection: connection)
        let agents = (0..<Self.hosts).map { _ in
            Agent(
                host: identifiers.make(HostIdentity.self),
                ledger: identifiers.make(LedgerIdentity.self),
                token: BearerToken(new: .host).text,
                session: identifiers.make(SessionIdentity.self))
        }
        try await store.fill(
            agents.map { ($0.host, $0.ledger, BearerToken.hash(of: $0.token)) })
        let admin = BearerToken(new: .admin)
        try await store.fillAdmin(admin.hash)
        let before = try residentKibibytes()
        let client = try client()
        let leased = Locked<[OperationID: ContinuousClock.Instant]>([:])
        try await withThrowingTaskGroup(of: Void.self) { group in
            let open = Locked(0)
            for (index, agent) in agents.enumerated() {
                group.addTask {
                    // As agents are: not all in the same second.
                    try await Task.sleep(for: .milliseconds(index * 4))
                    try await live(agent, client, open, leased)
                }
            }
            defer { group.cancelAll() }
            while open.withLock({ $0 }) < agents.count {
                try await Task.sleep(for: .milliseconds(200))
            }
            // Until all have asked twice.
            try await Task.sleep(for: .seconds(25))
            if parts.has("idle") {
                try await measureIdle(store)
                let after = try residentKibibytes()
                figure(
                    "idle_host_connection_kib", Double(after - before) / Double(agents.count),
                    "KiB")
            }
            if parts.has("wake") {
                try await wake(agents.suffix(Self.woken), admin.text, client, leased)
            }
        }
        if parts.has("reports") {
            try await reports(agents, client, connection, options: owner)
        }
        await connection.close()
    }

    /// Counts the statements while nobody has anything to do.
    private func measureIdle(_ store: HostBenchStore) async throws {
        try await store.logStatements(true)
        // Every server process reads the setting when it gets its next statement.
        try await Task.sleep(for: .seconds(1))
        let first = try statements()
        try await Task.sleep(for: Self.idle)
        let second = try statements()
        try await store.logStatements(false)
        figure(
            "idle_hosts_queries_per_second", Double(second - first) / (Self.idle / .seconds(1)),
            "queries/s")
    }

    /// From an order over the API to the answer of a long poll of its host, while all are connected.
    private func wake(
        _ agents: ArraySlice<Agent>, _ token: String, _ client: HTTPClient,
        _ leased: Locked<[OperationID: ContinuousClock.Instant]>
    ) async throws {
        var asked: [(OperationID, ContinuousClock.Instant)] = []
        for agent in agents {
            let begin = ContinuousClock.now
            let made: OperationDescription = try await send(
                client, token, "hosts/\(agent.host)/check", Empty())
            asked.append((made.id, begin))
            // One after another: what is measured is a wake-up, not a queue.
            try await Task.sleep(for: .milliseconds(30))
        }
        let all = asked.map(\.0)
        let end = ContinuousClock.now + .seconds(10)
        while !leased.withLock({ leased in all.allSatisfy { leased[$0] != nil } }),
            ContinuousClock.now < end
        {
            try await Task.sleep(for: .milliseconds(20))
        }
        let known = leased.withLock { $0 }
        let times = try asked.map { operation, begin in
            guard let heard = known[operation] else {
                throw HubError(.database, "operation \(operation) was not given out")
            }
            return (heard - begin) / .milliseconds(1)
        }.sorted()
        figure("agent_wakeup_ms_p50", times[times.count / 2], "ms")
        figure("agent_wakeup_ms_p99", times[times.count * 99 / 100], "ms")
    }

    private struct Empty: Encodable, Sendable {}

    private func client() throws -> HTTPClient {
        var options = HTTPClientOptions()
        options.trust = .authorities(
            pem: try DurableFile.read(directory.authorityCertificate, limitBytes: 1 << 20))
        options.connectionLimit = 16_000
        options.connectionsPerHostLimit = 16_000
        return try HTTPClient(options: options)
    }

    // MARK: An agent that has nothing to do

    private func live(
        _ agent: Agent, _ client: HTTPClient, _ open: Locked<Int>,
        _ leased: Locked<[OperationID: ContinuousClock.Instant]>
    ) async throws {
        let terms: OpenSessionAnswer = try await send(
            client, agent.token, "agent/sessions",
            OpenSessionRequest(
                session: agent.session, ledger: agent.ledger, agentVersion: "bench",
                timeline: nil))
        open.withLock { $0 += 1 }
        let status = HostStatus(
            agentVersion: "bench", filesystem: nil, freeBytes: 1 << 40, totalBytes: 2 << 40,
            outboxPending: 0, trouble: nil)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while !Task.isCancelled {
                    let answer: LeaseAnswer = try await send(
                        client, agent.token, "agent/lease",
                        LeaseRequest(
                            session: agent.session,
                            request: identifiers.make(RequestIdentity.self), capacity: 4,
                            waitMilliseconds: 30_000))
                    let now = ContinuousClock.now
                    leased.withLock { leased in
                        for operation in answer.operations { leased[operation.id] = now }
                    }
                    try await finish(answer.operations, agent, client)
                }
            }
            group.addTask {
                while !Task.isCancelled {
                    let _: HeartbeatAnswer = try await send(
                        client, agent.token, "agent/heartbeat",
                        HeartbeatRequest(session: agent.session, held: [], status: status))
                    try await Task.sleep(for: .milliseconds(terms.heartbeatMilliseconds))
                }
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    /// Each host gets one operation at most, and its outcome is its first report.
    private func finish(
        _ operations: [LeasedOperation], _ agent: Agent, _ client: HTTPClient
    ) async throws {
        guard let operation = operations.first else { return }
        let outcome = OperationOutcome(
            operation: operation.id, epoch: operation.epoch, state: .succeeded, result: nil,
            failure: nil)
        let _: ReportsAnswer = try await send(
            client, agent.token, "agent/reports",
            ReportsRequest(
                session: agent.session, ledger: agent.ledger,
                reports: [
                    Report(
                        sequence: 1, time: identifiers.currentTime,
                        content: .operationFinished(outcome))
                ]))
    }

    private func send<Body: Encodable & Sendable, Answer: Decodable>(
        _ client: HTTPClient, _ token: String, _ path: String, _ body: Body
    ) async throws -> Answer {
        let response = try await client.send(
            HTTPClientRequest(
                method: "POST",
                url: "https://\(configuration.listen.host):\(configuration.listen.port)"
                    + "/v1/\(path)",
                headers: [
                    "Authorization": "Bearer \(token)", "Content-Type": "application/json",
                ], body: .bytes(try JSON.encode(body)), deadline: .seconds(90)))
        let bytes = try await response.body.collect(limitBytes: 1 << 20)
        guard (200..<300).contains(response.status) else {
            throw HubError(
                .database,
                "\(path) was answered \(response.status): \(String(decoding: bytes, as: UTF8.self))"
            )
        }
        return try JSON.decode(Answer.self, from: bytes)
    }

    // MARK: Reports

    private func reports(
        _ agents: [Agent], _ client: HTTPClient, _ connection: PostgresConnection,
        options: PostgresOptions
    ) async throws {
        let pool = PostgresPool(options)
        let fleet = try await BenchFleet(pool: pool, hosts: 1000)
        await pool.close()
        let known = Dictionary(uniqueKeysWithValues: agents.map { ($0.host, $0) })
        let begin = ContinuousClock.now
        let clients = 8
        let total = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<clients {
                group.addTask {
                    var done = 0
                    var turn = 0
                    while ContinuousClock.now - begin < .seconds(5) {
                        let place = turn * clients + number
                        let (request, host) = fleet.batch(
                            of: place % fleet.hosts.count,
                            round: Int64(place / fleet.hosts.count),
                            session: identifiers.make(SessionIdentity.self))
                        guard let agent = known[host] else { break }
                        let answer: ReportsAnswer = try await send(
                            client, agent.token, "agent/reports", request)
                        guard answer.applied == request.reports.last?.sequence else {
                            throw HubError(.database, "a batch was not applied")
                        }
                        done += request.reports.count
                        turn += 1
                    }
                    return done
                }
            }
            return try await group.reduce(0, +)
        }
        figure(
            "report_events_per_second_http",
            Double(total) / ((ContinuousClock.now - begin) / .seconds(1)), "events/s")
    }

    // MARK: Measuring

    /// How many statements the server's log has.
    private func statements() throws -> Int {
        let log = try DurableFile.read(
            directory.cluster + "/server.log", limitBytes: 1 << 30)
        var count = 0
        for line in log.split(separator: 0x0A) {
            let text = String(decoding: line.prefix(200), as: UTF8.self)
            if text.contains(" ms  execute ") || text.contains(" ms  statement: ") { count += 1 }
        }
        return count
    }

    /// The hub's resident memory.
    private func residentKibibytes() throws -> Int {
        let status = try DurableFile.read("/proc/\(process)/status", limitBytes: 1 << 16)
        for line in String(decoding: status, as: UTF8.self).split(separator: "\n")
        where line.hasPrefix("VmRSS:") {
            return Int(line.filter(\.isNumber)) ?? 0
        }
        throw HubError(.database, "process \(process) is no hub that runs")
    }

    private func figure(_ name: String, _ value: Double, _ unit: String) {
        print("figure \(name) \((value * 10).rounded() / 10) \(unit)")
    }
}
