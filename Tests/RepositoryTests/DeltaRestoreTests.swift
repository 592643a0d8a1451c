import CPlatform
import Glibc
import Platform
import Testing

@testable import Repository

/// A restore on top of a former state comes out as one from nothing, bit for bit.
@Suite(.timeLimit(.minutes(5)))
struct DeltaRestoreTests {
    private static var polynomial: ChunkerPolynomial {
        get throws { try ChunkerPolynomial(hex: "3da3358b4dc173") }
    }

    private static func rootTree(of path: String) async throws -> BlobID {
        try await Backup(path: path, sink: HashingSink(), polynomial: polynomial).run().rootTree
    }

    @Test("A large file that is rewritten is never held together with others")
    func batches() {
        func file(_ name: String, _ bytes: UInt64) -> RestoreDeltaPlan.File {
            var node = Node(
                name: Array(name.utf8), kind: .file, mode: NodeMode(rawValue: 0o644),
                modified: NodeTime(seconds: 0), uid: 0, gid: 0)
            node.sizeBytes = bytes
            return RestoreDeltaPlan.File(directory: [], former: node, node: node)
        }
        let files = [
            file("a", 10), file("b", 0), file("large", 600 << 20), file("empty", 0),
            file("small", 10), file("larger", 900 << 20), file("last", 0),
        ]
        let names = RestoreDelta.batches(files).map { batch in
            batch.map { String(decoding: $0.node.name, as: UTF8.self) }
        }
        for batch in names where batch.count > 1 {
            #expect(!batch.contains("large") && !batch.contains("larger"), "\(batch)")
        }
        #expect(names.flatMap(\.self) == ["a", "b", "large", "empty", "small", "larger", "last"])
    }

    static func proof(_ blobs: MemoryBlobs) -> RestoreProof {
        RestoreProof(sink: HashingSink()) { blobs.length(of: $0) }
    }

    static func restore(
        _ root: BlobID, from blobs: MemoryBlobs, to path: String
    ) async throws -> RestoreSummary {
        try makeDirectory(path)
        let target = try Descriptor(opening: path, flags: O_RDONLY | O_DIRECTORY)
        return try await Restore(
            source: blobs, target: target, policy: .faithful, proof: proof(blobs)
        ).run(.volume, of: root)
    }

    static func change(
        _ path: String, from former: BlobID, to root: BlobID, _ blobs: MemoryBlobs
    ) async throws -> RestoreSummary {
        let target = try Descriptor(opening: path, flags: O_RDONLY | O_DIRECTORY)
        return try await RestoreDelta(
            source: blobs, target: target, proof: proof(blobs)
        ) { blobs.length(of: $0) }.run(from: former, to: root)
    }

    /// 4 × 52 pairs, some of them far apart.
    @Test(
        "Any state becomes any other by writing what differs, seed by seed",
        arguments: [11, 12, 13, 14] as [UInt64])
    func pairs(seed: UInt64) async throws {
        let place = try TemporaryDirectory()
        let blobs = MemoryBlobs()
        var tree = try ChangingTree(at: place.path + "/volume", seed: seed)
        var random = SeededRandom(state: seed &* 31 | 1)
        var roots: [BlobID] = []
        func backUp() async throws -> BlobID {
            try await Backup(path: tree.path, sink: blobs, polynomial: Self.polynomial)
                .run().rootTree
        }
        roots.append(try await backUp())
        let restored = place.path + "/restored"
        let written = try await Self.restore(roots[0], from: blobs, to: restored)
        #expect(written.rootTree == roots[0])
        var present = roots[0]
        for step in 1...52 {
            try tree.change(count: Int.random(in: 1...8, using: &random))
            roots.append(try await backUp())
            // Now and then back to where it was long ago.
            var next = roots[step]
            if step % 5 == 0, let other = roots.randomElement(using: &random) { next = other }
            do {
                let summary = try await Self.change(restored, from: present, to: next, blobs)
                #expect(summary.rootTree == next, "seed \(seed), step \(step)")
            } catch {
                Issue.record("seed \(seed), step \(step): \(error)")
                return
            }
            #expect(try await Self.rootTree(of: restored) == next, "seed \(seed), step \(step)")
            present = next
        }
        let last = roots[roots.count - 1]
        _ = try await Self.change(restored, from: present, to: last, blobs)
        let difference = try await TreeListing(of: tree.path).difference(
            to: TreeListing(of: restored))
        #expect(difference == [])
    }

