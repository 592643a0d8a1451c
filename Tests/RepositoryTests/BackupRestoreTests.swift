import Glibc
import Platform
import Testing

@testable import Repository

/// Backup and restore against each other and against an independent listing.
@Suite(.timeLimit(.minutes(5)))
struct BackupRestoreTests {
    private static var polynomial: ChunkerPolynomial {
        get throws { try ChunkerPolynomial(hex: "3da3358b4dc173") }
    }

    private static func backUp(_ path: String, to blobs: MemoryBlobs) async throws -> BackupSummary
    {
        try await Backup(path: path, sink: blobs, polynomial: polynomial).run()
    }

    private static func rootTree(of path: String) async throws -> BlobID {
        let summary = try await Backup(path: path, sink: HashingSink(), polynomial: polynomial)
            .run()
        #expect(summary.issues.isEmpty)
        return summary.rootTree
    }

    private static func restore(
        _ root: BlobID, from blobs: MemoryBlobs, to path: String,
        selection: RestoreSelection = .volume, policy: RestorePolicy = .faithful
    ) async throws -> RestoreSummary {
        try makeDirectory(path)
        let target = try Descriptor(opening: path, flags: O_RDONLY | O_DIRECTORY)
        return try await Restore(source: blobs, target: target, policy: policy)
            .run(selection, of: root)
    }

    @Test("A restored volume is what was backed up, and its root tree id is recomputed from it")
    func roundTrip() async throws {
        let place = try TemporaryDirectory()
        let tree = try await AwkwardTree(at: place.path + "/volume")
        let blobs = MemoryBlobs()
        let summary = try await Self.backUp(tree.path, to: blobs)
        #expect(summary.issues.isEmpty)
        #expect(summary.isComplete)
        let restored = place.path + "/restored"
        let written = try await Self.restore(summary.rootTree, from: blobs, to: restored)
        #expect(written.files == summary.files)
        #expect(written.directories == summary.directories)
        #expect(written.others == summary.others)
        #expect(written.bytes == summary.bytes)
        let before = try await TreeListing(of: tree.path)
        let after = try await TreeListing(of: restored)
        #expect(before.difference(to: after) == [])
        #expect(before.lines.count > 70)
        #expect(try await Self.rootTree(of: restored) == summary.rootTree)
    }

    @Test("The same visible state has the same root tree id elsewhere, a different one another")
    func receipt() async throws {
        let place = try TemporaryDirectory()
        let tree = try await AwkwardTree(at: place.path + "/one", isDeep: false)
        let copied = try await ChildProcess.run(
            "cp", ["-a", tree.path, place.path + "/two"], deadline: .seconds(60))
        #expect(copied.isSuccess, "\(copied.errorText)")
        let one = try await Self.rootTree(of: tree.path)
        let two = try await Self.rootTree(of: place.path + "/two")
        #expect(one == two)
        try systemCall("chmod") { unsafe chmod(place.path + "/two/a/b/c/text", 0o600) }
        #expect(try await Self.rootTree(of: place.path + "/two") != one)
    }

    @Test("Holes stay holes and cost no space after a restore")
    func sparse() async throws {
        let place = try TemporaryDirectory()
        let tree = try await AwkwardTree(at: place.path + "/volume", isDeep: false)
        let blobs = MemoryBlobs()
        let summary = try await Self.backUp(tree.path, to: blobs)
        _ = try await Self.restore(summary.rootTree, from: blobs, to: place.path + "/restored")
        for name in ["sparse", "hole", "zeros"] {
            var status = stat()
            #expect(unsafe lstat(place.path + "/restored/big/" + name, &status) == 0)
            #expect(Int(status.st_blocks) * 512 <= 64 << 10, "\(name)")
        }
    }

