import Btrfs
import Glibc
import Platform
import Repository
import Shared
import Testing

@testable import HostAgent

/// A volume on a btrfs file system of its own, with a base and what is kept of it, on which
/// histories are played: after each step the root tree of an incremental backup is compared with
/// those of a whole backup and of a slow reference.
final class OracleVolume: Sendable {
    /// What went wrong, with all that is needed to see it again.
    struct Mismatch: Error, CustomStringConvertible {
        let description: String
    }

    /// How one backup went.
    struct Step: Sendable {
        var detection: BackupDetection
        /// Why the whole volume had to be read.
        var reason: FullScanReason?
    }

    let root: String
    let guards: DetectionGuards
    private let cache: BaseCache
    private let codec: BlobCodec
    private let polynomial: ChunkerPolynomial
    private let pool = BlockingPool(label: "berth.test.oracle", width: 4)
    private let directory: String
    private let held = Locked(KnownBlobs())
    private let steps = Locked(0)

    var live: String { root + "/live" }
    var base: String { root + "/base" }
    private var next: String { root + "/next" }
    var old: String { root + "/old" }

    private init(
        root: String, directory: String, cache: BaseCache, guards: DetectionGuards
    ) throws {
        self.root = root
        self.directory = directory
        self.cache = cache
        self.guards = guards
        codec = BlobCodec(key: try RepositoryKey.random())
        polynomial = try ChunkerPolynomial(hex: "3da3358b4dc173")
    }

    /// Makes a file system with an empty volume for the duration of `body`.
    static func with(
        sizeBytes: Int64 = 512 << 20, guards: DetectionGuards = .all,
        _ body: @Sendable (OracleVolume) async throws -> Void
    ) async throws {
        let directory = try TemporaryDirectory(prefix: "berth-oracle")
        let image = LoopImage(
            path: directory.path + "/image", sizeBytes: sizeBytes,
            mountPoint: directory.path + "/mount")
        do {
            // Only its path: what `mount` gives holds the file system open, and `offline` unmounts.
            let root = try await image.mount().mountPoint
            let cache = try await BaseCache.open(directory.path + "/base.cache")
            let volume = try OracleVolume(
                root: root, directory: directory.path, cache: cache,
                guards: guards)
            try DurableFile.write(
                Array(HistoryTools.python.utf8), to: directory.path + "/tool.py")
            _ = try Subvolume.create(at: volume.live)
            try await body(volume)
            await cache.close()
        } catch {
            try await image.unmount()
            throw error
        }
        try await image.unmount()
        try directory.remove()
    }

    /// Unmounts, lets `body` work on the image, and mounts again.
    func offline(_ body: (String) async throws -> Void) async throws {
        let image = LoopImage(path: directory + "/image", sizeBytes: 0, mountPoint: root)
        try await image.unmount()
        try await body(directory + "/image")
        _ = try await image.mount()
    }

    /// What a command writes, which must succeed.
    func text(_ script: String) async throws -> String {
        let result = try await ChildProcess.run(
            "/bin/sh", ["-ec", script], directory: live, deadline: .seconds(120))
        guard result.isSuccess else { throw Mismatch(description: result.errorText) }
        return String(result.text.prefix { $0 != "\n" })
    }

    /// Runs commands; those that fail do nothing.
    func shell(_ script: String, in path: String? = nil) async throws {
        _ = try await ChildProcess.run(
            "/bin/sh", ["-c", HistoryTools.shell + script],
            environment: [
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "BERTH_TOOL": directory + "/tool.py",
            ],
            directory: path ?? live, deadline: .seconds(120))
    }

