import HTTP
import Postgres
import Shared

/// `/v1/status`.
struct FleetRoutes: Sendable {
    let pool: PostgresPool
    let operations: OperationService
    let identifiers: Identifiers
    /// What an operator should know of this hub.
    let warnings: [String]

    var routes: [Route] {
        [Route("GET", "/v1/status", .admin, status)]
    }

    private func status(_ context: RequestContext) async throws -> HTTPResponse {
        let running = try await operations.list(
            OperationFilter(state: .running), before: nil, limit: 20)
        let counts = try await operations.counts()
        let drains = try await operations.groups(limit: 20)
        let status = try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            FleetStatus(
                version: SystemRoutes.version, asOf: identifiers.currentTime,
                hosts: try await HostReader(transaction).hosts(after: "", limit: 1000),
                projects: try await ProjectReader(transaction).counts(),
                worst: try await ProjectReader(transaction).worst(),
                runningOperations: running, operations: counts,
                pendingCopies: try await CopyReader(transaction).pendingCount(),
                warnings: warnings, hostCounts: try await HostReader(transaction).counts(),
                drains: drains)
        }
        return try .json(status)
    }
}
