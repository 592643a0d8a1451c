import Dispatch
public import Platform

/// An HTTP/1.1 server on libmicrohttpd: a few threads move bytes, every request's handler is a
/// child task of `run()`.
///
/// ```swift
/// let server = try HTTPServer(options: options) { request, body in
///     guard request.method == "POST" else { return HTTPResponse(status: 405) }
///     do {
///         let bytes = try await body.collect(limitBytes: 1 << 20)
///         return HTTPResponse(status: 200, body: .bytes(bytes))
///     } catch {
///         return HTTPResponse(status: 413)
///     }
/// }
/// try await server.run()
/// ```
public final class HTTPServer: Service {
    /// Answers a request, asked with its head; the body is not received before it is read.
    ///
    /// Its task is canceled when the client leaves and when the server stops.
    public typealias Handler = @Sendable (HTTPRequest, HTTPBodyStream) async -> HTTPResponse

    /// The address it listens on.
    public let address: String
    /// The port it listens on, never 0.
    public let port: UInt16

    private let options: HTTPServerOptions
    private let handler: Handler
    private let listener: Listener
    private let isStarted = Locked(false)
    private let stopped = Latch()

    /// Binds the address; connections wait until `run()`.
    ///
    /// - Parameters:
    ///   - options: where to listen and what to bear.
    ///   - handler: answers the requests.
    /// - Throws: `HTTPError` with code `couldNotListen` naming the address and why.
    public init(options: HTTPServerOptions, handler: @escaping Handler) throws {
        listener = try Listener(address: options.address, port: options.port)
        self.options = options
        self.handler = handler
        address = options.address
        port = listener.port
    }

    /// Serves until `stop()` or cancellation; once per server.
    ///
    /// Cancellation is passed to all handlers at once and ends streams; `stop()` first lets
    /// requests finish. Both stop accepting, and both return within bounded time as long as the
    /// handlers obey cancellation.
    /// - Throws: `HTTPError` when the daemon cannot be started (`certificate`, `couldNotListen`).
    public func run() async throws {
        let isFirst = isStarted.withLock { isStarted -> Bool in
            defer { isStarted = true }
            return !isStarted
        }
        guard isFirst else {
            throw HTTPError(code: .closed, message: "a server runs once; make a new one")
        }
        let (requests, continuation) = AsyncStream.makeStream(
            of: Exchange.self, bufferingPolicy: .bufferingOldest(options.backlog))
        let core = ServerCore(options: options, requests: continuation)
        let daemon = try Daemon(core: core)
        let acceptor = Acceptor(listener: listener, daemon: daemon, core: core)
        await withTaskGroup { group in
            group.addTask { await Self.sweep(core, every: self.options.sweepInterval) }
            group.addTask { await self.finishWhenStopped(core, acceptor) }
            await withDiscardingTaskGroup { handlers in
                for await exchange in requests {
                    handlers.addTask { await self.serve(exchange) }
                }
                await acceptor.close()
                handlers.cancelAll()
            }
            group.cancelAll()
        }
        await shutDown(core, daemon)
    }

    /// Asks `run()` to end: no further connections, requests get the grace to finish, then
    /// their tasks are canceled.
    public func stop() { stopped.open() }

    private func serve(_ exchange: Exchange) async {
        await withTaskGroup { group in
            group.addTask { await self.answer(exchange) }
            group.addTask { await exchange.ended.wait() }
            await group.next()
            group.cancelAll()
        }
    }

    private func answer(_ exchange: Exchange) async {
        guard let request = exchange.request else { return }
        let body = HTTPBodyStream(
            pipe: exchange.incoming, announcedBytes: request.bodyBytes,
            limitBytes: options.bodyLimitBytes, start: { exchange.wantBody() }, abandon: {})
        let response = await handler(request, body)
        exchange.respond(response)
        guard case .stream(let length, let produce) = response.body,
            request.method != "HEAD", response.status != 204, response.status != 304
        else { return }
        let writer = HTTPBodyWriter(pipe: exchange.outgoing, length: length)
        do {
            try await produce(writer)
            try writer.finish()
        } catch {
            exchange.outgoing.fail(error)
        }
    }

    private static func sweep(_ core: ServerCore, every interval: Duration) async {
        while !Task.isCancelled {
            // Only cancellation ends a sleep early, and the loop sees it.
            try? await Task.sleep(for: interval)
            core.sweep()
        }
    }

    private func finishWhenStopped(_ core: ServerCore, _ acceptor: Acceptor) async {
        await stopped.wait()
        guard !Task.isCancelled else { return }
        core.beginStopping()
        await acceptor.close()
        let idle = Latch()
        core.whenIdle { idle.open() }
        await withTaskGroup { group in
            group.addTask { await idle.wait() }
            // Only cancellation ends the sleep early, and then there is nothing to wait for.
            group.addTask { try? await Task.sleep(for: self.options.stopGrace) }
            await group.next()
            group.cancelAll()
        }
        core.close()
    }

    /// Lets the daemon send what the handlers, who are gone, have answered, then ends it.
    ///
    /// On a thread that may block, because this task may be canceled.
    private func shutDown(_ core: ServerCore, _ daemon: Daemon) async {
        core.close()
        await withCheckedContinuation { (done: CheckedContinuation<Void, Never>) in
            let queue = DispatchQueue(label: "http.stop")
            let isFirst = Locked(true)
            let finish: @Sendable () -> Void = {
                let mayFinish = isFirst.withLock { isFirst -> Bool in
                    defer { isFirst = false }
                    return isFirst
                }
                guard mayFinish else { return }
                core.abandonAll()
                daemon.stop()
                done.resume()
            }
            core.whenIdle { queue.async(execute: finish) }
            queue.asyncAfter(deadline: .now() + .seconds(1), execute: finish)
        }
    }
}
