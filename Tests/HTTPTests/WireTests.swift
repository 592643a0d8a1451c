import Glibc
import HTTP
import Platform
import Testing

@Suite("On the wire", .timeLimit(.minutes(1)))
struct WireTests {
    private static let echo: HTTPServer.Handler = { request, body in
        guard let bytes = try? await body.collect(limitBytes: 1000) else {
            return HTTPResponse(status: 413)
        }
        return HTTPResponse(status: 200, body: .text("\(request.method) \(bytes.count)"))
    }

    private static var impatient: HTTPServerOptions {
        var options = HTTPServerOptions()
        options.idleTimeout = .seconds(1)
        options.bodyDeadline = .seconds(1)
        options.sweepInterval = .milliseconds(50)
        return options
    }

    /// Sends pieces with pauses on a connection of its own, and returns everything until the end.
    private func talk(
        _ server: HTTPServer, _ pieces: [String], pause: Duration = .zero
    ) async throws -> String {
        let wire = try Wire(port: server.port)
        let pool = BlockingPool(label: "wire", width: 1)
        return try await pool.run { try wire.talk(pieces.map { Array($0.utf8) }, pause: pause) }
    }

    @Test(
        "malformed requests are answered 400 and reach no handler",
        arguments: [
            "GET /%zz HTTP/1.1", "GET /%00 HTTP/1.1", "GET /../x HTTP/1.1", "GET * HTTP/1.1",
            "GET / HTTP/1.1\r\nContent-Length: x", "GET / HTTP/1.1\r\nno colon",
        ])
    func malformed(head: String) async throws {
        let calls = Locked(0)
        let handler: HTTPServer.Handler = { _, _ in
            calls.withLock { $0 += 1 }
            return HTTPResponse(status: 200)
        }
        try await withServer(HTTPServerOptions(), handler) { _, server in
            let answer = try await talk(
                server, [head + "\r\nHost: x\r\nConnection: close\r\n\r\n"])
            #expect(answer.hasPrefix("HTTP/1.1 400 "))
        }
        #expect(calls.withLock { $0 } == 0)
    }

    @Test("a head that is too large is refused")
    func largeHead() async throws {
        try await withServer(HTTPServerOptions(), Self.echo) { _, server in
            let field = "X: " + String(repeating: "a", count: 40_000)
            let answer = try await talk(server, ["GET / HTTP/1.1\r\nHost: x\r\n\(field)\r\n\r\n"])
            #expect(answer.hasPrefix("HTTP/1.1 431 ") || answer.hasPrefix("HTTP/1.1 413 "))
        }
    }

    @Test("pipelined requests are answered in order on one connection")
    func pipelined() async throws {
        try await withServer(HTTPServerOptions(), Self.echo) { _, server in
            let answer = try await talk(
                server,
                [
                    "GET /1 HTTP/1.1\r\nHost: x\r\n\r\n"
                        + "POST /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                        + "DELETE /3 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
                ])
            #expect(answer.components("HTTP/1.1 200 ") == 3)
            #expect(answer.contains("GET 0") && answer.contains("POST 3"))
            #expect(answer.hasSuffix("DELETE 0"))
        }
    }

    @Test("a client that expects 100 is told to go on, or is refused without sending")
    func expectContinue() async throws {
        try await withServer(HTTPServerOptions(), Self.echo) { _, server in
            let accepted = try await talk(
                server,
                [
                    "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n"
                        + "Connection: close\r\n\r\n", "abc",
                ], pause: .milliseconds(100))
            #expect(accepted.hasPrefix("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 "))
            let refused = try await talk(
                server,
                [
                    "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 1001\r\n"
                        + "Expect: 100-continue\r\n\r\n"
                ])
            #expect(refused.hasPrefix("HTTP/1.1 413 "))
        }
    }

    @Test("who sends a head or a body drop by drop is dropped", arguments: [false, true])
    func slowClient(isBody: Bool) async throws {
        try await withServer(Self.impatient, Self.echo) { _, server in
            let head = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n"
            let drops =
                (isBody ? [head + "\r\n"] : [head + "X: "])
                + Array(repeating: "a", count: 200)
            let clock = ContinuousClock()
            let begin = clock.now
            let answer = try await talk(server, drops, pause: .milliseconds(100))
            #expect(clock.now - begin < .seconds(10))
            #expect(!answer.contains("200 OK"))
        }
    }

    @Test("an idle connection is closed")
    func idle() async throws {
        try await withServer(Self.impatient, Self.echo) { _, server in
            let answer = try await talk(server, ["GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
            #expect(answer.hasSuffix("GET 0"))
        }
    }

    @Test("a header that cannot be sent is a 500, not a forged response")
    func responseSplitting() async throws {
        let handler: HTTPServer.Handler = { _, _ in
            HTTPResponse(status: 200, headers: ["X": "a\r\nSet-Cookie: b"])
        }
        try await withServer(HTTPServerOptions(), handler) { _, server in
            let answer = try await talk(
                server, ["GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"])
            #expect(answer.hasPrefix("HTTP/1.1 500 "))
            #expect(!answer.contains("Set-Cookie"))
        }
    }

    @Test("more connections than the limit wait until one is free")
    func connectionLimit() async throws {
        var options = HTTPServerOptions()
        options.connectionLimit = 4
        try await withServer(options, Self.echo) { url, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<16 {
                    group.addTask {
                        let response = try await HTTPClient().send(
                            HTTPClientRequest(url: url + "/", headers: ["Connection": "close"]))
                        #expect(response.status == 200)
                        _ = try await response.body.collect(limitBytes: 100)
                    }
                }
                try await group.waitForAll()
            }
        }
    }
}

/// A TCP connection that says what it is told to.
private final class Wire: Sendable {
    private let socket: Descriptor

    init(port: UInt16) throws {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        socket = Descriptor(owning: try systemCall("socket") { Glibc.socket(AF_INET, type, 0) })
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        try socket.withNumber { number in
            try systemCall("connect") {
                unsafe withUnsafePointer(to: &address) { pointer in
                    unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                        unsafe connect(number, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
                    }
                }
            }
        }
    }

    func talk(_ pieces: [[UInt8]], pause: Duration) throws -> String {
        for piece in pieces {
            let sent = socket.withNumber {
                unsafe send($0, piece, piece.count, Int32(MSG_NOSIGNAL))
            }
            if sent != piece.count { break }
            usleep(UInt32(pause / .microseconds(1)))
        }
        var received: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = socket.withNumber { unsafe recv($0, &buffer, buffer.count, 0) }
            guard count > 0 else { return String(decoding: received, as: UTF8.self) }
            received += buffer.prefix(count)
        }
    }
}

extension String {
    fileprivate func components(_ part: String) -> Int {
        var count = 0
        var rest = self[...]
        while let range = rest.firstRange(of: part) {
            count += 1
            rest = rest[range.upperBound...]
        }
        return count
    }
}
