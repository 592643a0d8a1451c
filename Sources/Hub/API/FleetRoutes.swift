import HTTP
import ObjectStore
import Postgres
import Shared

/// `/v1/status` and `/v1/buckets`.
struct FleetRoutes: Sendable {
    let pool: PostgresPool
    let operations: OperationService
    let identifiers: Identifiers
    let catalog: BucketCatalog
    /// What an operator should know of this hub.
    let warnings: [String]

    var routes: [Route] {
        [
            Route("GET", "/v1/status", .admin, status),
            Route("GET", "/v1/buckets", .admin, buckets),
        ]
    }

    private func status(_ context: RequestContext) async throws -> HTTPResponse {
        let running = try await operations.list(
            OperationFilter(state: .running), before: nil, limit: 20)
        let counts = try await operations.counts()
        let status = try await pool.withTransaction { transaction in
            FleetStatus(
                version: SystemRoutes.version, asOf: identifiers.currentTime,
                hosts: try await HostReader(transaction).hosts(after: "", limit: 1000),
                projects: try await ProjectReader(transaction).counts(),
                worst: try await ProjectReader(transaction).worst(),
                runningOperations: running, operations: counts,
                pendingCopies: try await CopyReader(transaction).pendingCount(),
                warnings: warnings)
        }
        return try .json(status)
    }

    private func buckets(_ context: RequestContext) async throws -> HTTPResponse {
        let rows = try await pool.withTransaction { transaction in
            try await BucketStore(transaction).buckets()
        }
        var items: [BucketDescription] = []
        for bucket in rows {
            items.append(
                BucketDescription(
                    id: bucket.row.id, name: bucket.row.name, kind: bucket.row.kind,
                    region: bucket.region, location: BucketCatalog.location(of: bucket.row),
                    grantMode: bucket.row.grantMode, isDefault: bucket.isDefault,
                    repositories: bucket.repositories, trouble: await trouble(of: bucket.row)))
        }
        return try .json(Page(schema: "bucket.list/1", items: items, nextCursor: nil))
    }

    /// Why a bucket cannot be used now, found by using it.
    private func trouble(of row: BucketCatalog.Row) async -> String? {
        do {
            _ = try await catalog.store(of: row).list(ObjectPrefix("probe/"))
            return nil
        } catch {
            return "\(error)"
        }
    }
}
