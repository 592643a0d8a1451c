import ObjectStore
import Platform
import Repository
import Shared

/// Which blobs a project's base holds, in a file of the data directory; losing it costs reading the
/// base's trees.
///
/// The file: a line with the form and the backup's identity, the numbers of trees and data blobs as
/// eight bytes each, the identities of 32 bytes each, and the SHA-256 of all that.
struct BlobCache: Sendable {
    private static let form = "berth-blobs-1 "
    /// Enough for 32 million blobs.
    private static let limitBytes = 1 << 30

    let directory: DataDirectory
    let pool: BlockingPool
    let logger: Logger

    /// What a backup holds, when the file is there, whole, and of this backup.
    func read(_ project: ProjectID, _ backup: BackupID) async -> KnownBlobs? {
        let path = path(project)
        // A cache that cannot be read is not there.
        return try? await pool.run {
            Self.decode(try DurableFile.read(path, limitBytes: Self.limitBytes), backup)
        }
    }

    /// Stores what a backup holds, in place of what was there.
    func write(_ known: KnownBlobs, _ project: ProjectID, _ backup: BackupID) async {
        let path = path(project)
        do {
            try await pool.run { try DurableFile.write(Self.encode(known, backup), to: path) }
        } catch {
            logger.warning(
                "The cache of a base could not be written.", ["error": .init(describing: error)])
        }
    }

    private func path(_ project: ProjectID) -> String { "\(directory.caches)/\(project).blobs" }

    static func encode(_ known: KnownBlobs, _ backup: BackupID) -> [UInt8] {
        var bytes = Array("\(form)\(backup)\n".utf8)
        bytes.reserveCapacity(bytes.count + 48 + (known.trees.count + known.data.count) * 32)
        for count in [known.trees.count, known.data.count] {
            bytes += (0..<8).map { UInt8(truncatingIfNeeded: UInt64(count) >> (56 - 8 * $0)) }
        }
        for id in known.trees { bytes += id.bytes }
        for id in known.data { bytes += id.bytes }
        return bytes + Digest.sha256(bytes)
    }

    static func decode(_ bytes: [UInt8], _ backup: BackupID) -> KnownBlobs? {
        let head = Array("\(form)\(backup)\n".utf8)
        guard bytes.starts(with: head), bytes.count >= head.count + 16 + Digest.count,
            Digest.sha256(Array(bytes.dropLast(Digest.count)))
                == Array(bytes.suffix(Digest.count))
        else { return nil }
        func number(at offset: Int) -> Int {
            Int(bytes[offset..<offset + 8].reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
        }
        let trees = number(at: head.count)
        let data = number(at: head.count + 8)
        let start = head.count + 16
        guard bytes.count == start + (trees + data) * 32 + Digest.count else { return nil }
        var known = KnownBlobs()
        for index in 0..<(trees + data) {
            let offset = start + index * 32
            guard let id = BlobID(bytes: bytes[offset..<offset + 32]) else { return nil }
            known.insert(id, index < trees ? .tree : .data)
        }
        return known
    }
}
