import Postgres
import Shared
import Testing

@testable import Hub

@Suite("A snapshot that somebody holds", .timeLimit(.minutes(2)))
struct HeldSnapshotTests {
    private static let batch = 20

    /// A lane's worker, which counts what its claims read.
    private struct Claimer: Sendable {
        let engine: Engine
        let session: SessionID
        let turns: LaneTurns

        init(_ engine: Engine, _ host: HostID, pause: Duration) async throws {
            self.engine = engine
            let session = engine.identifiers.make(SessionIdentity.self)
            self.session = session
            turns = LaneTurns(lane: host.uuid, pause: pause)
            try await engine.changes.run { change in
                _ = try await SessionStore(change.transaction).open(
                    session, host: nil, name: "hub", leaseMilliseconds: 600_000)
            }
        }

        /// Claims and ends a batch.
        ///
        /// - Returns: how many pages of the ready table and its indexes were read.
        func work() async throws -> Int {
            try await engine.pool.withTransaction { transaction in
                let before = try await pages(transaction)
                let claimed = try await turns.claim(
                    limit: batch, holder: OperationClaim.Holder(session: session),
                    in: transaction)
                #expect(claimed.count == batch)
                let pages = try await pages(transaction) - before
                _ = try await OperationFinish(transaction).finish(
                    claimed.map {
                        FinishedOperation(id: $0.id, epoch: $0.epoch, ending: .succeeded(nil))
                    }, host: nil)
                return pages
            }
        }

        /// How often this connection has read a page of the ready table or its indexes.
        private func pages(_ transaction: PostgresTransaction) async throws -> Int {
            try await transaction.query(
                """
                SELECT sum(pg_stat_get_xact_blocks_fetched(c.oid))::bigint AS n
                FROM pg_class c WHERE c.oid = 'operation_ready'::regclass OR c.oid IN (
                    SELECT indexrelid FROM pg_index
                    WHERE indrelid = 'operation_ready'::regclass)
                """
            ).one().decode("n")
        }
    }

    @Test("makes a claim read no more, however much has died since")
    func flat() async throws {
        let engine = try await Engine()
        let host = try await engine.host("alpha")
        let store = OperationBenchStore(
            pool: engine.pool, host: host, identifiers: engine.identifiers)
        try await store.fill(3000)
        try await store.settle()
        // What is looked up anew is looked up at most every so often.
        let claimer = try await Claimer(engine, host, pause: .seconds(1))
        let holder = try await PostgresConnection.connect(engine.options)
        try await holder.withTransaction(isolation: .repeatableRead, isReadOnly: true) {
            transaction in
            #expect(try await store.ready(in: transaction) == 3000)
            var pages: [Int] = []
            for _ in 0..<120 { pages.append(try await claimer.work()) }
            let first = pages.prefix(30).sorted()[15]
            let last = pages.suffix(30).sorted()[15]
            #expect(last <= 2 * first, "from \(first) to \(last) pages a claim")
            // Without floors it would: the dead are all still there, on some forty pages.
            let forgetful = try await Claimer(engine, host, pause: .zero)
            let blind = try await forgetful.work()
            #expect(blind > last + 30, "\(blind) pages without a floor, \(last) with one")
            #expect(try await store.ready(in: transaction) == 3000)
        }
        await holder.close()
    }
}
