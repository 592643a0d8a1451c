import HTTP
import ObjectStore
import Platform
import Postgres
import Shared

/// `/v1/buckets`: where backups are kept.
struct BucketRoutes: Sendable {
    let pool: PostgresPool
    let desk: BucketDesk

    /// How long a bucket may take to answer whether it works, when all are listed.
    private static let lookLimit = Duration.seconds(5)

    var routes: [Route] {
        [
            Route("GET", "/v1/buckets", .admin, list),
            Route("POST", "/v1/buckets", .admin, create),
            Route("GET", "/v1/buckets/:bucket", .admin, show),
            Route("PATCH", "/v1/buckets/:bucket", .admin, set),
            Route("DELETE", "/v1/buckets/:bucket", .admin, remove),
            Route("POST", "/v1/buckets/:bucket/test", .admin, test),
            Route("POST", "/v1/projects/:project/route", .admin, route),
        ]
    }

    private func list(_ context: RequestContext) async throws -> HTTPResponse {
        let listed = try await pool.withTransaction { transaction in
            try await BucketStore(transaction).buckets()
        }
        // Side by side: one that stalls takes no longer than all.
        let items = await withTaskGroup(of: (Int, BucketDescription).self) { group in
            for (index, bucket) in listed.enumerated() {
                group.addTask { (index, await describe(bucket)) }
            }
            var items: [(Int, BucketDescription)] = []
            for await item in group { items.append(item) }
            return items.sorted { $0.0 < $1.0 }.map(\.1)
        }
        return try .json(Page(schema: "bucket.list/1", items: items, nextCursor: nil))
    }

    private func create(_ context: RequestContext) async throws -> HTTPResponse {
        let request = try await context.decode(CreateBucketRequest.self)
        let id = try await desk.create(request, author: context.author)
        return try .json(try await description(id), status: 201, location: "/v1/buckets/\(id)")
    }

    private func show(_ context: RequestContext) async throws -> HTTPResponse {
        try .json(try await description(try await resolve(context)))
    }

    private func set(_ context: RequestContext) async throws -> HTTPResponse {
        let request = try await context.decode(SetBucketRequest.self)
        let id = try await resolve(context)
        try await desk.set(id, request, author: context.author)
        return try .json(try await description(id))
    }

    private func test(_ context: RequestContext) async throws -> HTTPResponse {
        let id = try await resolve(context)
        let test = try await desk.test(id, author: context.author)
        var bucket = try await description(id)
        // Also what was found of a bucket that does not work, which is not kept.
        bucket.test = test
        return try .json(bucket)
    }

    private func remove(_ context: RequestContext) async throws -> HTTPResponse {
        let id = try await resolve(context)
        let bucket = try await description(id)
        try await desk.remove(id, author: context.author)
        return try .json(bucket)
    }

    /// Says where a project's backups are to be kept, before its first one.
    private func route(_ context: RequestContext) async throws -> HTTPResponse {
        let request = try await context.decode(RouteProjectRequest.self)
        let reference = context.parameter("project")
        let author = context.author
        let project = try await pool.withTransaction { transaction in
            let id = try await RegistryReader(transaction).resolveProject(reference)
            try await ProjectRouting(transaction).route(id, request, author: author)
            return try await ProjectReader(transaction).project(id)
        }
        return try .json(project)
    }

    private func resolve(_ context: RequestContext) async throws -> BucketID {
        let reference = context.parameter("bucket")
        return try await pool.withTransaction { transaction in
            try await RegistryReader(transaction).resolveBucket(reference)
        }
    }

    private func description(_ id: BucketID) async throws -> BucketDescription {
        let listed = try await desk.require(id)
        var bucket = await describe(listed)
        bucket.parked = try await pool.withTransaction { transaction in
            var parked: [OperationDescription] = []
            for operation in try await BucketHealthStore(transaction).waiting(for: id) {
                if let found = try await OperationReader(transaction).operation(operation) {
                    parked.append(found)
                }
            }
            return parked
        }
        return bucket
    }

    private func describe(_ bucket: BucketStore.Listed) async -> BucketDescription {
        let row = bucket.row
        return BucketDescription(
            id: row.id, name: row.name, kind: row.kind, region: row.region,
            location: BucketCatalog.location(of: row), grantMode: row.grantMode,
            isDefault: row.isDefault, repositories: bucket.repositories,
            trouble: await trouble(of: bucket), settings: row.settings, test: row.test,
            condition: bucket.condition)
    }

    /// Why a bucket cannot be used now: what its users found, or what looking at it finds.
    private func trouble(of bucket: BucketStore.Listed) async -> String? {
        if let reason = bucket.condition.reason { return reason }
        let (catalog, row) = (desk.catalog, bucket.row)
        do {
            return try await withDeadline(Self.lookLimit, "looking at the bucket") {
                _ = try await catalog.store(of: row).list(ObjectPrefix("probe/"))
                return nil
            }
        } catch {
            return "\(error)"
        }
    }
}
