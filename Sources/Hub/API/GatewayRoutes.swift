import HTTP
import ObjectStore
import Platform
import Postgres
import Shared

/// What an operation's worker reaches of repositories: objects through the hub, and the commit
/// (D10, D13).
///
/// Every call carries the epoch of its lease and is refused without it (D7).
struct GatewayRoutes: Sendable {
    let pool: PostgresPool
    let operations: OperationService
    let vault: RepositoryVault
    let locks: RepositoryLocks
    let backups: BackupCounts

    /// So much of a pack is gathered before somebody is waked for it.
    private static let gatheredBytes = 128 << 10
    /// The largest pack that a host may store: restic's own bound.
    private static let packLimitBytes: Int64 = 160 << 20
    /// From here on the memory that a backup's way through the hub took is given back at its end.
    private static let largeBackupBytes: Int64 = 64 << 20

    var routes: [Route] {
        [
            Route("GET", "/v1/agent/operations/:operation/objects", .host, list),
            Route("PUT", "/v1/agent/operations/:operation/objects/*", .host, put),
            Route("GET", "/v1/agent/operations/:operation/objects/*", .host, get),
            Route("HEAD", "/v1/agent/operations/:operation/objects/*", .host, head),
            Route("POST", "/v1/agent/operations/:operation/commit", .host, commit),
        ]
    }

    private func list(_ context: RequestContext) async throws -> HTTPResponse {
        let prefix = try ObjectPrefix(context.request.queryValue("prefix") ?? "")
        guard ObjectAccess.mayList(prefix) else { throw Problem.forbidden }
        let (_, store) = try await store(context)
        let objects = try await store.list(prefix).map { entry in
            GrantedObject(name: entry.name.text, bytes: entry.bytes)
        }
        return try .json(GrantedObjectList(objects: objects))
    }

    private func put(_ context: RequestContext) async throws -> HTTPResponse {
        let name = try ObjectName(context.parameter("*"))
        let (operation, store) = try await store(context)
        guard let hash = ObjectAccess.packHash(name, kind: operation.kind) else {
            throw Problem.forbidden
        }
        guard let bytes = context.body.announcedBytes else {
            throw Problem(
                status: 411, code: "length-required", title: "The length is needed",
                detail: "a pack is sent with Content-Length")
        }
        guard bytes > 0, bytes <= Self.packLimitBytes else {
            throw Problem(
                status: 413, code: "too-large", title: "The pack is too large",
                detail: "a pack has 1 to \(Self.packLimitBytes) bytes, not \(bytes)")
        }
        let body = context.body.limited(toBytes: Self.packLimitBytes)
        let isNew = try await store.put(
            name,
            .stream(
                bytes: bytes, sha256: hash,
                next: { try await body.next(waitingFor: Self.gatheredBytes) }))
        return HTTPResponse(status: isNew ? 201 : 200)
    }

    private func head(_ context: RequestContext) async throws -> HTTPResponse {
        let name = try readable(context)
        let (_, store) = try await store(context)
        let bytes = try await store.size(of: name)
        return HTTPResponse(
            status: 200, headers: ["Content-Type": "application/octet-stream"],
            body: .stream(length: bytes) { _ in })
    }

    private func get(_ context: RequestContext) async throws -> HTTPResponse {
        let name = try readable(context)
        let (_, store) = try await store(context)
        let bytes = try await store.size(of: name)
        var headers: HTTPHeaders = ["Content-Type": "application/octet-stream"]
        guard let header = context.request.headers["Range"] else {
            return HTTPResponse(
                status: 200, headers: headers,
                body: .stream(length: bytes) { writer in
                    try await store.stream(name, range: nil) { try await writer.write($0) }
                })
        }
        let range = try Self.range(header, of: bytes)
        headers.append(
            "Content-Range", "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(bytes)")
        return HTTPResponse(
            status: 206, headers: headers,
            body: .stream(length: Int64(range.count)) { writer in
                try await store.stream(name, range: range) { try await writer.write($0) }
            })
    }

    private func commit(_ context: RequestContext) async throws -> HTTPResponse {
        let request = try await context.decode(CommitRequest.self, limitBytes: 256 << 20)
        guard let id = OperationID(context.parameter("operation")) else {
            throw Problem.notFound("no such operation")
        }
        let commit = BackupCommit(
            pool: pool, operations: operations, vault: vault, locks: locks, operation: id,
            host: try context.host(), author: context.author)
        let answer = try await commit.run(request)
        backups.count(request.detection)
        if request.storedBytes > Self.largeBackupBytes { HeapMemory.giveBack() }
        return try .json(answer)
    }

    private func readable(_ context: RequestContext) throws -> ObjectName {
        let name = try ObjectName(context.parameter("*"))
        guard ObjectAccess.mayRead(name) else { throw Problem.forbidden }
        return name
    }

    /// The operation under its lease, and the store of the repository that it works on.
    private func store(
        _ context: RequestContext
    ) async throws -> (FencedOperation, any ObjectStorage) {
        guard let text = context.request.headers["Berth-Epoch"], let epoch = Int64(text) else {
            throw Problem.invalidParameter("Berth-Epoch", "must be the lease's epoch")
        }
        let operation = try await context.fenced(epoch: epoch, by: operations)
        guard let project = try ObjectAccess.project(of: operation) else {
            throw Problem.forbidden
        }
        return (operation, try await vault.store(of: try await vault.require(project)))
    }

    /// One range of the form `bytes=a-b` or `bytes=a-` (RFC 9110 section 14.1.2).
    private static func range(_ header: String, of bytes: Int64) throws -> Range<Int64> {
        let failure = Problem(
            status: 416, code: "out-of-range", title: "The range cannot be served",
            detail: "\(header.prefix(80)) of \(bytes) bytes")
        guard header.hasPrefix("bytes=") else { throw failure }
        let ends = header.dropFirst(6).split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = Int64(ends[0]) else { throw failure }
        let last = ends[1].isEmpty ? bytes - 1 : Int64(ends[1]) ?? -1
        guard first >= 0, first <= last, first < bytes else { throw failure }
        return first..<min(last + 1, bytes)
    }
}
