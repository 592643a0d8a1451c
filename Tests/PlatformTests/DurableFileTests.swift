import Glibc
import Platform
import Testing

@Suite("Durable files, locks and directories", .timeLimit(.minutes(1)))
struct DurableFileTests {
    let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test("a file is replaced as a whole and nothing else stays in the directory")
    func replaces() throws {
        let path = directory.path + "/file"
        try DurableFile.write(Array("old and long".utf8), to: path)
        try DurableFile.write(Array("new".utf8), to: path, mode: 0o640)
        #expect(try DurableFile.read(path) == Array("new".utf8))
        var status = stat()
        #expect(unsafe stat(path, &status) == 0)
        #expect(status.st_mode & 0o7777 == 0o640)
        let open = try Descriptor(opening: directory.path, flags: O_DIRECTORY)
        #expect(try directoryEntries(of: open) == [Array("file".utf8)])
    }

    @Test("a failing write leaves the old file and no temporary one")
    func failing() throws {
        let path = directory.path + "/file"
        try FileTree.make(path)
        #expect(throws: PlatformError.self) { try DurableFile.write([1], to: path) }
        let open = try Descriptor(opening: directory.path, flags: O_DIRECTORY)
        #expect(try directoryEntries(of: open) == [Array("file".utf8)])
    }

    @Test("a file beyond the limit is refused")
    func limit() throws {
        let path = directory.path + "/file"
        try DurableFile.write([UInt8](repeating: 7, count: 1001), to: path)
        let error = #expect(throws: PlatformError.self) {
            try DurableFile.read(path, limitBytes: 1000)
        }
        #expect(error?.code == .limitExceeded)
        #expect(try DurableFile.read(path, limitBytes: 1001).count == 1001)
    }

    @Test("the second holder of a lock is told who has it, and gets it afterwards")
    func locks() throws {
        let path = directory.path + "/lock"
        do {
            let first = try FileLock(path: path, purpose: "the hub's data")
            let error = #expect(throws: PlatformError.self) {
                _ = try FileLock(path: path, purpose: "the hub's data")
            }
            #expect(error?.code == .locked)
            #expect(error?.message.contains("process \(getpid()) holds \(path)") == true)
            _ = consume first
        }
        _ = try FileLock(path: path, purpose: "the hub's data")
    }

    @Test("removing a tree takes links, awkward names and deep directories, and only those")
    func removes() throws {
        let outside = directory.path + "/outside"
        try FileTree.make(outside)
        try DurableFile.write([1], to: outside + "/kept")
        let root = directory.path + "/root"
        var deep = root
        try FileTree.make(root)
        for _ in 0..<100 {
            deep += "/d"
            try FileTree.make(deep)
        }
        #expect(unsafe symlink(outside, root + "/link") == 0)
        #expect(unsafe symlink("/nowhere", deep + "/dangling") == 0)
        let name: [CChar] = Array(root.utf8CString.dropLast()) + [47, -1, 10, 39, 0]
        #expect(unsafe mkdir(name, 0o000) == 0)
        try removeTree(at: root)
        #expect(unsafe access(root, F_OK) != 0)
        #expect(try DurableFile.read(outside + "/kept") == [1])
        try removeTree(at: root)
    }

    @Test("a temporary directory goes with its owner")
    func ownerless() throws {
        var path = ""
        do {
            let inner = try TemporaryDirectory()
            path = inner.path
            try DurableFile.write([1], to: path + "/file")
        }
        #expect(unsafe access(path, F_OK) != 0)
    }
}

enum FileTree {
    static func make(_ path: String) throws {
        try systemCall("make \(path)") { unsafe mkdir(path, 0o755) }
    }
}
