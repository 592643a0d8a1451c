import Glibc
import Platform
import Testing

@testable import Repository

/// Trees that would write outside of the target are refused, and nothing is written there.
@Suite(.timeLimit(.minutes(2)))
struct HostileTreeTests {
    private static func file(_ name: String) -> String {
        #"{"name":"\#(name)","type":"file","mode":420,"mtime":"2020-01-01T00:00:00Z","#
            + #""atime":"2020-01-01T00:00:00Z","ctime":"2020-01-01T00:00:00Z","#
            + #""uid":0,"gid":0,"links":1,"content":[]}"#
    }

    private static func symlink(_ name: String, to target: String) -> String {
        #"{"name":"\#(name)","type":"symlink","mode":134218239,"mtime":"2020-01-01T00:00:00Z","#
            + #""uid":0,"gid":0,"links":1,"linktarget":"\#(target)","content":null}"#
    }

    private static func directory(_ name: String, _ subtree: BlobID) -> String {
        #"{"name":"\#(name)","type":"dir","mode":2147484141,"mtime":"2020-01-01T00:00:00Z","#
            + #""uid":0,"gid":0,"content":null,"subtree":"\#(subtree.hex)"}"#
    }

    private static func tree(_ nodes: String...) -> String {
        #"{"nodes":["# + nodes.joined(separator: ",") + "]}\n"
    }

    @Test(
        "A name that no directory could hold is refused and nothing is written",
        arguments: [
            "", ".", "..", "../escaped", "/etc/escaped", "a/b", #"nul\\x00"#, #"a\\x2fb"#,
            String(repeating: "n", count: 256), #"\\x2e\\x2e"#,
        ])
    func names(name: String) async throws {
        let blobs = MemoryBlobs()
        let root = blobs.store(Self.tree(Self.file(name)))
        try await expectRefused(root, blobs)
    }

    @Test("Two entries of one name, of whatever kind, are refused")
    func duplicates() async throws {
        let blobs = MemoryBlobs()
        let inner = blobs.store(Self.tree(Self.file("escaped")))
        let outside = "../outside"
        for tree in [
            Self.tree(Self.file("a"), Self.file("a")),
            Self.tree(Self.symlink("a", to: outside), Self.directory("a", inner)),
            Self.tree(Self.directory("a", inner), Self.symlink("a", to: outside)),
            Self.tree(Self.directory("a", inner), Self.file("a")),
            Self.tree(Self.file("b"), Self.file("a")),
        ] {
            try await expectRefused(blobs.store(tree), blobs)
        }
    }

    @Test("A directory that was exchanged for a symlink while restoring is not followed")
    func exchanged() async throws {
        let place = try TemporaryDirectory()
        for name in ["target", "outside"] { try makeDirectory(place.path + "/" + name) }
        try systemCall("symlink") {
            unsafe Glibc.symlink("../outside", place.path + "/target/a")
        }
        let target = RestoreDirectory(try FileSystemDirectory(path: place.path + "/target"))
        let below = RestorePlace(
            number: 1, base: target, names: [Array("a".utf8)], way: .through([Array("a".utf8)]))
        let error = #expect(throws: PlatformError.self) { _ = try below.open() }
        #expect(error?.errno == ELOOP || error?.errno == ENOTDIR)
        for name in ["..", "a/../..", "/etc"] {
            #expect(throws: PlatformError.self) { _ = try target.descend(Array(name.utf8)) }
        }
        let linked = #expect(throws: PlatformError.self) {
            _ = try target.makeFile(Array("a".utf8), permissions: 0o600)
        }
        #expect(linked?.errno == EEXIST)
    }

    @Test(
        "What is not a tree is refused",
        arguments: [
            "", "{", "[]", "{}x", #"{"nodes":[{}]}"#, #"{"nodes":[{"name":"a"}]}"#,
            #"{"nodes":[{"name":"a","type":"file","content":null}]}"#,
            #"{"nodes":[{"name":"a","type":"dir"}]}"#,
            #"{"nodes":[{"name":"a","type":"magic"}]}"#,
            #"{"nodes":[{"name":"a","type":"symlink","linktarget":"a\u0000b"}]}"#,
            #"{"nodes":[{"name":"a","type":"file","content":["zz"]}]}"#,
            #"{"nodes":[{"name":"a","type":"file","mode":99999999999,"content":[]}]}"#,
            #"{"nodes":[{"name":"a","type":"file","mtime":"yesterday","content":[]}]}"#,
            #"{"x":"# + String(repeating: "[", count: 100_000),
        ])
    func garbage(json: String) {
        #expect(throws: RepositoryError.self) { try TreeDecoder.decode(Array(json.utf8)) }
    }

    @Test("A directory that contains itself ends at the limit of depth")
    func cycle() async throws {
        // A tree cannot hold its own hash, so a source that answers everything with one tree.
        let source = EndlessSource(
            json: Self.tree(Self.directory("d", BlobID(hashing: []))))
        let place = try TemporaryDirectory()
        let target = try Descriptor(opening: place.path, flags: O_RDONLY | O_DIRECTORY)
        let error = await #expect(throws: RepositoryError.self) {
            try await Restore(source: source, target: target, policy: .faithful)
                .run(.tree, of: BlobID(hashing: []))
        }
        #expect(error?.code == .limitExceeded)
        // rm(1) copes with paths of any length.
        let removed = try await ChildProcess.run("rm", ["-rf", place.path + "/d"])
        #expect(removed.isSuccess)
    }

    @Test("A chunk list that does not fit the size of its file is refused")
    func size() async throws {
        let blobs = MemoryBlobs()
        let chunk = blobs.store("content")
        let node = Self.file("f").replacing("[]", with: "[\"\(chunk.hex)\"]")
        try await expectRefused(blobs.store(Self.tree(node)), blobs)
    }

    @Test("Sockets are left out, whatever their number of links")
    func sockets() async throws {
        let blobs = MemoryBlobs()
        let socket = Self.file("s").replacing("file", with: "socket")
            .replacing("[]", with: "null")
        let linked = socket.replacing("\"s\"", with: "\"t\"")
            .replacing("\"links\":1", with: "\"links\":2,\"inode\":7")
        let root = blobs.store(Self.tree(socket, linked))
        let place = try TemporaryDirectory()
        let target = try Descriptor(opening: place.path, flags: O_RDONLY | O_DIRECTORY)
        let summary = try await Restore(source: blobs, target: target, policy: .faithful)
            .run(.tree, of: root)
        #expect(summary.leftOut == 2)
        #expect(try FileSystemDirectory(path: place.path).names() == [])
    }

    private func expectRefused(_ root: BlobID, _ blobs: MemoryBlobs) async throws {
        let place = try TemporaryDirectory()
        for name in ["target", "outside"] { try makeDirectory(place.path + "/" + name) }
        let target = try Descriptor(
            opening: place.path + "/target", flags: O_RDONLY | O_DIRECTORY)
        await #expect(throws: RepositoryError.self) {
            try await Restore(source: blobs, target: target, policy: .faithful)
                .run(.tree, of: root)
        }
        #expect(try await TreeListing(of: place.path + "/outside").lines.count == 1)
        let names = try FileSystemDirectory(path: place.path).names()
        #expect(names == [Array("outside".utf8), Array("target".utf8)])
    }

    private struct EndlessSource: BlobSource {
        let json: String

        func load(_ id: BlobID, kind: BlobKind) async -> [UInt8] { Array(json.utf8) }
    }
}
