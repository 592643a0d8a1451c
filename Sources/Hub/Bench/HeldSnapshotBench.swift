import Platform
import Postgres
import Shared

/// A REPEATABLE READ transaction is held open while work comes in at a steady rate: nothing that has
/// died can be removed, and still neither the rate nor the time of a batch may change.
struct HeldSnapshotBench: Sendable {
    let cluster: PrivateCluster
    let open: @Sendable (String) async throws -> BenchDatabase
    let identifiers: Identifiers
    let log: Logger

    /// So many operations a second, in batches of ten.
    private static let offered = 3000
    private static let batch = 10
    private static let window: Duration = .seconds(10)
    private static let held: Duration = .seconds(60)

    func run() async throws {
        let bench = try await open("ours_held")
        let total = Self.offered * 95
        try await bench.store.fill(total)
        try await bench.store.settle()
        let session = identifiers.make(SessionIdentity.self)
        try await bench.changes.run { change in
            _ = try await SessionStore(change.transaction).open(
                session, host: nil, name: "bench", leaseMilliseconds: 600_000)
        }
        let turns = LaneTurns(lane: bench.lane)
        _ = try await work(bench, session, turns, for: .seconds(5))
        let before = try await work(bench, session, turns, for: Self.window)
        let holder = try await PostgresConnection.connect(bench.options)
        let after = try await holder.withTransaction(
            isolation: .repeatableRead, isReadOnly: true
        ) { transaction in
            _ = try await bench.store.ready(in: transaction)
            _ = try await work(bench, session, turns, for: Self.held, in: transaction)
            return try await work(bench, session, turns, for: Self.window, in: transaction)
        }
        await holder.close()
        print(
            "offered \(Self.offered)/s: before \(Int(before.rate))/s, p99 "
                + "\(before.p99) ms; held \(Self.held): \(Int(after.rate))/s, p99 \(after.p99) ms")
        figure("held_snapshot_rate_kept", after.rate / before.rate, "x")
        figure("held_snapshot_p99_growth", after.p99 / before.p99, "x")
        await bench.pool.close()
    }

    private struct Window: Sendable {
        var rate: Double
        var p99: Double
    }

    /// Claims and ends batches at the offered rate by two workers, and times each from when it was
    /// due.
    private func work(
        _ bench: BenchDatabase, _ session: SessionID, _ turns: LaneTurns, for length: Duration,
        in holder: PostgresTransaction? = nil
    ) async throws -> Window {
        let begin = ContinuousClock.now
        let end = begin + length
        let step = Duration.seconds(2) * Self.batch / Self.offered
        let (count, times) = try await withThrowingTaskGroup(of: (Int, [Double]).self) { group in
            for worker in 0..<2 {
                group.addTask {
                    var due = begin + step * worker / 2
                    var done = 0
                    var times: [Double] = []
                    while due < end, .now < end {
                        try await ContinuousClock().sleep(until: due)
                        done += try await turn(bench, session, turns)
                        times.append(seconds(.now - due) * 1000)
                        due += step
                    }
                    return (done, times)
                }
            }
            // The snapshot's transaction must not look idle to the server.
            while holder != nil, .now < end - .seconds(5) {
                try await holder?.query("SELECT 1")
                try await Task.sleep(for: .seconds(4))
            }
            return try await group.reduce(into: (0, [])) { $0 = ($0.0 + $1.0, $0.1 + $1.1) }
        }
        let sorted = times.sorted()
        return Window(
            rate: Double(count) / seconds(.now - begin),
            p99: sorted.isEmpty ? 0 : sorted[sorted.count * 99 / 100])
    }

    private func turn(
        _ bench: BenchDatabase, _ session: SessionID, _ turns: LaneTurns
    ) async throws -> Int {
        let claimed = try await turns.claim(
            limit: Self.batch, holder: OperationClaim.Holder(session: session), in: bench.pool)
        guard !claimed.isEmpty else { return 0 }
        let finished = claimed.map {
            FinishedOperation(id: $0.id, epoch: $0.epoch, ending: .succeeded(nil))
        }
        return try await OperationFinish(bench.pool).finish(finished, host: nil).ended.count
    }
}
