public import Platform

/// Listens on channels over a connection of its own (LISTEN), and connects again when it breaks.
///
/// ```swift
/// let bell = PostgresNotifications(options, channels: ["berth"])
/// group.addTask { try await bell.run() }
/// for await event in bell.events { … }
/// ```
/// Messages are hints: those sent while nobody was connected are gone. So `.reconnected` comes
/// each time listening has begun, the first time included, and after messages had to be dropped;
/// the reader then looks at the tables themselves.
public struct PostgresNotifications: Service {
    /// What happened.
    public enum Event: Sendable {
        /// A message arrived.
        case notification(PostgresNotification)
        /// Listening began, began again, or messages were dropped: poll now.
        case reconnected
        /// The connection broke or could not be made; another attempt follows.
        case disconnected(any Error)
    }

    /// The events, for one reader; ends when `run()` does.
    public let events: AsyncStream<Event>

    private let continuation: AsyncStream<Event>.Continuation
    private let options: PostgresOptions
    private let channels: [String]
    private let backoff: Backoff

    /// - Parameters:
    ///   - options: where to connect; the statement limits do not end the waiting.
    ///   - channels: the names to listen on, at least one.
    ///   - backoff: the waits between attempts to connect, default 100 ms to 5 seconds.
    ///   - limit: how many unread events are kept, the newest, at least 2; default 1024.
    public init(
        _ options: PostgresOptions, channels: [String],
        backoff: Backoff = Backoff(base: .milliseconds(100), cap: .seconds(5)),
        limit: Int = 1024
    ) {
        self.options = options
        self.channels = channels
        self.backoff = backoff
        (events, continuation) = AsyncStream.makeStream(
            bufferingPolicy: .bufferingNewest(max(2, limit)))
    }

    /// Listens until it is cancelled; may run once.
    public func run() async throws {
        defer { continuation.finish() }
        var random = Random()
        var failures = 0
        while !Task.isCancelled {
            do {
                let connection = try await PostgresConnection.connect(options)
                for channel in channels {
                    try await connection.query("LISTEN \(identifier: channel)")
                }
                failures = 0
                yield(.reconnected)
                while true {
                    for message in try await connection.notifications() {
                        yield(.notification(message))
                    }
                }
            } catch is CancellationError {
                return
            } catch {
                yield(.disconnected(error))
                failures += 1
                let pause = backoff.delay(afterAttempt: failures, using: &random)
                // Only cancellation ends the pause early, and the loop sees it.
                try? await Task.sleep(for: pause)
            }
        }
    }

    private func yield(_ event: Event) {
        guard case .dropped = continuation.yield(event) else { return }
        continuation.yield(.reconnected)
    }
}
