import HTTP
import Platform
import Testing

@Suite("Leaving and stopping", .timeLimit(.minutes(1)))
struct LifetimeTests {
    private static var quickSweeps: HTTPServerOptions {
        var options = HTTPServerOptions()
        options.sweepInterval = .milliseconds(20)
        return options
    }

    @Test("a client that gives up cancels the handler", arguments: [false, true])
    func clientLeaves(isStreaming: Bool) async throws {
        let (events, say) = AsyncStream.makeStream(of: String.self)
        let handler: HTTPServer.Handler = { _, _ in
            say.yield("begun")
            guard isStreaming else {
                await untilCanceled()
                say.yield("canceled: \(Task.isCancelled)")
                return HTTPResponse(status: 200)
            }
            return HTTPResponse(
                status: 200,
                body: .stream(length: nil) { writer in
                    try await writer.write([1])
                    await untilCanceled()
                    say.yield("canceled: \(Task.isCancelled)")
                })
        }
        try await withServer(Self.quickSweeps, handler) { url, _ in
            let client = try HTTPClient()
            await withThrowingTaskGroup { group in
                group.addTask {
                    let response = try await client.send(HTTPClientRequest(url: url + "/"))
                    _ = try await response.body.collect(limitBytes: 10)
                }
                let first = await next(events)
                #expect(first == "begun")
                group.cancelAll()
                let result = await group.nextResult()
                #expect(throws: CancellationError.self) { try result?.get() }
            }
            let second = await next(events)
            #expect(second == "canceled: true")
        }
    }

    @Test("dropping a response ends its stream on the server")
    func responseDropped() async throws {
        let (events, say) = AsyncStream.makeStream(of: String.self)
        let handler: HTTPServer.Handler = { _, _ in
            HTTPResponse(
                status: 200,
                body: .stream(length: nil) { writer in
                    defer { say.yield("ended") }
                    while true { try await writer.write([UInt8](repeating: 1, count: 1000)) }
                })
        }
        try await withServer(HTTPServerOptions(), handler) { url, _ in
            let client = try HTTPClient()
            #expect(try await client.send(HTTPClientRequest(url: url + "/")).status == 200)
            let first = await next(events)
            #expect(first == "ended")
        }
    }

    @Test("a stopped server lets requests finish, refuses new clients, and ends")
    func gracefulStop() async throws {
        let (events, say) = AsyncStream.makeStream(of: Void.self)
        let (release, go) = AsyncStream.makeStream(of: Void.self)
        let server = try HTTPServer(options: HTTPServerOptions()) { _, _ in
            say.yield()
            for await _ in release { break }
            return HTTPResponse(status: 200, body: .text("finished"))
        }
        let url = "http://127.0.0.1:\(server.port)/"
        let client = try HTTPClient()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run() }
            async let response = client.send(HTTPClientRequest(url: url))
            _ = await next(events)
            server.stop()
            // The stop is asynchronous: clients are refused from some moment on.
            var refusal: (any Error)?
            while refusal == nil {
                do {
                    let late = HTTPClientRequest(url: url, deadline: .milliseconds(200))
                    _ = try await client.send(late)
                } catch let error as HTTPError where error.code == .couldNotConnect {
                    refusal = error
                } catch {}
            }
            go.yield()
            go.finish()
            let body = try await response.body.collect(limitBytes: 100)
            #expect(body == Array("finished".utf8))
            try await group.waitForAll()
        }
    }

    @Test(
        "open streams, waiting handlers and half sent bodies end with the server",
        arguments: [false, true])
    func boundedStop(isGraceful: Bool) async throws {
        var options = HTTPServerOptions()
        options.stopGrace = .milliseconds(100)
        let (events, say) = AsyncStream.makeStream(of: Void.self)
        let server = try HTTPServer(options: options) { request, body in
            switch request.path {
            case "/stream":
                return HTTPResponse(
                    status: 200,
                    body: .stream(length: nil) { writer in
                        try await writer.write([1])
                        say.yield()
                        await untilCanceled()
                        try Task.checkCancellation()
                    })
            case "/wait":
                say.yield()
                await untilCanceled()
                return HTTPResponse(status: 503)
            default:
                say.yield()
                let bytes = try? await body.collect(limitBytes: 1 << 20)
                return HTTPResponse(status: bytes == nil ? 500 : 200)
            }
        }
        let url = "http://127.0.0.1:\(server.port)"
        let client = try HTTPClient()
        let clock = ContinuousClock()
        var asked = clock.now
        await withTaskGroup(of: Void.self) { group in
            for path in ["/stream", "/wait", "/upload"] {
                for _ in 0..<10 {
                    group.addTask {
                        let body: HTTPBody =
                            path == "/upload"
                            ? .stream(length: 1000) { _ in await untilCanceled() } : .empty
                        let request = HTTPClientRequest(
                            method: "POST", url: url + path, body: body, deadline: nil,
                            stallTimeout: .seconds(1))
                        // How it ends is the server's affair here; that it ends is the test.
                        let response = try? await client.send(request)
                        _ = try? await response?.body.collect(limitBytes: 100)
                    }
                }
            }
            await withThrowingTaskGroup(of: Void.self) { running in
                running.addTask { try await server.run() }
                for _ in 0..<30 { _ = await next(events) }
                asked = clock.now
                if isGraceful { server.stop() } else { running.cancelAll() }
                await #expect(throws: Never.self) { try await running.waitForAll() }
            }
            #expect(clock.now - asked < .seconds(3))
            await group.waitForAll()
        }
        #expect(clock.now - asked < .seconds(4))
    }

    @Test("a server that nobody called ends at once")
    func idleStop() async throws {
        let server = try HTTPServer(options: HTTPServerOptions()) { _, _ in
            HTTPResponse(status: 200)
        }
        server.stop()
        try await server.run()
        await #expect(throws: HTTPError.self) { try await server.run() }
    }

    @Test("a response outlives its client")
    func clientGoes() async throws {
        let bytes = patternBytes(4 << 20)
        let handler: HTTPServer.Handler = { _, _ in
            HTTPResponse(status: 200, body: .bytes(bytes))
        }
        try await withServer(Self.quickSweeps, handler) { url, _ in
            let response = try await HTTPClient().send(HTTPClientRequest(url: url + "/"))
            #expect(try await response.body.collect(limitBytes: 4 << 20) == bytes)
        }
    }
}

/// The next element of a stream that one task at a time reads.
private func next<Element: Sendable>(_ stream: AsyncStream<Element>) async -> Element? {
    for await element in stream { return element }
    return nil
}
