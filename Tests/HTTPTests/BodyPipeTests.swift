import Platform
import Testing

@testable import HTTP

@Suite("BodyPipe", .timeLimit(.minutes(1)))
struct BodyPipeTests {
    @Test("bytes keep their order in pieces of any size", arguments: 1..<6 as Range<UInt64>)
    func order(seed: UInt64) async throws {
        let pipe = BodyPipe(capacityBytes: 1000) {}
        let bytes = patternBytes(20_000, seed: seed)
        async let written: Void = {
            for start in stride(from: 0, to: bytes.count, by: Int(seed) * 317) {
                let end = min(bytes.count, start + Int(seed) * 317)
                try await pipe.write(Array(bytes[start..<end]))
            }
            pipe.finish()
        }()
        var read: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 97)
        var isOpen = true
        while isOpen {
            switch unsafe buffer.withUnsafeMutableBytes({ unsafe pipe.take(into: $0) }) {
            case .bytes(let count): read += buffer.prefix(count)
            case .empty: await Task.yield()
            case .ended: isOpen = false
            case .failed: Issue.record("the pipe failed")
            }
        }
        try await written
        #expect(read == bytes)
    }

    @Test("a full pipe refuses a piece and wakes its giver when there is room again")
    func fullPipe() async throws {
        let wakes = Locked(0)
        let pipe = BodyPipe(capacityBytes: 10) { wakes.withLock { $0 += 1 } }
        let piece = [UInt8](repeating: 1, count: 10)
        let offer = { unsafe piece.withUnsafeBytes { unsafe pipe.offer($0) } }
        #expect(offer() == .accepted)
        #expect(offer() == .full)
        #expect(wakes.withLock { $0 } == 0)
        #expect(try await pipe.next() == piece)
        #expect(wakes.withLock { $0 } == 1)
        #expect(offer() == .accepted)
        pipe.finish()
        #expect(offer() == .discarded)
        #expect(try await pipe.next() == piece)
        #expect(try await pipe.next() == nil)
    }

    @Test("a reader of a large body is waked for as much as it waits for, or for the end")
    func gathered() async throws {
        let pipe = BodyPipe(capacityBytes: 8) {}
        let piece: [UInt8] = [1, 2, 3]
        let offer = { unsafe piece.withUnsafeBytes { unsafe pipe.offer($0) } }
        async let many = pipe.next(waitingFor: 100)
        // The reader waits by now, or comes later: it finds everything either way.
        for _ in 0..<3 { await Task.yield() }
        for _ in 0..<3 { #expect(offer() == .accepted) }
        #expect(try await many == piece + piece + piece)
        async let few = pipe.next(waitingFor: 8)
        for _ in 0..<3 { await Task.yield() }
        #expect(offer() == .accepted)
        pipe.finish()
        #expect(try await few == piece)
        #expect(try await pipe.next(waitingFor: 8) == nil)
    }

    @Test("a failure reaches a waiting reader and drops what was there")
    func failure() async throws {
        struct Gone: Error {}
        let pipe = BodyPipe(capacityBytes: 10) {}
        try await pipe.write([1, 2, 3])
        #expect(try await pipe.next() == [1, 2, 3])
        await withThrowingTaskGroup(of: [UInt8]?.self) { group in
            group.addTask { try await pipe.next() }
            pipe.fail(Gone())
            let result = await group.nextResult()
            #expect(throws: Gone.self) { try result?.get() }
        }
        await #expect(throws: Gone.self) { try await pipe.write([1]) }
        pipe.finish()
        await #expect(throws: Gone.self) { try await pipe.next() }
    }

    @Test("cancellation ends a wait on either side")
    func cancellation() async throws {
        let pipe = BodyPipe(capacityBytes: 1) {}
        await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { _ = try await pipe.next() }
            group.cancelAll()
            await #expect(throws: CancellationError.self) { try await group.next() }
        }
        await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await pipe.write([1, 2]) }
            group.cancelAll()
            await #expect(throws: CancellationError.self) { try await group.next() }
        }
    }

    @Test("a second reader is refused, the first goes on")
    func twoReaders() async throws {
        let pipe = BodyPipe(capacityBytes: 10) {}
        try await withThrowingTaskGroup(of: [UInt8]?.self) { group in
            for _ in 0..<2 { group.addTask { try await pipe.next() } }
            let first = await group.nextResult()
            #expect(throws: HTTPError.self) { try first?.get() }
            let offered = unsafe [1].withUnsafeBytes { unsafe pipe.offer($0) }
            #expect(offered == .accepted)
            let second = try await group.next()
            #expect(second??.count == MemoryLayout<Int>.size)
        }
    }
}
