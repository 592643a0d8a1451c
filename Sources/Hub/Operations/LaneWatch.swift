import Platform
import Postgres
import Shared

/// Looks for ready work in all lanes that somebody waits for in this hub, with one statement for all
/// of them, and rings their bells: thousands of idle agents cost a few queries a second.
///
/// Only a safety net: whoever makes work ready rings at once.
struct LaneWatch: Service {
    let pool: PostgresPool
    let bell: OperationBell
    /// How often is looked.
    let pause: Duration
    let log: Logger

    func run() async throws {
        bell.isWatched = true
        defer { bell.isWatched = false }
        while !Task.isCancelled {
            try await Task.sleep(for: pause)
            let lanes = bell.awaitedLanes
            guard !lanes.isEmpty else { continue }
            do {
                for lane in try await LaneStore(pool: pool).ready(among: lanes) { bell.wake(lane) }
            } catch let error as PostgresError {
                log.debug("lanes cannot be looked at", ["error": LogValue(describing: error)])
            }
        }
    }
}
