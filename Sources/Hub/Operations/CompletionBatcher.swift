import Platform
import Shared

/// Collects what is done and writes it down together: as soon as there are enough, and no later than
/// a moment after the first.
final class CompletionBatcher: Sendable {
    /// Writes a batch down.
    typealias Write = @Sendable ([FinishedOperation]) async throws -> Void

    private let limit: Int
    private let patience: Duration
    private let write: Write
    private let log: Logger
    private let waiting = Locked<[FinishedOperation]>([])
    private let first: AsyncStream<Void>
    private let bell: AsyncStream<Void>.Continuation

    /// - Parameters:
    ///   - limit: how many at most at once, 1 to 1,000.
    ///   - patience: how long the first waits for others, up to 5 ms.
    init(limit: Int, patience: Duration, log: Logger, write: @escaping Write) {
        self.limit = limit
        self.patience = patience
        self.log = log
        self.write = write
        (first, bell) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Adds one, and writes when there are enough, or nothing else is worked on.
    ///
    /// - Parameter held: how many leases there are, the waiting ones included.
    func add(_ finished: FinishedOperation, held: Int) async throws {
        let batch = waiting.withLock { waiting -> [FinishedOperation] in
            waiting.append(finished)
            guard waiting.count >= min(limit, held) else { return [] }
            defer { waiting = [] }
            return waiting
        }
        if batch.isEmpty {
            bell.yield()
        } else {
            try await settle(batch)
        }
    }

    /// Writes those that have waited long enough; runs beside the work.
    func run() async throws {
        for await _ in first {
            try await Task.sleep(for: patience)
            let batch = waiting.withLock { waiting in
                defer { waiting = [] }
                return waiting
            }
            if !batch.isEmpty { try await settle(batch) }
        }
        try Task.checkCancellation()
    }

    /// Writes a batch, again and again while the database is away: what it held is still leased, and
    /// a batch that was written already changes nothing.
    private func settle(_ batch: [FinishedOperation]) async throws {
        let backoff = Backoff(base: .milliseconds(20), cap: .seconds(1))
        var random = Random()
        var attempt = 1
        while true {
            do {
                return try await write(batch)
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                log.warning(
                    "outcomes could not be written down", ["error": LogValue(describing: error)])
                try await Task.sleep(
                    for: backoff.delay(afterAttempt: attempt, using: &random))
                attempt += 1
            }
        }
    }
}
