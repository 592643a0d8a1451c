import ObjectStore
import Platform
import Shared

/// The fleet's buckets as object stores.
struct BucketCatalog: Sendable {
    /// The threads that all directory buckets of this hub share.
    let files: BlockingPool

    /// A bucket's row.
    struct Row: Sendable {
        let id: BucketID
        let name: String
        let kind: String
        let settings: JSONValue
        let grantMode: GrantMode
    }

    /// The store behind a bucket.
    ///
    /// - Throws: `HubError` `.bucket` when its settings are not usable; `ObjectStoreError`
    ///   `bucketMissing` when a directory is not there: it is never made silently.
    func store(of row: Row) throws -> any ObjectStorage {
        guard row.kind == "directory", let path = row.settings["path"]?.text else {
            throw HubError(
                .bucket, "bucket \(row.name) is of the kind \(row.kind), which this hub cannot use",
                hint: "use a directory bucket")
        }
        return try DirectoryStore(root: path, pool: files)
    }

    /// Where people find a bucket.
    static func location(of row: Row) -> String {
        row.settings["path"]?.text ?? row.name
    }

    /// The bucket's part that belongs to one repository.
    func store(
        of row: Row, repositoryPrefix prefix: String
    ) throws -> any ObjectStorage {
        PrefixedStore(try store(of: row), prefix: try ObjectPrefix(prefix + "/"))
    }
}