    /// Something happens to the volume or the base as a whole.
    func happen(_ event: HistoryGenerator.Event) async throws {
        switch event {
        case .none: break
        case .rollback:
            guard try Subvolume.exists(at: old) else {
                _ = try Subvolume(at: live).snapshot(to: old)
                return
            }
            try Subvolume(at: live).delete(recursively: true)
            _ = try Subvolume(at: old).snapshot(to: live, isReadOnly: false)
            try Subvolume(at: old).delete()
        case .tamperedBase:
            try Subvolume(at: base).setReadOnly(false)
            try await shell("echo tampered > tampered; rm -f f1; sync", in: base)
            try Subvolume(at: base).setReadOnly(true)
        case .snapshotOfBase:
            try await shell("sync")
            let other = try Subvolume(at: base).snapshot(to: root + "/other")
            try other.delete()
        case .balance: try await shell("btrfs balance start --full-balance \(root)")
        case .readOnly:
            // As before a move that is undone; files that are open stay open.
            try Subvolume(at: live).setReadOnly(true)
            try await shell("echo refused > f1; sync")
            try Subvolume(at: live).setReadOnly(false)
        case .defragment: try await shell("btrfs filesystem defragment -r -f \(live)")
        case .full:
            try await shell(
                """
                dd if=/dev/zero of=filler bs=1M; echo more >> f1; echo new > overflow
                setfattr -n user.full -v full f2; mv f3 f3-moved; sync; rm -f filler; sync
                """)
        }
    }

    /// Reads the whole volume; it becomes the base.
    func fullBackup() async throws {
        try takeSnapshot()
        try await keep(try await whole().0)
    }

    /// Backs up incrementally and compares; then it is the base.
    @discardableResult
    func backup() async throws -> Step {
        try takeSnapshot()
        let (full, blobs, spool) = try await whole()
        let slow = try SlowReference.rootTree(of: next, polynomial: polynomial)
        guard slow.id == full.rootTree, slow.files == full.files, slow.bytes == full.bytes else {
            throw Mismatch(description: "the whole backup differs from the slow reference")
        }
        try await compareSearch(with: full)
        do {
            let (outcome, stored) = try await incremental()
            guard outcome.header.rootTree == full.rootTree.hex else {
                throw Mismatch(description: "another root tree: \(outcome.detection)")
            }
            guard outcome.header.files == full.files, outcome.header.bytes == full.bytes else {
                throw Mismatch(description: "other totals: \(outcome.header), \(full)")
            }
            guard outcome.nestedSubvolumes == full.nestedSubvolumes.sorted(by: Self.precedes)
            else { throw Mismatch(description: "other subvolumes inside") }
            // Only what the base reaches, or what was stored just now.
            let before = held.withLock { $0 }
            for id in blobs.data where !before.data.contains(id) && !stored.data.contains(id) {
                throw Mismatch(description: "chunk \(id) is nowhere")
            }
            for id in blobs.trees where !before.trees.contains(id) && !stored.trees.contains(id) {
                throw Mismatch(description: "tree \(id) is nowhere")
            }
            try await cache.apply(outcome.changes, header: outcome.header)
            try settle(blobs)
            try await verifyCache(spool)
            return Step(detection: outcome.detection)
        } catch let reason as FullScanReason {
            try await build(spool, root: full.rootTree)
            try settle(blobs)
            return Step(detection: BackupDetection(method: .full), reason: reason)
        }
    }

    private static func precedes(_ left: [UInt8], _ right: [UInt8]) -> Bool {
        left.lexicographicallyPrecedes(right)
    }

    private func incremental() async throws -> (IncrementalBackup.Outcome, KnownBlobs) {
        guard let header = try await cache.header() else {
            throw FullScanReason("no-cache", "there is none")
        }
        guard let volume = try Subvolume(at: live).info().uuid as BtrfsUUID? else {
            throw Mismatch(description: "a volume without identity")
        }
        let sink = CollectingSink(codec: codec)
        let outcome = try await IncrementalBackup(
            detection: ChangeDetection(
                base: base, now: next, volume: volume, pool: pool, guards: guards),
            state: BaseState(cache: cache, codec: codec), sink: sink,
            codec: codec, polynomial: polynomial, pool: pool, guards: guards
        ).run(from: header)
        return (outcome, sink.stored)
    }

    private func takeSnapshot() throws {
        _ = try Subvolume(at: live).snapshot(to: next)
    }

