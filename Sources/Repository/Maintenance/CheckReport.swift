public import ObjectStore

/// What a check of a whole repository found.
public struct CheckReport: Sendable {
    /// So many failures are kept; `failureCount` counts all.
    public static let failureLimit = 1_000

    /// What is wrong, each naming its object; empty: the repository is sound.
    public private(set) var failures: [RepositoryError] = []
    /// How many things are wrong.
    public private(set) var failureCount = 0
    /// Packs that no index file lists: leftovers of an interrupted backup, harmless.
    public internal(set) var orphans: [ObjectName] = []
    /// Packs in the index.
    public internal(set) var packs = 0
    /// Bytes of the packs in the index.
    public internal(set) var bytes: Int64 = 0
    /// Different blobs in the index.
    public internal(set) var blobs = 0
    /// Snapshot files.
    public internal(set) var snapshots = 0
    /// Packs that were read wholly and found sound, each with every blob verified.
    public internal(set) var packsRead: [BlobID] = []
    /// Packs that are there and damaged, those of a wrong length among them; each is also among the failures.
    public internal(set) var damagedPacks: [BlobID] = []
    /// Bytes of the packs that were read and are sound.
    public internal(set) var bytesRead: Int64 = 0
    /// Packs that are still to be read.
    public internal(set) var packsLeft = 0
    /// Whether nothing is wrong.
    public var isSound: Bool { failureCount == 0 }

    mutating func add(_ failure: RepositoryError) {
        failureCount += 1
        if failures.count < Self.failureLimit { failures.append(failure) }
    }
}

/// How much of the packs a check reads; the structure is always checked.
public enum CheckReading: Sendable {
    /// None: presence and length of every pack, all trees, all references.
    case structure
    /// Every pack.
    case all
    /// Packs chosen at random, at least one, up to this share of all bytes in thousandths.
    case sample(permille: Int)
    /// Packs up to so many bytes, at least one: those never read before, then those whose reading
    /// is longest ago; what was read since `due` is not read again.
    ///
    /// Times are milliseconds since 1970. So a full check is done in pieces, and goes on where it was.
    case oldest(limitBytes: Int64, due: Int64, lastRead: [BlobID: Int64])

    /// Chooses from the packs.
    ///
    /// - Returns: what to read now, in order, and how many more are due.
    func choose(
        from packs: [RepositoryIndex.Pack], using random: inout some RandomNumberGenerator
    ) -> (packs: [RepositoryIndex.Pack], left: Int) {
        switch self {
        case .structure: return ([], 0)
        case .all: return (packs, 0)
        case .sample(let permille):
            let all = packs.reduce(0) { $0 + $1.bytes }
            let limit = all / 1000 * Int64(min(max(permille, 0), 1000))
            return (Self.prefix(packs.shuffled(using: &random), limitBytes: limit), 0)
        case .oldest(let limitBytes, let due, let lastRead):
            let waiting = packs.filter { lastRead[$0.id] ?? .min < due }.sorted { left, right in
                (lastRead[left.id] ?? .min, left.id) < (lastRead[right.id] ?? .min, right.id)
            }
            let chosen = Self.prefix(waiting, limitBytes: limitBytes)
            return (chosen, waiting.count - chosen.count)
        }
    }

    private static func prefix(
        _ packs: [RepositoryIndex.Pack], limitBytes: Int64
    ) -> [RepositoryIndex.Pack] {
        var bytes: Int64 = 0
        return Array(
            packs.prefix { pack in
                defer { bytes += pack.bytes }
                return bytes == 0 || bytes + pack.bytes <= limitBytes
            })
    }
}
