import Glibc
import ObjectStore
import Platform
import Testing

/// What a directory store does beyond the contract.
@Suite(.timeLimit(.minutes(2)))
struct DirectoryStoreTests {
    @Test("Directories are 0700, objects 0400, in the layout of restic's local backend")
    func layout() async throws {
        let place = try TemporaryDirectory()
        let store = try DirectoryStore(root: place.path + "/bucket", create: true)
        try await store.put(ObjectName("data/ab/abcd"), .bytes([1]))
        #expect(try mode(place.path + "/bucket") == 0o700)
        #expect(try mode(place.path + "/bucket/data") == 0o700)
        #expect(try mode(place.path + "/bucket/data/ab") == 0o700)
        #expect(try mode(place.path + "/bucket/data/ab/abcd") == 0o400)
    }

    @Test("A missing bucket directory is said to be missing, and never made silently")
    func missingRoot() async throws {
        let place = try TemporaryDirectory()
        let root = place.path + "/bucket"
        await expect(.bucketMissing) { _ = try DirectoryStore(root: root) }
        let store = try DirectoryStore(root: root, create: true)
        try await store.put(ObjectName("a"), .bytes([1]))
        try removeTree(at: root)
        let error = await #expect(throws: ObjectStoreError.self) {
            try await store.put(ObjectName("b"), .bytes([1]))
        }
        #expect(error?.code == .bucketMissing)
        #expect(error?.message.contains("bucket directory \(root) is missing") == true)
        await expect(.bucketMissing) { _ = try await store.get(ObjectName("a"), limitBytes: 9) }
        await expect(.bucketMissing) { _ = try await store.list(.all) }
        #expect(unsafe access(root, F_OK) != 0)
    }

    @Test("A body whose SHA-256 is not the announced one leaves nothing")
    func digest() async throws {
        let place = try TemporaryDirectory()
        let store = try DirectoryStore(root: place.path)
        let name = try ObjectName("data/ab/abcd")
        let bytes = Random.bytes(5000)
        await expect(.digest) {
            try await store.put(name, .bytes(bytes, sha256: [UInt8](repeating: 0, count: 32)))
        }
        #expect(try await store.list(.all).isEmpty)
        #expect(try temporaries(in: place.path + "/data/ab") == [])
        #expect(try await store.put(name, .bytes(bytes, sha256: Digest.sha256(bytes))))
    }

    @Test("What a killed writer leaves is not listed, does not block, and is swept by age")
    func leftovers() async throws {
        let place = try TemporaryDirectory()
        let store = try DirectoryStore(root: place.path)
        let name = try ObjectName("data/ab/abcd")
        try await store.put(name, .bytes([1]))
        let directory = place.path + "/data/ab"
        // A child writes through the same names as the store and is killed before its rename.
        let killed = try await ChildProcess.run(
            "/bin/sh",
            [
                "-c",
                "printf half > '\(directory)/.tmp-0123'; printf x > '\(directory)/.tmp-45'; kill -9 $$",
            ])
        #expect(!killed.isSuccess)
        #expect(try await store.list(.all).map(\.name) == [name])
        #expect(try await store.put(ObjectName("data/ab/abce"), .bytes([2])))
        #expect(try await store.sweep(olderThan: .seconds(3600)) == 0)
        #expect(try temporaries(in: directory).count == 2)
        #expect(try await store.sweep(olderThan: .zero) == 2)
        #expect(try temporaries(in: directory) == [])
        #expect(try await store.list(.all).count == 2)
    }

    @Test("A full disk is said to be full, leaves no partial object, and heals")
    func full() async throws {
        let place = try TemporaryDirectory()
        try #require(geteuid() == 0, "mounting needs root")
        let mounted = try await ChildProcess.run(
            "mount", ["-t", "tmpfs", "-o", "size=1m", "berth-test", place.path])
        try #require(mounted.isSuccess, "\(mounted.errorText)")
        do {
            let store = try DirectoryStore(root: place.path)
            let first = try ObjectName("data/aa/first")
            try await store.put(first, .bytes(Random.bytes(600_000)))
            let second = try ObjectName("data/aa/second")
            await expect(.full) {
                try await store.put(second, .bytes(Random.bytes(600_000)))
            }
            #expect(try await store.list(.all).map(\.name) == [first])
            #expect(try temporaries(in: place.path + "/data/aa") == [])
            try await store.delete(first)
            #expect(try await store.put(second, .bytes(Random.bytes(600_000))))
        } catch {
            Issue.record(error)
        }
        let unmounted = try await ChildProcess.run("umount", [place.path])
        #expect(unmounted.isSuccess, "\(unmounted.errorText)")
    }

    @Test("A link inside the bucket leads nowhere")
    func links() async throws {
        let place = try TemporaryDirectory()
        try DurableFile.write([1], to: place.path + "/secret")
        let root = place.path + "/bucket"
        let store = try DirectoryStore(root: root, create: true)
        try systemCall("symlink") { unsafe symlink("../secret", root + "/config") }
        try systemCall("symlink") { unsafe symlink("..", root + "/data") }
        await #expect(throws: ObjectStoreError.self) {
            try await store.get(ObjectName("config"), limitBytes: 9)
        }
        await #expect(throws: ObjectStoreError.self) {
            try await store.get(ObjectName("data/secret"), limitBytes: 9)
        }
        await #expect(throws: ObjectStoreError.self) {
            try await store.put(ObjectName("data/new"), .bytes([1]))
        }
        #expect(unsafe access(place.path + "/new", F_OK) != 0)
        #expect(try await store.list(.all).isEmpty)
    }

    @Test(
        "Names that are no object names are refused",
        arguments: [
            "", "/", "a/", "/a", "a//b", ".", "..", "a/..", "../a", "a/./b", "A", "a b", "é", "a\0",
            ".tmp-1", "a/.tmp-1", String(repeating: "a", count: 201),
            String(repeating: "abcdefgh/", count: 60) + "a",
        ])
    func names(text: String) {
        #expect(throws: ObjectStoreError.self) { try ObjectName(text) }
    }

    private func mode(_ path: String) throws -> UInt32 {
        var attributes = stat()
        try systemCall("stat \(path)") { unsafe stat(path, &attributes) }
        return attributes.st_mode & 0o7777
    }

    private func temporaries(in path: String) throws -> [String] {
        let directory = try Descriptor(opening: path, flags: O_RDONLY | O_DIRECTORY)
        return try directoryEntries(of: directory)
            .map { String(decoding: $0, as: UTF8.self) }.filter { $0.hasPrefix(".tmp-") }
    }
}
