import Glibc
import ObjectStore
import Platform
import Testing

@testable import Repository

/// Stock restic checks and restores what Berth backs up, and Berth restores what restic backs up.
@Suite(.timeLimit(.minutes(8)))
struct StockResticTests {
    private static func open(_ restic: StockRestic) async throws -> OpenRepository {
        try await OpenRepository.open(
            try DirectoryStore(root: restic.path),
            password: SecretBytes(Array(StockRestic.password.utf8)))
    }

    /// Backs up and commits; answers the root tree.
    private static func backUp(
        _ path: String, to repository: OpenRepository, isKnown: Set<BlobID> = []
    ) async throws -> (root: BlobID, packs: Int) {
        let writer = PackWriter(store: repository.store, codec: repository.codec) { id, _ in
            isKnown.contains(id)
        }
        let summary = try await Backup(
            path: path, sink: writer, polynomial: repository.config.polynomial
        ).run()
        #expect(summary.isComplete)
        let packs = try await writer.finish()
        _ = try await repository.writeIndex(packs)
        _ = try await repository.writeSnapshot(
            SnapshotFile(
                time: .now(), tree: summary.rootTree, paths: ["/project"], hostname: "test"))
        return (summary.rootTree, packs.count)
    }

    @Test("restic finds no fault in a backup and restores exactly what was backed up")
    func oursForRestic() async throws {
        let place = try TemporaryDirectory()
        let tree = try await AwkwardTree(at: place.path + "/volume", isDeep: false)
        let restic = try await StockRestic(at: place.path + "/repository")
        let repository = try await Self.open(restic)
        let backup = try await Self.backUp(tree.path, to: repository)
        let checked = try await restic.run("check", "--read-data")
        #expect(checked.text.contains("no errors were found"))
        _ = try await restic.run("restore", "latest", "--target", place.path + "/out")
        let leavingOut = AwkwardTree.beyondRestic
        let before = try await TreeListing(of: tree.path, leavingOut: leavingOut)
        let after = try await TreeListing(
            of: place.path + "/out/project", leavingOut: leavingOut)
        #expect(before.difference(to: after) == [])

        // A second backup with the first as its base stores nothing new and has the same root.
        let walker = TreeWalker(
            rootTree: backup.root, source: try await repository.blobSource())
        let known = try await walker.reachableBlobs()
        let again = try await Self.backUp(
            tree.path, to: repository, isKnown: known.trees.union(known.data))
        #expect(again.root == backup.root)
        #expect(again.packs == 0)
    }

    @Test("A backup of restic is restored exactly")
    func resticsForOurs() async throws {
        let place = try TemporaryDirectory()
        let tree = try await AwkwardTree(at: place.path + "/volume", isDeep: false)
        let restic = try await StockRestic(at: place.path + "/repository")
        let rootText = try await restic.backUp(contentOf: tree.path)
        let root = try #require(BlobID(hex: rootText))
        let repository = try await Self.open(restic)
        try makeDirectory(place.path + "/out")
        let target = try Descriptor(
            opening: place.path + "/out", flags: O_RDONLY | O_DIRECTORY)
        _ = try await Restore(
            source: try await repository.blobSource(), target: target, policy: .faithful
        ).run(.tree, of: root)
        // The target keeps its own metadata.
        let leavingOut = AwkwardTree.beyondRestic + [""]
        let before = try await TreeListing(of: tree.path, leavingOut: leavingOut)
        let after = try await TreeListing(of: place.path + "/out", leavingOut: leavingOut)
        #expect(before.difference(to: after) == [])
    }

    @Test("Chunks and nodes are those of restic, but for what canonical nodes leave out")
    func sameNodes() async throws {
        let place = try TemporaryDirectory()
        let tree = try await AwkwardTree(at: place.path + "/volume", isDeep: false)
        let restic = try await StockRestic(at: place.path + "/repository")
        let rootText = try await restic.backUp(contentOf: tree.path)
        let repository = try await Self.open(restic)
        let source = try await repository.blobSource()
        let blobs = MemoryBlobs()
        let summary = try await Backup(
            path: tree.path, sink: blobs, polynomial: repository.config.polynomial
        ).run()
        let ours = TreeWalker(rootTree: summary.rootTree, source: blobs)
        let theirs = TreeWalker(
            rootTree: try #require(BlobID(hex: rootText)), source: source)
        let content = try #require(try await ours.volume().subtree)
        let count = try await Self.compare(
            try await ours.entries(of: content), ours, try await theirs.entries(), theirs)
        #expect(count > 60)
    }

    /// Compares two trees down to the leaves; answers how many nodes there were.
    private static func compare(
        _ left: [Node], _ ours: TreeWalker, _ right: [Node], _ theirs: TreeWalker
    ) async throws -> Int {
        #expect(left.map(\.name) == right.map(\.name))
        var count = 0
        for (mine, other) in zip(left, right) {
            count += 1
            var normal = other
            normal.inode = mine.inode
            normal.deviceID = mine.deviceID
            normal.subtree = mine.subtree
            if mine.kind == .symlink {
                normal.extendedAttributes = mine.extendedAttributes
                if !UTF8Sequence.isValid(mine.linkTarget) { normal.linkTarget = mine.linkTarget }
            }
            #expect(mine == normal, "\(mine.displayName)")
            guard let below = mine.subtree, let also = other.subtree else { continue }
            count += try await compare(
                try await ours.entries(of: below), ours, try await theirs.entries(of: also),
                theirs)
        }
        return count
    }

    @Test("A pack that was altered is named together with the file, and nothing is called restored")
    func corrupt() async throws {
        let place = try TemporaryDirectory()
        try makeDirectory(place.path + "/volume")
        let file = try Descriptor(
            opening: place.path + "/volume/file", flags: O_WRONLY | O_CREAT | O_EXCL)
        try file.withNumber { number in
            try systemCall("ftruncate") { ftruncate(number, 700 << 10) }
        }
        let repository = try await OpenRepository.create(
            in: try DirectoryStore(root: place.path + "/repository", create: true),
            password: SecretBytes(Array("password".utf8)),
            origin: KeyFile.Origin(created: .now(), username: "test", hostname: "test"),
            cost: try KeyFile.Cost(n: 1_024, r: 8, p: 1))
        let root = try await Self.backUp(place.path + "/volume", to: repository).root
        let index = try await repository.loadIndex()
        let zeros = BlobID(hashing: [UInt8](repeating: 0, count: 188 << 10))
        let location = try #require(index.location(of: zeros, kind: .data))
        let name = location.pack.id.hex
        let damaged = try await ChildProcess.run(
            "python3",
            [
                "-c",
                "import os,sys; os.chmod(sys.argv[1],0o600); f=open(sys.argv[1],'r+b'); "
                    + "f.seek(int(sys.argv[2])); b=f.read(1); f.seek(int(sys.argv[2])); "
                    + "f.write(bytes([b[0]^1]))",
                "\(place.path)/repository/data/\(name.prefix(2))/\(name)",
                "\(location.blob.offset + 20)",
            ])
        #expect(damaged.isSuccess, "\(damaged.errorText)")
        try makeDirectory(place.path + "/out")
        let target = try Descriptor(
            opening: place.path + "/out", flags: O_RDONLY | O_DIRECTORY)
        let error = await #expect(throws: RepositoryError.self) {
            try await Restore(
                source: try await repository.blobSource(), target: target, policy: .faithful
            ).run(.volume, of: root)
        }
        let message = "\(error.map { "\($0)" } ?? "")"
        #expect(message.contains("'file'") && message.contains(name), "\(message)")
    }
}
