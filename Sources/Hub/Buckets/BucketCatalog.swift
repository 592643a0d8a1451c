import ObjectStore
import Platform
import Shared

/// The fleet's buckets as object stores.
struct BucketCatalog: Sendable {
    /// The threads that all directory buckets of this hub share.
    let files: BlockingPool
    let credentials: CredentialReader
    let opened: OpenedBuckets

    /// A bucket's row.
    struct Row: Sendable {
        let id: BucketID
        let name: String
        let kind: String
        /// The fleet's region.
        let region: String
        var settings: BucketSettings
        var grantMode: GrantMode
        var isDefault: Bool
        var test: BucketTest?
    }

    /// The store behind a bucket.
    ///
    /// - Throws: `HubError` `.bucket` when its settings are not usable; `ObjectStoreError`
    ///   `bucketMissing` when a directory is not there: it is never made silently,
    ///   `credentialsRefused` when its credentials are not where the settings say.
    func store(of row: Row) async throws -> any ObjectStorage {
        switch row.kind {
        case "directory":
            guard let path = row.settings.path else { throw Self.unusable(row) }
            return try await files.run { [files] in try DirectoryStore(root: path, pool: files) }
        case "s3":
            return try await s3(row)
        default:
            throw Self.unusable(row)
        }
    }

    /// The client of an S3 bucket; the same one as long as settings and credentials stay.
    func s3(_ row: Row) async throws -> S3Store {
        guard row.kind == "s3" else { throw Self.unusable(row) }
        return try await opened.store(of: row, credentials: try await credentials.read(of: row))
    }

    /// A client for trying a configuration out: what comes of it is nobody else's.
    func trial(_ row: Row) async throws -> S3Store {
        try await opened.trial(row, credentials: try await credentials.read(of: row))
    }

    /// Where people and stock restic find a bucket.
    static func location(of row: Row) -> String {
        let settings = row.settings
        guard let endpoint = settings.endpoint, let bucket = settings.bucket else {
            return settings.path ?? row.name
        }
        return "s3:" + [endpoint, bucket, settings.prefix].compactMap { $0 }.joined(separator: "/")
    }

    /// The bucket's part that belongs to one repository.
    func store(
        of row: Row, repositoryPrefix prefix: String
    ) async throws -> any ObjectStorage {
        ReadBackStore(
            PrefixedStore(try await store(of: row), prefix: try ObjectPrefix(prefix + "/")))
    }

    private static func unusable(_ row: Row) -> HubError {
        HubError(
            .bucket, "bucket \(row.name) is of the kind \(row.kind), which this hub cannot use",
            hint: "see berth bucket show \(row.name)")
    }
}