    @Test("One file or directory is restored under a new name")
    func selection() async throws {
        let place = try TemporaryDirectory()
        let tree = try await AwkwardTree(at: place.path + "/volume", isDeep: false)
        let blobs = MemoryBlobs()
        let root = try await Self.backUp(tree.path, to: blobs).rootTree
        let target = place.path + "/target"
        _ = try await Self.restore(
            root, from: blobs, to: target,
            selection: .path(Array("a/b".utf8), name: Array("copy of b".utf8)))
        _ = try await Self.restore(
            root, from: blobs, to: target,
            selection: .path(Array("big/medium".utf8), name: Array("file".utf8)))
        let copy = try await TreeListing(of: target + "/copy of b")
        let original = try await TreeListing(of: tree.path + "/a/b")
        #expect(copy.lines.count == original.lines.count)
        #expect(copy.lines.first == original.lines.first)
        let same = try await ChildProcess.run(
            "cmp", [target + "/file", tree.path + "/big/medium"])
        #expect(same.isSuccess)
        await #expect(throws: RepositoryError.self, "an existing name is not overwritten") {
            try await Self.restore(
                root, from: blobs, to: target,
                selection: .path(Array("a".utf8), name: Array("file".utf8)))
        }
    }

    @Test("A path that is not in the backup, absolute or with dots is refused")
    func paths() async throws {
        let place = try TemporaryDirectory()
        try makeDirectory(place.path + "/volume")
        try makeDirectory(place.path + "/volume/a")
        try makeDirectory(place.path + "/volume/a/b")
        let blobs = MemoryBlobs()
        let root = try await Self.backUp(place.path + "/volume", to: blobs).rootTree
        let walker = TreeWalker(rootTree: root, source: blobs)
        for path in ["missing", "/a", "a/../a", "./a", "a//b", "a/", "..", "a/b/c", "/"] {
            let error = await #expect(throws: RepositoryError.self, "\(path)") {
                try await walker.node(at: Array(path.utf8))
            }
            #expect(error?.code == .invalidInput)
        }
        #expect(try await walker.list([]).map(\.displayName) == ["a"])
        #expect(try await walker.list(Array("a".utf8)).map(\.displayName) == ["b"])
    }

    @Test("A foreign restore re-owns everything and drops what gives power")
    func foreign() async throws {
        let place = try TemporaryDirectory()
        let tree = try await AwkwardTree(at: place.path + "/volume", isDeep: false)
        let blobs = MemoryBlobs()
        let root = try await Self.backUp(tree.path, to: blobs).rootTree
        let target = place.path + "/target"
        let summary = try await Self.restore(
            root, from: blobs, to: target, policy: .foreign(uid: 2_000, gid: 3_000))
        #expect(summary.leftOut == 2)
        let listing = try await TreeListing(of: target)
        for line in listing.lines {
            #expect(line.contains(" uid 2000 gid 3000 "))
            #expect(!line.contains("attribute b'security.") && !line.contains(" b'trusted."))
            #expect(!line.contains(" mode 104") && !line.contains(" mode 42"), "\(line)")
            #expect(!line.contains(" device "))
        }
        #expect(listing.lines.contains { $0.contains("user.binary") })
    }

    @Test("What the backup needs is reachable, and a missing blob is named with its file")
    func missing() async throws {
        let place = try TemporaryDirectory()
        let tree = try await AwkwardTree(at: place.path + "/volume", isDeep: false)
        let blobs = MemoryBlobs()
        let root = try await Self.backUp(tree.path, to: blobs).rootTree
        let walker = TreeWalker(rootTree: root, source: blobs)
        let reachable = try await walker.reachableBlobs()
        #expect(reachable.trees.contains(root))
        let text = try await walker.node(at: Array("a/b/c/text".utf8))
        let lost = try #require(text.content.first)
        #expect(reachable.data.contains(lost))
        blobs.remove(lost)
        let error = await #expect(throws: RepositoryError.self) {
            try await Self.restore(root, from: blobs, to: place.path + "/target")
        }
        let message = "\(error.map { "\($0)" } ?? "")"
        #expect(message.contains("'a/b/c/text'") && message.contains(lost.hex))
    }

    @Test("A file that cannot be read makes the backup partial and is named")
    func unreadable() async throws {
        let place = try TemporaryDirectory()
        let path = place.path + "/volume"
        try makeDirectory(path)
        for name in ["good", "bad"] {
            let file = try Descriptor(
                opening: path + "/" + name, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o644)
            let answer = file.withNumber { ftruncate($0, 5 << 20) }
            #expect(answer == 0)
        }
        // Read as a file that was longer when it was scanned.
        let root = try FileSystemDirectory(path: path)
        let status = try root.status(of: Array("bad".utf8))
        let source = ScanFile(
            FileSystemWalk.Entry(name: Array("bad".utf8), status: status, parent: root))
        try systemCall("truncate") { unsafe truncate(path + "/bad", 3 << 20) }
        #expect(throws: RepositoryError.self) {
            try BackupFileReader(
                source, try root.file(Array("bad".utf8)),
                chunker: Chunker(polynomial: try Self.polynomial))
        }
        // A plan that hears of it leaves the file out and stays consistent.
        var plan = BackupPlan()
        var node = Node(
            name: Array("bad".utf8), kind: .file, mode: NodeMode(rawValue: 0o644),
            modified: NodeTime(seconds: 0), uid: 0, gid: 0)
        node.sizeBytes = 5 << 20
        plan.handle(.file(directory: Scan.root, node: node, source: source))
        plan.handle(.leave(directory: Scan.root))
        let file = BackupFile(
            slot: BackupSlot(directory: Scan.root, index: 0), source: source)
        plan.handle(.files([(file, .failed("it changed"))]))
        #expect(plan.summary.issues == [.init(path: Array("bad".utf8), message: "it changed")])
        guard case .trees(let trees)? = plan.nextWork(allowsLargeFile: true, isScanComplete: true)
        else {
            Issue.record("the directory should be complete")
            return
        }
        #expect(trees.map(\.nodes) == [[]])
    }
}
