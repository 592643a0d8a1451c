import Glibc
import Platform
import Testing

/// Optimised builds are what these are about: run them with `-c release` too.
@Suite("Descriptor and FileLock", .timeLimit(.minutes(1)))
struct DescriptorTests {
    /// Holds a descriptor like the modules' open files and directories do.
    private final class Holder: Sendable {
        private let descriptor: Descriptor

        init(_ descriptor: consuming Descriptor) { self.descriptor = descriptor }

        func withNumber<Answer>(_ body: (Int32) throws -> Answer) rethrows -> Answer {
            try descriptor.withNumber(body)
        }
    }

    @inline(never)
    private func open() throws -> Descriptor {
        try Descriptor(opening: "/", flags: O_DIRECTORY)
    }

    @inline(never)
    private func hold() throws -> Holder { Holder(try open()) }

    private func isOpen(_ number: Int32) -> Bool {
        var status = stat()
        return unsafe fstat(number, &status) == 0
    }

    @Test("a descriptor is open while its number is lent, also one that nothing else uses")
    func lent() throws {
        let isTemporaryOpen = try open().withNumber(isOpen)
        #expect(isTemporaryOpen)
        let local = try open()
        let isLocalOpen = local.withNumber(isOpen)
        #expect(isLocalOpen)
        let isHeldOpen = try hold().withNumber(isOpen)
        #expect(isHeldOpen)
        let found: Descriptor? = try open()
        guard let found else { return }
        let isFoundOpen = found.withNumber(isOpen)
        #expect(isFoundOpen)
    }

    @Test("a descriptor is closed with its owner, and open with its duplicate")
    func closed() throws {
        let original = try open()
        let number = original.withNumber { $0 }
        let duplicate = try original.duplicate()
        let other = duplicate.withNumber { $0 }
        #expect(number != other)
        try original.close()
        let isDuplicateOpen = duplicate.withNumber(isOpen)
        #expect(isDuplicateOpen)
        let released = duplicate.release()
        #expect(isOpen(released))
        #expect(close(released) == 0)
    }

    @Test("a lock whose value is used only by extendLifetime is held to there")
    func lock() async throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/lock"
        do {
            let lock = try FileLock(path: path, purpose: "test")
            defer { extendLifetime(lock) }
            await Task.yield()
            let error = #expect(throws: PlatformError.self) {
                _ = try FileLock(path: path, purpose: "test")
            }
            #expect(error?.code == .locked)
            await Task.yield()
            #expect(throws: PlatformError.self) { _ = try FileLock(path: path, purpose: "test") }
        }
        _ = try FileLock(path: path, purpose: "test")
    }
}
