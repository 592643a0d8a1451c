import ObjectStore
import Platform
import Postgres
import Shared

/// Tries buckets that fail, when their next try is due, so that what waits for them goes on by
/// itself; one hub tries each.
struct BucketWatch: Service {
    let pool: PostgresPool
    let operations: OperationService
    let catalog: BucketCatalog
    let logger: Logger
    /// How often is looked, and how long is between two tries of a bucket at least.
    let interval: Duration
    private let clock = ContinuousClock()

    init(
        pool: PostgresPool, operations: OperationService, catalog: BucketCatalog, logger: Logger,
        interval: Duration
    ) {
        self.pool = pool
        self.operations = operations
        self.catalog = catalog
        self.logger = logger
        self.interval = interval
    }

    func run() async throws {
        while !Task.isCancelled {
            do {
                try await clock.sleep(for: interval)
                try await look()
            } catch is CancellationError {
                break
            } catch {
                logger.warning(
                    "buckets could not be looked after", ["error": LogValue(describing: error)])
            }
        }
    }

    private func look() async throws {
        let interval = interval
        let due = try await pool.withTransaction { transaction in
            try await BucketHealthStore(transaction).due(every: interval)
        }
        // Side by side: a bucket that stalls does not hold up others.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for bucket in due {
                group.addTask { try await attempt(bucket) }
            }
            try await group.waitForAll()
        }
    }

    private func attempt(_ bucket: BucketID) async throws {
        let (row, isFull) = try await pool.withTransaction { transaction in
            let trouble = try await BucketHealthStore(transaction).trouble(of: bucket)
            return (
                try await BucketStore(transaction).buckets(only: bucket).first?.row,
                trouble?.code == "bucket-full"
            )
        }
        guard let row else { return }
        let catalog = catalog
        do {
            try await withDeadline(.seconds(60), "the bucket's try") {
                await catalog.opened.resume(bucket)
                try await Self.use(try await catalog.store(of: row), isFull: isFull)
            }
        } catch let error as CancellationError {
            throw error
        } catch {
            let problem = Problem(of: error)
            let isPausing = (error as? ObjectStoreError)?.failureClass == .pausing
            try await pool.withTransaction { transaction in
                try await BucketHealthStore(transaction).fails(
                    bucket, code: problem.code, reason: "\(error)", isPausing: isPausing)
            }
            return
        }
        logger.info("A bucket works again.", ["bucket": .string(row.name)])
        try await operations.bucketWorks(bucket)
    }

    /// The size of a pack: what fits in a bucket that was full lets a backup go on by one at least.
    private static let packBytes = 16 << 20

    /// Writes something, reads it and removes it.
    private static func use(_ store: any ObjectStorage, isFull: Bool) async throws {
        let name = try ObjectName("probe-\(Random.hex(bytes: 8))/object")
        let body =
            isFull ? Random.bytes(packBytes) : Array("berth looks whether this bucket works".utf8)
        try await store.put(name, .bytes(body, sha256: Digest.sha256(body)))
        let back = try await store.get(name, limitBytes: body.count)
        try await store.delete(name)
        guard back == body else {
            throw ObjectStoreError(code: .failed, message: "other bytes came back than were stored")
        }
    }
}
