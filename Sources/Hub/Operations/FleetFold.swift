import Platform
import Postgres

/// Keeps the fleet's numbers short: folds the differences that changes leave, once a second, in
/// every hub.
struct FleetFold: Service {
    let pool: PostgresPool
    let log: Logger

    private static let batch = 20_000

    func run() async throws {
        while !Task.isCancelled {
            var count = 0
            do {
                guard try await FleetChangesStore(pool: pool).isAny() else {
                    try await Task.sleep(for: .seconds(1))
                    continue
                }
                count = try await pool.withTransaction { transaction in
                    try await FleetNumberStore(transaction).fold(limit: Self.batch)
                }
            } catch let error as PostgresError {
                // The numbers stay right; what was not folded is added up when they are read.
                log.debug("the fleet's numbers are folded later", ["error": "\(error)"])
            }
            if count < Self.batch { try await Task.sleep(for: .seconds(1)) }
        }
    }
}
