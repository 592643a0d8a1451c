import Btrfs
import Glibc
import Platform
import Testing

/// One way to change a volume.
enum Change: String, CaseIterable, Sendable {
    case write, append, create, remove, rename, mode, attribute, mapped

    func make(in volume: String) async throws {
        let file = volume + "/file"
        switch self {
        case .write: try DurableFile.write(Array("new".utf8), to: file)
        case .append: try append(file)
        case .create: try DurableFile.write([], to: volume + "/another")
        case .remove: try systemCall("unlink") { unsafe unlink(file) }
        case .rename: try systemCall("rename") { unsafe Glibc.rename(file, volume + "/moved") }
        case .mode: try systemCall("chmod") { unsafe chmod(file, 0o711) }
        case .attribute:
            _ = try await ChildProcess.run("setfattr", ["-n", "user.word", "-v", "ahoy", file])
        case .mapped: try map(file)
        }
    }

    private func append(_ file: String) throws {
        let open = try Descriptor(opening: file, flags: O_WRONLY | O_APPEND)
        try open.withNumber { number in
            try systemCall("write") { unsafe Glibc.write(number, "more", 4) }
        }
    }

    /// Through a mapping, which no system call of writing announces.
    private func map(_ file: String) throws {
        let open = try Descriptor(opening: file, flags: O_RDWR)
        let map = unsafe open.withNumber {
            unsafe mmap(nil, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, $0, 0)
        }
        let bytes = unsafe try #require(map)
        unsafe bytes.storeBytes(of: 0x21, as: UInt8.self)
        unsafe munmap(bytes, 4096)
    }
}

@Suite("Freshness", .timeLimit(.minutes(2)))
struct FreshnessTests {
    @Test("a snapshot carries its volume's ctransid; every kind of change moves the volume's on")
    func changes() async throws {
        try await LoopFilesystem.with { filesystem, root in
            let volume = try Subvolume.create(at: root + "/volume")
            for change in Change.allCases {
                try DurableFile.write(Array("old".utf8), to: volume.path + "/file")
                _ = try filesystem.freshnessToken(of: volume)
                let snapshot = try volume.snapshot(to: root + "/\(change)")
                let fresh = try filesystem.freshnessToken(of: volume)
                #expect(try snapshot.info().ctransid == fresh.ctransid, "\(change)")
                #expect(try filesystem.freshnessToken(of: volume) == fresh, "\(change)")
                try await change.make(in: volume.path)
                let dirty = try filesystem.freshnessToken(of: volume)
                #expect(dirty.ctransid > fresh.ctransid, "\(change)")
                #expect(dirty.subvolume == fresh.subvolume)
                #expect(try snapshot.info().ctransid == fresh.ctransid, "\(change)")
            }
        }
    }

    @Test("reading, syncing, taking snapshots and changing a neighbour leave a volume fresh")
    func noChange() async throws {
        try await LoopFilesystem.with { filesystem, root in
            let volume = try Subvolume.create(at: root + "/volume")
            let neighbour = try Subvolume.create(at: root + "/neighbour")
            try DurableFile.write(Array("old".utf8), to: volume.path + "/file")
            let fresh = try filesystem.freshnessToken(of: volume)
            _ = try DurableFile.read(volume.path + "/file")
            let open = try Descriptor(opening: volume.path, flags: O_DIRECTORY)
            _ = try directoryEntries(of: open)
            let snapshot = try volume.snapshot(to: root + "/snapshot")
            try DurableFile.write([1], to: neighbour.path + "/file")
            try snapshot.delete()
            #expect(try filesystem.freshnessToken(of: volume) == fresh)
            #expect(try filesystem.isMountedNoAtime())
        }
    }

    @Test("what was written just before a snapshot, not yet on disk, is in it and counted")
    func unsynced() async throws {
        try await LoopFilesystem.with { filesystem, root in
            let volume = try Subvolume.create(at: root + "/volume")
            _ = try filesystem.freshnessToken(of: volume)
            for index in 0..<20 {
                let file = try Descriptor(
                    opening: volume.path + "/file", flags: O_CREAT | O_WRONLY | O_APPEND)
                try file.withNumber { number in
                    try systemCall("write") { unsafe write(number, "x", 1) }
                }
                let snapshot = try volume.snapshot(to: root + "/s\(index)")
                #expect(try DurableFile.read(snapshot.path + "/file").count == index + 1)
                let live = try filesystem.freshnessToken(of: volume)
                #expect(try snapshot.info().ctransid == live.ctransid, "round \(index)")
            }
        }
    }
}
