import FoundationEssentials
import HTTP
import Postgres
import Repository
import Shared

/// A project's backups: lists, what is in them, and the key for stock restic.
struct BackupRoutes: Sendable {
    let pool: PostgresPool
    let vault: RepositoryVault

    var routes: [Route] {
        [
            Route("GET", "/v1/projects/:project/backups", .admin, list),
            Route("GET", "/v1/projects/:project/backups/:backup/entries", .admin, entries),
            Route("POST", "/v1/projects/:project/repository-key", .admin, exportKey),
        ]
    }

    private func list(_ context: RequestContext) async throws -> HTTPResponse {
        let limit = try context.limit()
        let before = try context.cursor(BackupIdentity.self)
        let reference = context.parameter("project")
        let backups = try await pool.withTransaction { transaction in
            let project = try await RegistryReader(transaction).resolveProject(reference)
            return try await BackupReader(transaction).backups(
                of: project, before: before, limit: limit)
        }
        return try .json(
            Page(
                schema: "backup.list/1", items: backups,
                nextCursor: backups.count == limit ? backups.last.map { "\($0.id)" } : nil))
    }

    private func entries(_ context: RequestContext) async throws -> HTTPResponse {
        let path = try path(context)
        let project = context.parameter("project")
        let reference = context.parameter("backup")
        let backup = try await pool.withTransaction { transaction in
            let id = try await RegistryReader(transaction).resolveProject(project)
            return try await BackupReader(transaction).reference(reference, of: id)
        }
        let nodes = try await vault.list(path, in: backup)
        return try .json(
            Page(schema: "entry.list/1", items: nodes.map(Self.entry), nextCursor: nil))
    }

    private func exportKey(_ context: RequestContext) async throws -> HTTPResponse {
        let reference = context.parameter("project")
        let project = try await pool.withTransaction { transaction in
            try await RegistryReader(transaction).resolveProject(reference)
        }
        return try .json(try await vault.exportKey(of: project))
    }

    /// The directory to list: `path`, or `path64` (base64) for names that are not UTF-8; the root
    /// where both are absent.
    private func path(_ context: RequestContext) throws -> ProjectPath {
        if let text = context.request.queryValue("path64") {
            guard let data = Data(base64Encoded: text) else {
                throw Problem.invalidParameter("path64", "must be base64")
            }
            return try ProjectPath(bytes: [UInt8](data))
        }
        return try ProjectPath(context.request.queryValue("path") ?? "")
    }

    private static func entry(_ node: Node) -> BackupEntry {
        BackupEntry(
            name: Data(node.name), text: String(decoding: node.name, as: UTF8.self),
            type: node.kind.rawValue, bytes: Int64(clamping: node.sizeBytes),
            mode: node.mode.permissions, uid: node.uid, gid: node.gid,
            modifiedAt: Timestamp(
                milliseconds: node.modified.seconds * 1000
                    + Int64(node.modified.nanoseconds) / 1_000_000),
            linkTarget: node.kind == .symlink
                ? String(decoding: node.linkTarget, as: UTF8.self) : nil)
    }
}
