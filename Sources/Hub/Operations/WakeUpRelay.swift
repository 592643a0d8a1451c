import Platform
import Postgres

/// Carries the bell to other hubs and back: one message without content on the leading edge, at
/// most one every 10 ms (OPERATIONS.md 2.5).
///
/// Losing one costs a poll's time.
struct WakeUpRelay: Service {
    private static let channel = "berth_operations"

    let pool: PostgresPool
    let bell: OperationBell
    let database: PostgresOptions
    let log: Logger

    func run() async throws {
        let messages = PostgresNotifications(database, channels: [Self.channel])
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await messages.run() }
            group.addTask {
                for await _ in messages.events { bell.hint() }
            }
            group.addTask { try await send() }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func send() async throws {
        while true {
            await bell.wanted()
            try Task.checkCancellation()
            do {
                try await pool.query("SELECT pg_notify(\(Self.channel)::text, '')")
            } catch is CancellationError {
                return
            } catch {
                log.debug(
                    "the other hubs could not be told", ["error": LogValue(describing: error)])
            }
            try await Task.sleep(for: .milliseconds(10))
        }
    }
}
