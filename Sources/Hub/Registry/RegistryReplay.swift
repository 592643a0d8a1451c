import Platform
import Postgres

/// Rebuilds every view of the registry from the log into shadow tables, compares them with the live
/// ones, and makes the live ones what the log says.
///
/// The log is replayed and compared in snapshots, so that nobody waits. Only where something
/// differs are changes of the registry held up, for as long as the difference takes to be put
/// right. The live tables stay in place, because those outside the log refer to them; their rows
/// are what is exchanged.
struct RegistryReplay: Sendable {
    /// What a replay found and did.
    struct Outcome: Sendable {
        /// Events applied, and those of forms that only a newer program knows.
        var events: Int64 = 0
        var unknown: Int64 = 0
        /// The last event that the views were compared at.
        var sequence: Int64 = 0
        var differences: [ReplayStore.Difference] = []
        /// Whether the live tables were changed.
        var isPutRight = false
    }

    /// How many events one statement applies.
    private static let stepSize = 50_000
    /// How often the live tables are tried to be locked.
    private static let attempts = 60

    let connection: PostgresConnection

    /// - Parameters:
    ///   - onlyCompares: leaves the live tables as they are.
    ///   - progress: told of the last event applied and the last one of the log.
    func run(
        onlyCompares: Bool, progress: @Sendable (Int64, Int64) -> Void = { _, _ in }
    ) async throws -> Outcome {
        let store = ReplayStore(connection: connection)
        try await store.takeLock()
        let tables = try await store.tables()
        try await store.prepare(tables)
        var outcome = Outcome()
        // Almost all of it in transactions of its own, because a long one keeps dead rows.
        let goal = try await store.end()
        while outcome.sequence < goal {
            try await step(store, through: goal, &outcome)
            progress(outcome.sequence, goal)
        }
        try await compare(store, tables, &outcome)
        if !outcome.differences.isEmpty, !onlyCompares, outcome.unknown == 0 {
            try await putRight(store, tables, &outcome)
        }
        try await store.drop()
        return outcome
    }

    private func step(
        _ store: ReplayStore, through end: Int64, _ outcome: inout Outcome
    ) async throws {
        let step = try await store.apply(
            after: outcome.sequence, through: end, count: RegistryReplay.stepSize)
        guard step.last > outcome.sequence else {
            throw HubError(
                .log, "event \(outcome.sequence + 1) is missing",
                hint: "see berth-hub verify-log")
        }
        outcome.sequence = step.last
        outcome.events += step.applied
        outcome.unknown += step.unknown
    }

    /// In one snapshot: the log's end and the views that belong to it.
    private func compare(
        _ store: ReplayStore, _ tables: [ReplayStore.Table], _ outcome: inout Outcome
    ) async throws {
        var found = outcome
        try await connection.withTransaction(isolation: .repeatableRead) { _ in
            try await catchUp(store, &found)
            found.differences = []
            for table in tables {
                if let difference = try await store.difference(table) {
                    found.differences.append(difference)
                }
            }
        }
        outcome = found
    }

    private func catchUp(_ store: ReplayStore, _ outcome: inout Outcome) async throws {
        let end = try await store.end()
        while outcome.sequence < end { try await step(store, through: end, &outcome) }
    }

    /// While nobody else changes the registry: rows that nothing refers to go first, those that
    /// others refer to come first.
    ///
    /// Changes under way hold what this needs and wait for what it has; it gives way, soon, rather
    /// than that one of them fails.
    private func putRight(
        _ store: ReplayStore, _ tables: [ReplayStore.Table], _ outcome: inout Outcome
    ) async throws {
        var random = Random()
        let backoff = Backoff(base: .milliseconds(20), cap: .milliseconds(500))
        for attempt in 1...RegistryReplay.attempts {
            do {
                outcome = try await putRightAtOnce(store, tables, outcome)
                return
            } catch let error as PostgresError
                where error.isRetryableConflict || error.sqlState == "55P03"
            {
                guard attempt < RegistryReplay.attempts else { throw error }
                try await Task.sleep(for: backoff.delay(afterAttempt: attempt, using: &random))
            }
        }
    }

    private func putRightAtOnce(
        _ store: ReplayStore, _ tables: [ReplayStore.Table], _ before: Outcome
    ) async throws -> Outcome {
        var done = before
        try await connection.withTransaction { _ in
            try await store.stopChanges()
            try await catchUp(store, &done)
            for table in tables.reversed() { try await store.removeExtra(table) }
            for table in tables { try await store.putRight(table) }
            for table in tables where try await store.difference(table) != nil {
                throw HubError(.log, "table \(table.name) still differs from the log")
            }
        }
        done.isPutRight = true
        return done
    }
}
