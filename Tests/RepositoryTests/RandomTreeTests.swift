import Glibc
import ObjectStore
import Platform
import Testing

@testable import Repository

/// Random trees by seed, with stock restic as the judge in both directions.
@Suite(.timeLimit(.minutes(10)))
struct RandomTreeTests {
    @Test(
        "restic checks and restores our backups, adds no data to them, and we restore its own",
        arguments: 1...20)
    func both(seed: Int) async throws {
        try await Self.check(seed: UInt64(seed))
    }

    /// The long form, `make soak-repository`: BERTH_TREES seeds that nobody has seen before.
    @Test(
        "hundreds of trees by fresh seeds", .enabled(if: PruneTests.isSoak),
        .timeLimit(.minutes(120)))
    func soak() async throws {
        let text = unsafe getenv("BERTH_TREES").map { unsafe String(cString: $0) }
        let count = text.flatMap { Int($0) } ?? 300
        for _ in 0..<count {
            let seed = UInt64.random(in: 1_000 ... .max)
            do {
                try await Self.check(seed: seed)
            } catch {
                Issue.record("seed \(seed): \(error)")
            }
        }
        print("\(count) random trees")
    }

    private static func check(seed: UInt64) async throws {
        let fixture = try await RepositoryFixture()
        let volume = fixture.place.path + "/volume"
        let made = try await ChildProcess.run(
            "python3", ["-c", script, volume, "\(seed)"], deadline: .seconds(60))
        guard made.isSuccess else { throw CommandFailed("make a tree of seed \(seed)", made) }
        let golden = try await TreeListing(of: volume)

        // Ours for restic.
        try await backUp(volume, to: fixture.repository)
        try await judge(fixture, "check", "--read-data")
        let restored = fixture.place.path + "/restored"
        try await judge(fixture, "restore", "latest", "--target", restored)
        let after = try await TreeListing(of: restored + "/project")
        #expect(golden.difference(to: after) == [], "seed \(seed)")

        // restic's own backup finds every chunk.
        let before = try await blobs(.data, in: fixture.repository)
        try await judge(fixture, "backup", ".", directory: volume)
        #expect(try await blobs(.data, in: fixture.repository) == before, "seed \(seed)")

        // And that is restored by us.
        let theirs = try await fixture.repository.snapshots().first {
            $0.file.paths != ["/project"]
        }
        let root = try #require(theirs).file.tree
        let target = fixture.place.path + "/ours"
        try makeDirectory(target)
        _ = try await Restore(
            source: try await fixture.repository.blobSource(),
            target: try Descriptor(opening: target, flags: O_RDONLY | O_DIRECTORY),
            policy: .faithful
        ).run(.tree, of: root)
        // The target keeps its own metadata.
        let ours = try await TreeListing(of: target, leavingOut: [""])
        let expected = try await TreeListing(of: volume, leavingOut: [""])
        #expect(expected.difference(to: ours) == [], "seed \(seed)")
    }

    private static func backUp(_ path: String, to repository: OpenRepository) async throws {
        let writer = PackWriter(store: repository.store, codec: repository.codec)
        let summary = try await Backup(
            path: path, sink: writer, polynomial: repository.config.polynomial
        ).run()
        #expect(summary.isComplete)
        _ = try await repository.writeIndex(try await writer.finish())
        _ = try await repository.writeSnapshot(
            SnapshotFile(
                time: .now(), tree: summary.rootTree, paths: ["/project"], hostname: "test"))
    }

    private static func judge(
        _ fixture: RepositoryFixture, _ command: String, _ arguments: String...,
        directory: String? = nil
    ) async throws {
        let result = try await ChildProcess.run(
            "restic", ["--repo", fixture.path, "--no-cache", command] + arguments,
            environment: [
                "RESTIC_PASSWORD": ResticJudge.password, "PATH": "/usr/bin:/bin",
                "HOME": fixture.path,
            ],
            directory: directory, outputLimitBytes: 16 << 20, deadline: .seconds(100))
        guard result.isSuccess else { throw CommandFailed("restic \(command)", result) }
    }

