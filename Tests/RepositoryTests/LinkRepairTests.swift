import Glibc
import ObjectStore
import Platform
import Testing

@testable import Repository

/// Hard links of which a repair has lost some names.
@Suite(.timeLimit(.minutes(5)))
struct LinkRepairTests {
    @Test("What is left of hard links restores and proves, and other snapshots keep theirs")
    func lostNames() async throws {
        let history = try await BackupHistory(seed: 71)
        let volume = history.volume
        // One name is left, two are left without the least, all are left.
        for (names, content) in [
            (["d1/a", "d2/a"], "one"), (["d1/b", "d2/b", "d3/b"], "two"),
            (["d2/c", "d3/c"], "three"),
        ] {
            let first = "\(volume)/\(names[0])"
            try DurableFile.write(Array(content.utf8), to: first)
            for name in names.dropFirst() {
                try systemCall("link") { unsafe link(first, "\(volume)/\(name)") }
            }
        }
        let first = try await history.upload(base: nil)
        let repository = history.repository
        _ = try await repository.writeIndex(first.packs)
        let damaged = try await history.record(first)
        try DurableFile.write([1], to: "\(volume)/d1/more")
        let second = try await history.upload(base: first.root)
        _ = try await repository.writeIndex(second.packs)
        let whole = try await history.record(second, hour: 1)
        // Only the first backup has this tree.
        let walker = TreeWalker(rootTree: first.root, source: try await repository.blobSource())
        let lost = try #require(try await walker.node(at: Array("d1".utf8)).subtree)
        let place = try #require(
            try await repository.loadIndex().location(of: lost, kind: .tree))
        let path = history.fixture.path + "/" + (try ObjectName.pack(place.pack.id).text)
        var bytes = try DurableFile.read(path, limitBytes: 64 << 20)
        bytes[Int(place.blob.offset) + 20] ^= 1
        try DurableFile.write(bytes, to: path)

        let repair = RepositoryRepair(repository)
        _ = try await repair.salvage(try await repository.check(.all).damagedPacks)
        let report = try await repair.repairSnapshots()
        #expect(report.repaired.map(\.old) == [damaged])
        let mended = try #require(report.repaired.first?.tree)
        let names = try await Self.restore(mended, of: repository, to: "mended", history)
        #expect(names == ["d2/a 1", "d2/b 2", "d2/c 2", "d3/b 2", "d3/c 2"])
        #expect(try await repository.snapshot(whole).tree == second.root)
        #expect(
            try await Self.restore(second.root, of: repository, to: "whole", history)
                == [
                    "d1/a 2", "d1/b 3", "d1/more 1", "d2/a 2", "d2/b 3", "d2/c 2", "d3/b 3",
                    "d3/c 2",
                ])
        try await repository.removeSnapshot(damaged)
        #expect(try await history.fixture.restic.run("check", "--read-data").isSuccess)
    }

    /// Restores with its proof.
    ///
    /// - Returns: the files, each with how many names it has.
    private static func restore(
        _ root: BlobID, of repository: OpenRepository, to name: String, _ history: BackupHistory
    ) async throws -> [String] {
        let path = history.fixture.place.path + "/" + name
        try makeDirectory(path)
        let source = try await repository.blobSource()
        let index = try await repository.loadIndex()
        let summary = try await Restore(
            source: source, target: Descriptor(opening: path, flags: O_RDONLY | O_DIRECTORY),
            policy: .faithful,
            proof: RestoreProof(sink: HashingSink()) {
                index.location(of: $0, kind: .data).map { Int($0.blob.plaintextBytes) }
            }
        ).run(.volume, of: root)
        #expect(summary.rootTree == root)
        let found = try await ChildProcess.run(
            "/bin/sh", ["-c", "find . -type f -printf '%P %n\\n' | sort"], directory: path,
            deadline: .seconds(30))
        return found.text.split(separator: "\n").map(String.init)
    }
}
