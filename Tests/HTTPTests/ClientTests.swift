import HTTP
import Platform
import Testing

@Suite("HTTP client", .timeLimit(.minutes(1)))
struct ClientTests {
    @Test("a refused connection names the address and the reason")
    func refused() async throws {
        let client = try HTTPClient()
        let error = await #expect(throws: HTTPError.self) {
            try await client.send(HTTPClientRequest(url: "https://127.0.0.1:1/v1?token=x"))
        }
        #expect(error?.code == .couldNotConnect)
        #expect(error?.message == "cannot reach https://127.0.0.1:1: connection refused")
    }

    @Test(
        "link-local addresses and metadata services get no connection, however they are written",
        arguments: [
            "169.254.169.254", "169.254.0.1:80", "2852039166", "0xa9fea9fe", "[fe80::1]",
            "[::ffff:169.254.169.254]", "[fd00:ec2::254]", "[64:ff9b::a9fe:a9fe]", "0.0.0.0",
            "[::]", "100.100.100.200", "224.0.0.1", "[fd20:ce::254]", "[fd00:42::42]",
            "[2002:a9fe:a9fe::1]", "[64:ff9b:1::a9fe:a9fe]",
        ])
    func addresses(host: String) async throws {
        var options = HTTPClientOptions()
        options.refusesLocalServices = true
        let client = try HTTPClient(options: options)
        let error = await #expect(throws: HTTPError.self) {
            try await client.send(HTTPClientRequest(url: "http://\(host)/latest/meta-data"))
        }
        #expect(error?.code == .addressRefused, "\(error as Any)")
    }

    @Test("an unknown name is a connection that could not be made")
    func unknownName() async throws {
        let client = try HTTPClient()
        let error = await #expect(throws: HTTPError.self) {
            try await client.send(HTTPClientRequest(url: "http://nobody.invalid/"))
        }
        #expect(error?.code == .couldNotConnect)
        #expect(error?.message.contains("nobody.invalid") == true)
    }

    @Test(
        "what must not be sent is refused before it is",
        arguments: [
            HTTPClientRequest(url: "ftp://127.0.0.1/"),
            HTTPClientRequest(url: "file:///etc/passwd"),
            HTTPClientRequest(url: "http://127.0.0.1/a b"),
            HTTPClientRequest(url: "http://127.0.0.1/\r\nX: y"),
            HTTPClientRequest(method: "GET /", url: "http://127.0.0.1/"),
            HTTPClientRequest(url: "http://127.0.0.1/", headers: ["A": "b\r\nC: d"]),
            HTTPClientRequest(url: "http://127.0.0.1/", headers: ["A b": "c"]),
        ])
    func invalid(request: HTTPClientRequest) async throws {
        let client = try HTTPClient()
        let error = await #expect(throws: HTTPError.self) { try await client.send(request) }
        #expect(error?.code == .invalidMessage)
    }

    @Test("a redirect is an answer; nobody follows it")
    func redirect() async throws {
        let followed = Locked(false)
        let handler: HTTPServer.Handler = { request, _ in
            if request.path == "/target" { followed.withLock { $0 = true } }
            return HTTPResponse(status: 302, headers: ["Location": "/target"])
        }
        try await withServer(HTTPServerOptions(), handler) { url, _ in
            let response = try await HTTPClient().send(HTTPClientRequest(url: url + "/start"))
            #expect(response.status == 302)
            #expect(response.headers["location"] == "/target")
            _ = try await response.body.collect(limitBytes: 100)
        }
        #expect(!followed.withLock { $0 })
    }

    @Test(
        "the deadline ends a request before its head and within its body", arguments: [false, true])
    func deadline(isWithinBody: Bool) async throws {
        let handler: HTTPServer.Handler = { _, _ in
            if !isWithinBody { await untilCanceled() }
            return HTTPResponse(
                status: 200,
                body: .stream(length: nil) { writer in
                    try await writer.write([1])
                    await untilCanceled()
                })
        }
        try await withServer(HTTPServerOptions(), handler) { url, _ in
            let client = try HTTPClient()
            let error = await #expect(throws: HTTPError.self) {
                let response = try await client.send(
                    HTTPClientRequest(url: url + "/", deadline: .milliseconds(200)))
                for try await _ in response.body {}
            }
            #expect(error?.code == .timeout)
            #expect(error?.message.contains(url) == true)
        }
    }

    @Test("a peer that is silent for too long ends the request")
    func stall() async throws {
        let handler: HTTPServer.Handler = { _, _ in
            await untilCanceled()
            return HTTPResponse(status: 200)
        }
        try await withServer(HTTPServerOptions(), handler) { url, _ in
            let client = try HTTPClient()
            let error = await #expect(throws: HTTPError.self) {
                try await client.send(
                    HTTPClientRequest(url: url + "/", deadline: nil, stallTimeout: .seconds(1)))
            }
            #expect(error?.code == .timeout)
        }
    }

    @Test("the error of a body's closure is what the caller sees")
    func producerFails() async throws {
        struct DiskFull: Error {}
        let handler: HTTPServer.Handler = { _, body in
            _ = try? await body.collect(limitBytes: 100)
            return HTTPResponse(status: 200)
        }
        try await withServer(HTTPServerOptions(), handler) { url, _ in
            await #expect(throws: DiskFull.self) {
                try await HTTPClient().send(
                    HTTPClientRequest(
                        method: "PUT", url: url + "/",
                        body: .stream(length: nil) { writer in
                            try await writer.write([1])
                            throw DiskFull()
                        }))
            }
        }
    }

    @Test("a refusal ends an upload that goes on", arguments: [100 << 20, nil] as [Int64?])
    func earlyRefusal(length: Int64?) async throws {
        let handler: HTTPServer.Handler = { _, _ in HTTPResponse(status: 403) }
        var options = HTTPServerOptions()
        options.drainLimitBytes = 1 << 20
        try await withServer(options, handler) { url, _ in
            let client = try HTTPClient()
            let response = try await client.send(
                HTTPClientRequest(
                    method: "PUT", url: url + "/",
                    body: .stream(length: length) { writer in
                        let piece = [UInt8](repeating: 1, count: 1 << 20)
                        for _ in 0..<100 { try await writer.write(piece) }
                    }))
            #expect(response.status == 403)
        }
    }

    @Test("connections are used again")
    func reuse() async throws {
        let handler: HTTPServer.Handler = { request, _ in
            HTTPResponse(status: 200, body: .text(request.peer))
        }
        try await withServer(HTTPServerOptions(), handler) { url, _ in
            let client = try HTTPClient()
            var peers: Set<[UInt8]> = []
            for _ in 0..<2000 {
                let response = try await client.send(HTTPClientRequest(url: url + "/"))
                peers.insert(try await response.body.collect(limitBytes: 100))
            }
            #expect(peers.count == 1)
        }
    }

    @Test("64 at once, 6,400 in all, every one its own answer")
    func concurrent() async throws {
        let handler: HTTPServer.Handler = { request, body in
            let bytes = (try? await body.collect(limitBytes: 1000)) ?? []
            return HTTPResponse(status: 200, body: .bytes(bytes))
        }
        try await withServer(HTTPServerOptions(), handler) { url, _ in
            let client = try HTTPClient()
            let clock = ContinuousClock()
            let begin = clock.now
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<64 {
                    group.addTask {
                        for round in 0..<100 {
                            let text = HTTPBody.text("\(number) \(round)")
                            let response = try await client.send(
                                HTTPClientRequest(method: "POST", url: url + "/", body: text))
                            let bytes = try await response.body.collect(limitBytes: 100)
                            #expect(String(decoding: bytes, as: UTF8.self) == "\(number) \(round)")
                        }
                    }
                }
                try await group.waitForAll()
            }
            let rate = 6400 / ((clock.now - begin) / .seconds(1))
            print("figure http_requests_per_second \(Int(rate))")
        }
    }
}
