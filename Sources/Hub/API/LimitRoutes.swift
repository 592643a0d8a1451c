import HTTP
import Postgres
import Shared

/// `/v1/limits`: how much runs at once, changed while it does.
struct LimitRoutes: Sendable {
    let pool: PostgresPool
    let operations: OperationService

    var routes: [Route] {
        [
            Route("GET", "/v1/limits", .admin, list),
            Route("POST", "/v1/limits", .admin, change),
        ]
    }

    private func list(_ context: RequestContext) async throws -> HTTPResponse {
        let items = try await pool.withTransaction(retry: PostgresRetry()) { transaction in
            try await LimitStore(transaction).list()
        }
        return try .json(Page(schema: "limit.list/1", items: items, nextCursor: nil))
    }

    private func change(_ context: RequestContext) async throws -> HTTPResponse {
        let request = try await context.decode(LimitRequest.self, limitBytes: 8192)
        guard (request.reason ?? "").utf8.count <= 1000 else {
            throw Problem.invalidParameter("reason", "must have at most 1,000 bytes")
        }
        if let places = request.places, !(0...10_000).contains(places) {
            throw Problem.invalidParameter("places", "must be from 0 to 10,000")
        }
        let resource = try await resolve(request.resource)
        var author = context.author
        author.reason = request.reason
        guard
            let limit = try await operations.changeLimit(
                resource, places: request.places, by: author)
        else {
            return try .json(
                LimitDescription(
                    resource: resource, name: nil, places: nil, used: 0, isDefault: true,
                    changedAt: operations.identifiers.currentTime, changedBy: author.actor,
                    reason: request.reason))
        }
        return try .json(limit)
    }

    /// What a limit's name with the names of hosts and buckets refers to.
    private func resolve(_ text: String) async throws -> String {
        let words = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        switch (words.first, words.count) {
        case ("kind", 2):
            guard OperationKind(rawValue: words[1]) != nil else {
                throw Problem.invalidParameter("resource", "\(words[1]) is no kind of operation")
            }
            return text
        case ("bucket", 2):
            let bucket = try await pool.withTransaction(retry: PostgresRetry()) { transaction in
                try await RegistryReader(transaction).resolveBucket(words[1])
            }
            return "bucket:\(bucket.uuid)"
        case ("host", 2), ("host", 3):
            let work = words.count == 3 ? words[2] : nil
            guard work == nil || work == "backup" || work == "restore" else {
                throw Problem.invalidParameter(
                    "resource", "behind a host's name comes backup, restore or nothing")
            }
            let host = try await pool.withTransaction(retry: PostgresRetry()) { transaction in
                try await RegistryReader(transaction).resolveHost(words[1])
            }
            return "host:\(host.uuid)" + (work.map { ":\($0)" } ?? "")
        default:
            throw Problem.invalidParameter(
                "resource",
                "must be kind:KIND, host:NAME, host:NAME:backup, host:NAME:restore or bucket:NAME")
        }
    }
}