    @Test("Everything awkward arises from nothing and goes again, on top of another state")
    func awkward() async throws {
        let place = try TemporaryDirectory()
        let blobs = MemoryBlobs()
        let tree = try await AwkwardTree(at: place.path + "/awkward")
        let awkward = try await Backup(
            path: tree.path, sink: blobs, polynomial: Self.polynomial
        ).run().rootTree
        let other = try ChangingTree(at: place.path + "/other", seed: 5)
        let plain = try await Backup(
            path: other.path, sink: blobs, polynomial: Self.polynomial
        ).run().rootTree
        let restored = place.path + "/restored"
        _ = try await Self.restore(plain, from: blobs, to: restored)
        #expect(
            try await Self.change(restored, from: plain, to: awkward, blobs).rootTree == awkward)
        let difference = try await TreeListing(of: tree.path).difference(
            to: TreeListing(of: restored))
        #expect(difference == [])
        #expect(
            try await Self.change(restored, from: awkward, to: plain, blobs).rootTree == plain)
        #expect(try await Self.rootTree(of: restored) == plain)
    }

    @Test("What is not the former state is refused, and nothing outside is touched")
    func foreignState() async throws {
        let place = try TemporaryDirectory()
        let blobs = MemoryBlobs()
        var tree = try ChangingTree(at: place.path + "/volume", seed: 3)
        func backUp() async throws -> BlobID {
            try await Backup(path: tree.path, sink: blobs, polynomial: Self.polynomial)
                .run().rootTree
        }
        let first = try await backUp()
        try DurableFile.write([1, 2, 3], to: tree.path + "/a/b/new")
        try tree.apply(.rewriteRange)
        let second = try await backUp()
        try makeDirectory(place.path + "/outside")
        try DurableFile.write(Array("precious".utf8), to: place.path + "/outside/file")
        let lies: [(String) throws -> Void] = [
            { try DurableFile.write([9], to: $0 + "/a/b/unknown") },
            { path in
                try removeTree(at: path + "/a/b")
                unsafe symlink(place.path + "/outside", path + "/a/b")
            },
            { path in unsafe chmod(path + "/a/b", 0o711) },
            { path in
                try removeTree(at: path + "/a/b")
                try DurableFile.write([], to: path + "/a/b")
            },
        ]
        for (number, lie) in lies.enumerated() {
            let restored = place.path + "/restored-\(number)"
            _ = try await Self.restore(first, from: blobs, to: restored)
            try lie(restored)
            let outcome: BlobID?
            do {
                outcome = try await Self.change(restored, from: first, to: second, blobs).rootTree
            } catch is RepositoryError {
                outcome = nil
            }
            // A directory's own mode is set again, so that this lie does no harm.
            if let outcome {
                #expect(outcome == second)
                #expect(try await Self.rootTree(of: restored) == second)
            }
            #expect(number == 2 || outcome == nil)
        }
        let names = try FileSystemDirectory(path: place.path + "/outside").names()
        #expect(names == [Array("file".utf8)])
        #expect(try DurableFile.read(place.path + "/outside/file") == Array("precious".utf8))
    }

    @Test("Somebody who exchanges directories for links meanwhile leads nothing out of the target")
    func racer() async throws {
        let place = try TemporaryDirectory()
        let blobs = MemoryBlobs()
        var tree = try ChangingTree(at: place.path + "/volume", seed: 21)
        func backUp() async throws -> BlobID {
            try await Backup(path: tree.path, sink: blobs, polynomial: Self.polynomial)
                .run().rootTree
        }
        let first = try await backUp()
        for name in ["a", "a/b", "c/d"] {
            try DurableFile.write([1, 2, 3], to: "\(tree.path)/\(name)/new")
        }
        try tree.change(count: 20)
        let second = try await backUp()
        let outside = place.path + "/outside"
        _ = try await Self.restore(first, from: blobs, to: outside)
        let before = try await TreeListing(of: outside)
        let pool = BlockingPool(label: "racer", width: 1)
        for round in 0..<12 {
            let restored = "\(place.path)/restored-\(round)"
            _ = try await Self.restore(first, from: blobs, to: restored)
            for name in ["a", "c"] {
                unsafe symlink("\(outside)/\(name)", "\(restored)/to-\(name)")
            }
            let isOver = Locked(false)
            async let race: Void = pool.run {
                while !isOver.withLock({ $0 }) {
                    for name in ["a", "c"] {
                        // RENAME_EXCHANGE; whether it succeeds is a matter of luck.
                        unsafe berth_renameat2(
                            AT_FDCWD, "\(restored)/\(name)", AT_FDCWD, "\(restored)/to-\(name)", 2)
                    }
                }
            }
            // That it fails is what is expected; what it does then is looked at below.
            _ = try? await Self.change(restored, from: first, to: second, blobs)
            isOver.withLock { $0 = true }
            try await race
        }
        #expect(try await TreeListing(of: outside) == before)
    }

    @Test("Equal subtrees are not read, and equal ranges are not fetched")
    func economy() async throws {
        let place = try TemporaryDirectory()
        let blobs = MemoryBlobs()
        let tree = try ChangingTree(at: place.path + "/volume", seed: 8)
        let big = tree.path + "/c/d/big"
        var content = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 7) }
        try DurableFile.write(content, to: big)
        func backUp() async throws -> BlobID {
            try await Backup(path: tree.path, sink: blobs, polynomial: Self.polynomial)
                .run().rootTree
        }
        let first = try await backUp()
        let restored = place.path + "/restored"
        _ = try await Self.restore(first, from: blobs, to: restored)
        content[2_900_000] ^= 1
        try DurableFile.write(content, to: big)
        let second = try await backUp()
        blobs.forgetLoads()
        #expect(
            try await Self.change(restored, from: first, to: second, blobs).rootTree == second)
        // Root, c, c/d and the volume itself, of both states; and the one chunk that differs.
        #expect(blobs.loads(.tree) <= 8)
        #expect(blobs.loads(.data) <= 2)
    }
}
