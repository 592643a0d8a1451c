import Btrfs
import Platform

/// The base and the new snapshot, open for looking inodes up, on threads of a pool.
struct SnapshotPair: Sendable {
    let base: String
    let now: String
    private let pool: BlockingPool
    private let readers: Locked<Readers>

    /// What is open; one caller at a time.
    struct Readers {
        let base: SnapshotReader
        let now: SnapshotReader
    }

    /// Opens both; blocks.
    init(base: String, now: String, pool: BlockingPool, guards: DetectionGuards) throws {
        self.base = base
        self.now = now
        self.pool = pool
        readers = Locked(
            Readers(
                base: try SnapshotReader(path: base, guards: guards),
                now: try SnapshotReader(path: now, guards: guards)))
    }

    /// Looks something up.
    func look<Answer: Sendable>(
        _ body: @escaping @Sendable (Readers) throws -> Answer
    ) async throws -> Answer {
        try await pool.run { [readers] in try readers.withLock { try body($0) } }
    }

    /// The directories that were below a directory of the base, itself included, and are no more;
    /// with their generations.
    func removed(below directory: UInt64) async throws -> [(inode: UInt64, generation: UInt64)] {
        try await look { readers in
            var gone: [(inode: UInt64, generation: UInt64)] = []
            var waiting = [directory]
            while let number = waiting.popLast() {
                guard let before = try readers.base.inode(number) else { continue }
                if let after = try readers.now.inode(number), after.isDirectory,
                    after.generation == before.generation, !after.names.isEmpty
                {
                    continue
                }
                gone.append((number, before.generation))
                for entry in try readers.base.entries(of: number) where entry.isDirectory {
                    if case .inode(let below) = entry.location { waiting.append(below) }
                }
            }
            return gone
        }
    }
}