    private func whole() async throws -> (BackupSummary, KnownBlobs, TreeSpool) {
        let spool = try TreeSpool(directory: directory, codec: codec)
        let sink = RecordingSink(HashingSink(), spool: spool)
        let summary = try await Backup(path: next, sink: sink, polynomial: polynomial).run()
        guard summary.issueCount == 0 else {
            throw Mismatch(description: "\(summary.issues)")
        }
        return (summary, sink.blobs, spool)
    }

    /// A whole backup by tree search finds just what the one by the file system's calls found.
    private func compareSearch(with full: BackupSummary) async throws {
        guard let source = try SnapshotSource(next) else {
            throw Mismatch(description: "the snapshot cannot be searched")
        }
        let searched = try await Backup(
            source: source, sink: HashingSink(), polynomial: polynomial
        ).run()
        guard searched == full else {
            throw Mismatch(description: "by tree search: \(searched), by calls: \(full)")
        }
    }

    private func keep(_ summary: BackupSummary) async throws {
        let (_, blobs, spool) = try await whole()
        try await build(spool, root: summary.rootTree)
        try settle(blobs)
    }

    private func build(_ spool: TreeSpool, root: BlobID) async throws {
        try await build(cache, of: next, spool, root: root)
    }

    private func build(
        _ cache: BaseCache, of snapshot: String, _ spool: TreeSpool, root: BlobID
    ) async throws {
        try await BaseCacheBuilder(
            source: BaseCacheBuilder.Source(
                snapshot: snapshot, codec: codec, length: { spool.length(of: $0) },
                tree: { id in
                    guard let tree = try spool.tree(id) else {
                        throw Mismatch(description: "tree \(id) did not pass")
                    }
                    return tree
                }), cache: cache, pool: pool
        ).build(
            BaseHeader(
                backup: .make(), rootTree: root.hex,
                snapshot: try Subvolume(at: snapshot).info().uuid.description, transid: 0, files: 0,
                bytes: 0))
    }

    /// What is kept after many steps is what would be kept anew.
    private func verifyCache(_ spool: TreeSpool) async throws {
        let step = steps.withLock { steps -> Int in
            steps += 1
            return steps
        }
        guard step % 8 == 0, let header = try await cache.header(),
            let root = BlobID(hex: header.rootTree)
        else { return }
        let path = directory + "/fresh.cache"
        let fresh = try await BaseCache.open(path)
        try await build(fresh, of: base, spool, root: root)
        let (kept, anew) = (
            try await cache.directories(after: 0, limit: 100_000),
            try await fresh.directories(after: 0, limit: 100_000)
        )
        let links = (try await cache.links(), try await fresh.links())
        await fresh.close()
        try BaseCache.remove(path)
        guard kept.map(\.inode) == anew.map(\.inode), kept.map(\.tree.id) == anew.map(\.tree.id),
            kept.map(\.generation) == anew.map(\.generation),
            kept.map(\.holdsSubvolume) == anew.map(\.holdsSubvolume), links.0 == links.1
        else {
            throw Mismatch(description: "what is kept of the base is not what is there")
        }
    }

    private func settle(_ blobs: KnownBlobs) throws {
        held.withLock { $0 = blobs }
        if try Subvolume.exists(at: base) { try Subvolume(at: base).delete() }
        guard unsafe rename(next, base) == 0 else {
            throw PlatformError(code: .systemCall, message: "rename", errno: errno)
        }
    }
}

/// Seals and notes what it is given.
private struct CollectingSink: BlobSink {
    let codec: BlobCodec
    private let taken = Locked(KnownBlobs())

    init(codec: BlobCodec) { self.codec = codec }

    var stored: KnownBlobs { taken.withLock { $0 } }

    func prepare(_ plaintext: [UInt8], kind: BlobKind) throws -> PreparedBlob {
        try codec.encode(plaintext, id: codec.id(of: plaintext), kind: kind)
    }

    func add(_ blob: PreparedBlob) async throws {
        guard blob.sealed != nil else { return }
        taken.withLock { taken -> Void in taken.insert(blob.id, blob.kind) }
    }
}