    private static func blobs(
        _ kind: BlobKind, in repository: OpenRepository
    ) async throws -> Set<BlobID> {
        var found: Set<BlobID> = []
        try await repository.loadIndex().forEach { location in
            if location.blob.kind == kind { found.insert(location.blob.id) }
        }
        return found
    }

    /// Everything that both keep; what restic 0.14 does not is in `AwkwardTree.beyondRestic`.
    private static let script = #"""
        import os, random, sys
        root, rng = sys.argv[1].encode(), random.Random(int(sys.argv[2]))
        os.makedirs(root)
        os.chdir(root)
        directories, files = [b"."], []
        pieces = [rng.randbytes(1 << 20), bytes(700_000), b"text and more text\n" * 9_000]

        def name():
            kind = rng.randrange(8)
            if kind == 0:
                return bytes(rng.choice([c for c in range(1, 256) if c != 47])
                             for _ in range(rng.randrange(1, 30)))
            if kind == 1:
                return "".join(chr(rng.choice([0x41, 0xe9, 0x200b, 0x2028, 0x1f600]))
                               for _ in range(rng.randrange(1, 12))).encode()
            return b"n%x" % rng.getrandbits(32) + b"x" * rng.choice([0, 0, 0, 200])

        def content():
            kind = rng.randrange(10)
            if kind < 5:
                return rng.randbytes(rng.randrange(0, 3_000))
            if kind < 7:
                start = rng.randrange(1 << 19)
                return pieces[0][start:start + rng.randrange(1 << 19)]
            if kind == 7:
                return rng.choice(pieces) + rng.choice(pieces)
            if kind == 8:
                size = rng.choice([1, 4095, 4096, 4097, 2048, 2049, (1 << 19) - 64, 1 << 19,
                                   (1 << 19) + 1])
                return rng.randbytes(size)
            return b"equal content"

        def attributes(path):
            if rng.randrange(6) == 0:
                for number in range(rng.randrange(1, 4)):
                    os.setxattr(path, "user.n%d" % rng.randrange(1000), rng.randbytes(
                        rng.choice([0, 1, 30, 300])))
            if rng.randrange(12) == 0:
                os.setxattr(path, "trusted.note", b"root")

        def place():
            path = os.path.join(rng.choice(directories), name())
            return None if os.path.lexists(path) or os.path.basename(path) in (b".", b"..") else path

        for _ in range(rng.randrange(20, 90)):
            path = place()
            if path is None:
                continue
            kind = rng.randrange(20)
            if kind < 4 and path.count(b"/") < 9:
                os.mkdir(path)
                directories.append(path)
                attributes(path)
            elif kind < 14:
                with open(path, "wb") as file:
                    if rng.randrange(12) == 0:
                        file.seek(rng.choice([1, 4096, 600_000, 3 << 20]))
                    file.write(content())
                    if rng.randrange(12) == 0:
                        file.truncate(rng.randrange(5 << 20))
                files.append(path)
                attributes(path)
            elif kind < 16 and files:
                os.link(rng.choice(files), path)
            elif kind < 18:
                os.symlink(rng.choice([b"../x", b"/absolute", "ä <&> \u2028".encode(), b"a" * 900]),
                           path)
            elif kind == 18:
                os.mkfifo(path)
            else:
                os.mknod(path, 0o600 | rng.choice([0o020000, 0o060000]),
                         os.makedev(rng.randrange(1, 300), rng.randrange(1, 70_000)))
        for path in sorted(set(files)):
            if rng.randrange(3) == 0:
                os.chown(path, rng.randrange(3_000_000_000), rng.randrange(70_000))
            os.chmod(path, rng.choice([0o644, 0o600, 0, 0o4755, 0o2711, 0o1777, 0o444]))
        for path in sorted(set(files)) + sorted(set(directories), reverse=True):
            if path != b"." and path in directories:
                os.chmod(path, rng.choice([0o755, 0o700, 0o1777, 0o2775]))
            os.utime(path, ns=(1, rng.randrange(-(10 ** 18), 4 * 10 ** 18)))
        """#
}
