import Platform
import Testing

@testable import HTTP

@Suite("Overload", .timeLimit(.minutes(1)))
struct OverloadTests {
    @Test("a request without room is answered 503 with Retry-After")
    func noRoom() {
        let (requests, continuation) = AsyncStream.makeStream(
            of: Exchange.self, bufferingPolicy: .bufferingOldest(1))
        let core = ServerCore(options: HTTPServerOptions(), requests: continuation)
        // Nobody suspends or resumes these, so their connections are never looked at.
        let exchanges = (1...2).compactMap { number -> Exchange? in
            guard let connection = unsafe OpaquePointer(bitPattern: number) else { return nil }
            return unsafe Exchange(
                target: "/\(number)", connection: connection, options: HTTPServerOptions())
        }
        #expect(core.submit(exchanges[0])?.status == nil)
        let refusal = core.submit(exchanges[1])
        #expect(refusal?.status == 503)
        #expect(refusal?.headers["Retry-After"] == "1")
        core.close()
        #expect(core.submit(exchanges[1])?.status == 503)
        _ = requests
    }

    @Test("connections beyond the limit wait for one to end")
    func admission() {
        var options = HTTPServerOptions()
        options.connectionLimit = 2
        let (_, continuation) = AsyncStream.makeStream(of: Exchange.self)
        let core = ServerCore(options: options, requests: continuation)
        let calls = Locked(0)
        let call: @Sendable () -> Void = { calls.withLock { $0 += 1 } }
        #expect(core.admit(whenPossible: call))
        #expect(core.admit(whenPossible: call))
        #expect(!core.admit(whenPossible: call))
        #expect(calls.withLock { $0 } == 0)
        core.disconnected(1)
        core.disconnected(2)
        #expect(calls.withLock { $0 } == 1)
        #expect(core.admit(whenPossible: call))
    }
}
