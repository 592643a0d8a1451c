import Btrfs
import Glibc
import Platform
import Testing

@Suite("Subvolumes", .timeLimit(.minutes(2)))
struct SubvolumeTests {
    @Test("one is made, described and deleted")
    func lifeCycle() async throws {
        try await LoopFilesystem.with { filesystem, root in
            let path = root + "/volume"
            #expect(try !Subvolume.exists(at: path))
            let volume = try Subvolume.create(at: path)
            #expect(try Subvolume.exists(at: path))
            let info = try volume.info()
            #expect(info.id >= 256)
            #expect(!info.uuid.isZero)
            #expect(info.parentUUID == nil)
            #expect(info.receivedUUID == nil)
            #expect(!info.isReadOnly)
            #expect(info.otransid > 0)
            let error = #expect(throws: BtrfsError.self) { try Subvolume.create(at: path) }
            #expect(error?.code == .alreadyExists)
            try volume.delete()
            #expect(try !Subvolume.exists(at: path))
            #expect(throws: BtrfsError.self) { try volume.delete() }
        }
    }

    @Test("an ordinary directory, also on another file system, is none")
    func ordinary() async throws {
        try await LoopFilesystem.with { filesystem, root in
            try systemCall("mkdir") { unsafe mkdir(root + "/directory", 0o755) }
            #expect(try !Subvolume.exists(at: root + "/directory"))
            let error = #expect(throws: BtrfsError.self) {
                try Subvolume(at: root + "/directory")
            }
            #expect(error?.code == .notSubvolume)
            #expect(try !Subvolume.exists(at: "/proc"))
        }
    }

    @Test("a snapshot keeps what was, names its parent, and may be writable")
    func snapshots() async throws {
        try await LoopFilesystem.with { filesystem, root in
            let volume = try Subvolume.create(at: root + "/volume")
            try DurableFile.write(Array("before".utf8), to: volume.path + "/file")
            let frozen = try volume.snapshot(to: root + "/frozen")
            let branch = try volume.snapshot(to: root + "/branch", isReadOnly: false)
            try DurableFile.write(Array("after".utf8), to: volume.path + "/file")
            try DurableFile.write(Array("other".utf8), to: branch.path + "/file")
            #expect(try DurableFile.read(frozen.path + "/file") == Array("before".utf8))
            #expect(try DurableFile.read(volume.path + "/file") == Array("after".utf8))
            let info = try frozen.info()
            #expect(info.isReadOnly)
            #expect(try info.parentUUID == volume.info().uuid)
            #expect(try !branch.info().isReadOnly)
            let error = #expect(throws: PlatformError.self) {
                try DurableFile.write([1], to: frozen.path + "/file")
            }
            #expect(error?.errno == EROFS)
            let taken = #expect(throws: BtrfsError.self) {
                try volume.snapshot(to: root + "/frozen")
            }
            #expect(taken?.code == .alreadyExists)
        }
    }

    @Test("read-only is set and taken back")
    func readOnly() async throws {
        try await LoopFilesystem.with { filesystem, root in
            let volume = try Subvolume.create(at: root + "/volume")
            try volume.setReadOnly(true)
            #expect(try volume.info().isReadOnly)
            #expect(throws: PlatformError.self) {
                try DurableFile.write([1], to: volume.path + "/file")
            }
            try volume.setReadOnly(false)
            try DurableFile.write([1], to: volume.path + "/file")
            #expect(try !volume.info().isReadOnly)
        }
    }

    @Test("nested subvolumes are found, stop a deletion, and go when asked")
    func nested() async throws {
        try await LoopFilesystem.with { filesystem, root in
            let volume = try Subvolume.create(at: root + "/volume")
            try systemCall("mkdir") { unsafe mkdir(volume.path + "/directory", 0o755) }
            let inner = try Subvolume.create(at: volume.path + "/directory/in ner")
            let innermost = try Subvolume.create(at: inner.path + "/innermost")
            try DurableFile.write([1], to: innermost.path + "/file")
            _ = try Subvolume.create(at: root + "/neighbour")
            #expect(
                try volume.nested() == [
                    Array("directory/in ner".utf8), Array("directory/in ner/innermost".utf8),
                ])
            let error = #expect(throws: BtrfsError.self) { try volume.delete() }
            #expect(error?.code == .hasNestedSubvolumes)
            #expect(try DurableFile.read(innermost.path + "/file") == [1])
            for each in [innermost, inner, volume] { try each.setReadOnly(true) }
            try volume.delete(recursively: true)
            #expect(try !Subvolume.exists(at: volume.path))
            #expect(try Subvolume.exists(at: root + "/neighbour"))
        }
    }

    @Test("two subvolumes, and a subvolume and a directory, exchange their names at once")
    func exchanges() async throws {
        try await LoopFilesystem.with { filesystem, root in
            let one = try Subvolume.create(at: root + "/one")
            let two = try Subvolume.create(at: root + "/two")
            let before = try (one.info().id, two.info().id)
            try exchangeNames(one.path, two.path)
            #expect(try one.info().id == before.1)
            #expect(try two.info().id == before.0)
            try systemCall("mkdir") { unsafe mkdir(root + "/place", 0o755) }
            try systemCall("mkdir") { unsafe mkdir(root + "/place/directory", 0o755) }
            try exchangeNames(one.path, root + "/place/directory")
            #expect(try !Subvolume.exists(at: one.path))
            #expect(try Subvolume(at: root + "/place/directory").info().id == before.1)
            let error = #expect(throws: BtrfsError.self) {
                try exchangeNames(one.path, root + "/missing")
            }
            #expect(error?.code == .notFound)
        }
    }
}
