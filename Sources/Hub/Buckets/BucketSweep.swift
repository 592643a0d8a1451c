import ObjectStore
import Platform
import Postgres
import Shared

/// Has buckets forget, once a day, what uploads left that were never ended: those of processes that
/// were killed, which providers keep and charge for.
///
/// Every hub does it by itself: what another has swept is not there any more.
struct BucketSweep: Service {
    let pool: PostgresPool
    let catalog: BucketCatalog
    let logger: Logger
    /// How long after the hub's start the first sweep is.
    var delay = Duration.seconds(600)
    /// How long is between two sweeps.
    var interval = Duration.seconds(86_400)
    /// How long ago an upload must have begun: longer than any takes.
    var age = Duration.seconds(86_400)

    func run() async throws {
        let clock = ContinuousClock()
        do {
            try await clock.sleep(for: delay)
            while true {
                await sweep()
                try await clock.sleep(for: interval)
            }
        } catch is CancellationError {}
    }

    private func sweep() async {
        do {
            let buckets = try await pool.withTransaction { transaction in
                try await BucketStore(transaction).buckets()
            }
            for bucket in buckets where bucket.condition.state == .working {
                await sweep(bucket.row)
            }
        } catch {
            logger.warning("no bucket was swept", ["error": LogValue(describing: error)])
        }
    }

    /// A bucket that fails is told of, and does not keep others from it.
    private func sweep(_ row: BucketCatalog.Row) async {
        do {
            guard let store = try await catalog.store(of: row) as? any UnfinishedUploads else {
                return
            }
            let count = try await store.sweep(olderThan: age)
            guard count > 0 else { return }
            logger.info(
                "Uploads that were never ended are removed.",
                ["bucket": .string(row.name), "count": .integer(Int64(count))])
        } catch {
            logger.warning(
                "a bucket was not swept",
                ["bucket": .string(row.name), "error": LogValue(describing: error)])
        }
    }
}
