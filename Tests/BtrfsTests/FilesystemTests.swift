import Btrfs
import Glibc
import Platform
import Testing

@Suite("File systems and loop images", .timeLimit(.minutes(2)))
struct FilesystemTests {
    @Test("UUID and space are those of the tools")
    func facts() async throws {
        try await LoopFilesystem.with(sizeBytes: 300 << 20) { filesystem, root in
            let shown = try await ChildProcess.run("btrfs", ["filesystem", "show", "--raw", root])
            #expect(shown.text.contains("uuid: \(filesystem.uuid)"))
            #expect(BtrfsUUID("\(filesystem.uuid)") == filesystem.uuid)
            let space = try filesystem.space()
            #expect(space.totalBytes == 300 << 20)
            #expect(space.freeBytes > 100 << 20 && space.freeBytes < space.totalBytes)
            try filesystem.verifyMounted()
        }
    }

    @Test("a path that is not on btrfs, and a directory inside, are refused with the way out")
    func refusals() async throws {
        let foreign = #expect(throws: BtrfsError.self) { try BtrfsFilesystem(mountPoint: "/proc") }
        #expect(foreign?.code == .notBtrfs)
        #expect(foreign?.description.contains("give a directory of a mounted btrfs") == true)
        let missing = #expect(throws: BtrfsError.self) { try BtrfsFilesystem(mountPoint: "/no/x") }
        #expect(missing?.code == .notFound)
        try await LoopFilesystem.with { _, root in
            try systemCall("mkdir") { unsafe mkdir(root + "/inside", 0o755) }
            let inside = #expect(throws: BtrfsError.self) {
                try BtrfsFilesystem(mountPoint: root + "/inside")
            }
            #expect(inside?.code == .notMounted)
        }
    }

    @Test("an image is made once, taken again while mounted, and keeps its contents")
    func idempotent() async throws {
        let directory = try TemporaryDirectory(prefix: "berth-btrfs")
        let image = LoopImage(
            path: directory.path + "/image", sizeBytes: 200 << 20,
            mountPoint: directory.path + "/mount")
        do {
            let uuid = try await image.mount().uuid
            try DurableFile.write([7], to: image.mountPoint + "/kept")
            #expect(try await image.mount().uuid == uuid)
            let mounts = try MountTable.entries().filter { $0.mountPoint == image.mountPoint }
            #expect(mounts.count == 1)
            #expect(mounts.first?.options.contains("noatime") == true)
            try await image.unmount()
            try await image.unmount()
            #expect(try MountTable.entry(at: image.mountPoint) == nil)
            try await Self.waitUntilDetached(image.path)
            // Attached and not mounted: what a crash between the two steps leaves.
            _ = try await ChildProcess.run("losetup", ["--find", "--nooverlap", image.path])
            #expect(try await Self.attached(image.path).count == 1)
            #expect(try await image.mount().uuid == uuid)
            #expect(try await Self.attached(image.path).count == 1)
            #expect(try DurableFile.read(image.mountPoint + "/kept") == [7])
            var space = stat()
            #expect(unsafe stat(image.path, &space) == 0)
            #expect(space.st_size == 200 << 20)
            #expect(space.st_blocks * 512 < 50 << 20, "the image is sparse")
        } catch {
            try await image.unmount()
            throw error
        }
        try await image.unmount()
    }

    @Test("what is unmounted under an open file system is noticed")
    func vanished() async throws {
        try await LoopFilesystem.with { filesystem, root in
            try systemCall("umount") { unsafe umount2(root, 2) }
            let error = #expect(throws: BtrfsError.self) { try filesystem.verifyMounted() }
            #expect(error?.code == .notMounted)
        }
    }

    @Test("a file that is no image of ours is refused and stays as it is")
    func foreignImage() async throws {
        let directory = try TemporaryDirectory(prefix: "berth-btrfs")
        let path = directory.path + "/image"
        let bytes = [UInt8](repeating: 0x55, count: 200_000)
        try DurableFile.write(bytes, to: path)
        let image = LoopImage(
            path: path, sizeBytes: 200 << 20, mountPoint: directory.path + "/mount")
        let error = await #expect(throws: BtrfsError.self) { try await image.mount() }
        #expect(error?.code == .foreign)
        #expect(try DurableFile.read(path) == bytes)
        #expect(try await Self.attached(path).isEmpty)
    }

    @Test("a place where something else is mounted is refused, and nothing stays attached")
    func occupied() async throws {
        try await LoopFilesystem.with { _, root in
            let directory = try TemporaryDirectory(prefix: "berth-btrfs")
            let image = LoopImage(
                path: directory.path + "/image", sizeBytes: 200 << 20, mountPoint: root)
            let error = await #expect(throws: BtrfsError.self) { try await image.mount() }
            #expect(error?.code == .foreign)
            try await Self.waitUntilDetached(image.path)
            let second = await #expect(throws: BtrfsError.self) { try await image.unmount() }
            #expect(second?.code == .foreign)
            _ = try BtrfsFilesystem(mountPoint: root)
        }
    }

    @Test("a full file system says so")
    func full() async throws {
        try await LoopFilesystem.with(sizeBytes: 128 << 20) { filesystem, root in
            let volume = try Subvolume.create(at: root + "/volume")
            let error = #expect(throws: PlatformError.self) {
                let block = [UInt8](repeating: 1, count: 4 << 20)
                for index in 0..<64 {
                    try DurableFile.write(block, to: volume.path + "/\(index)")
                }
            }
            #expect(error?.errno == ENOSPC)
            #expect(try filesystem.space().freeBytes < 4 << 20)
        }
    }

    /// Whoever looks at all loop devices of the machine just then holds the device a little longer.
    private static func waitUntilDetached(_ path: String) async throws {
        try await withDeadline(.seconds(20), "detach \(path)") {
            while try await !attached(path).isEmpty {
                try await Task.sleep(for: .milliseconds(10))
            }
        }
    }

    private static func attached(_ path: String) async throws -> [Substring] {
        let result = try await ChildProcess.run(
            "losetup", ["--associated", path, "--noheadings", "--output", "NAME"])
        return result.text.split(separator: "\n")
    }
}
