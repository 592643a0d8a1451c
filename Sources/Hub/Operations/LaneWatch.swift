import Platform
import Postgres
import Shared

/// Looks for ready work in all lanes that somebody waits for in this hub, with one statement for all
/// of them, and rings their bells: thousands of idle agents cost a few queries a second.
///
/// It looks at once when another hub gives a hint, and every so often without one: whoever makes work
/// ready in this hub rings the lane itself.
struct LaneWatch: Service {
    let pool: PostgresPool
    let bell: OperationBell
    /// How often is looked without a hint.
    let pause: Duration
    /// How long is waited between two looks, however many hints there are.
    var gap: Duration = .milliseconds(50)
    let log: Logger

    func run() async throws {
        bell.isWatched = true
        defer { bell.isWatched = false }
        while !Task.isCancelled {
            try await bell.hinted(atMost: pause)
            try await look()
            try await Task.sleep(for: gap)
        }
    }

    private func look() async throws {
        let lanes = bell.awaitedLanes
        guard !lanes.isEmpty else { return }
        do {
            for lane in try await LaneStore(pool: pool).ready(among: lanes) { bell.wake(lane) }
        } catch let error as PostgresError {
            log.debug("lanes cannot be looked at", ["error": LogValue(describing: error)])
        }
    }
}
