import Platform
import Testing

@testable import Repository

/// Backups of real btrfs subvolumes, on a file system in a file.
@Suite(.timeLimit(.minutes(3)))
struct NestedSubvolumeTests {
    private static func run(_ program: String, _ arguments: String...) async throws {
        let result = try await ChildProcess.run(program, arguments, deadline: .seconds(60))
        guard result.isSuccess else {
            throw CommandFailed("\(program) \(arguments.joined(separator: " "))", result)
        }
    }

    private static func summary(of path: String) async throws -> BackupSummary {
        try await Backup(
            path: path, sink: HashingSink(),
            polynomial: try ChunkerPolynomial(hex: "3da3358b4dc173")
        ).run()
    }

    @Test("A subvolume inside is not entered, is listed, and looks the same live and in a snapshot")
    func nested() async throws {
        let place = try TemporaryDirectory()
        let mount = place.path + "/mount"
        try makeDirectory(mount)
        try await Self.run("truncate", "-s", "200M", place.path + "/image")
        try await Self.run("mkfs.btrfs", "-q", place.path + "/image")
        try await Self.run("mount", "-o", "loop,noatime", place.path + "/image", mount)
        do {
            try await check(mount)
        } catch {
            try await Self.run("umount", mount)
            throw error
        }
        try await Self.run("umount", mount)
    }

    private func check(_ mount: String) async throws {
        let volume = mount + "/volume"
        try await Self.run("btrfs", "subvolume", "create", volume)
        _ = try await AwkwardTree(at: volume + "/content")
        let whole = try await Self.summary(of: volume)
        #expect(whole.isComplete)
        try await Self.run("btrfs", "subvolume", "snapshot", "-r", volume, mount + "/before")
        #expect(try await Self.summary(of: mount + "/before").rootTree == whole.rootTree)

        try await Self.run("btrfs", "subvolume", "create", volume + "/content/a/nested")
        try await Self.run("touch", volume + "/content/a/nested/file")
        try await Self.run("btrfs", "subvolume", "snapshot", "-r", volume, mount + "/after")
        let live = try await Self.summary(of: volume)
        let snapshot = try await Self.summary(of: mount + "/after")
        for summary in [live, snapshot] {
            #expect(summary.nestedSubvolumes == [Array("content/a/nested".utf8)])
            #expect(!summary.isComplete && summary.issues.isEmpty)
            #expect(summary.files == whole.files)
        }
        #expect(live.rootTree == snapshot.rootTree)
        #expect(live.rootTree != whole.rootTree)

        // A restore makes an empty directory of it, and the receipt agrees.
        let blobs = MemoryBlobs()
        let backup = try await Backup(
            path: mount + "/after", sink: blobs,
            polynomial: try ChunkerPolynomial(hex: "3da3358b4dc173")
        ).run()
        try await Self.run("btrfs", "subvolume", "create", mount + "/restored")
        let target = try Descriptor(opening: mount + "/restored", flags: 0)
        _ = try await Restore(source: blobs, target: target, policy: .faithful)
            .run(.volume, of: backup.rootTree)
        #expect(try await Self.summary(of: mount + "/restored").rootTree == backup.rootTree)
    }
}
