import CCurl

/// An HTTP/1.1 client on libcurl: one thread moves the bytes of all its requests, connections are
/// kept and used again.
///
/// Redirects are not followed, only `http` and `https` are spoken, TLS is 1.2 or later. The thread
/// ends with the last reference to the client and to the bodies of its responses.
public final class HTTPClient: Sendable {
    private let loop: TransferLoop

    /// - Parameter options: trust, timeouts, limits.
    /// - Throws: `HTTPError` with code `closed` when there is no memory or thread.
    public init(options: HTTPClientOptions = HTTPClientOptions()) throws {
        guard Self.isLibraryReady else {
            throw HTTPError(code: .closed, message: "libcurl could not be initialised")
        }
        loop = try TransferLoop(options: options)
    }

    deinit {
        loop.close()
    }

    /// Initialises libcurl, once per process.
    ///
    /// A static is initialised by one thread while others wait, and libcurl's
    /// own initialisation is thread-safe since 7.84 (CURL_VERSION_THREADSAFE); Debian 12 has 7.88.
    private static let isLibraryReady: Bool =
        curl_global_init(Int(CURL_GLOBAL_DEFAULT)) == CURLE_OK

    /// Sends a request and waits for the head of its response.
    ///
    /// A streamed body is produced by a child task of this call. Cancelling the task aborts the
    /// transfer, also while the response's body is being read.
    ///
    /// - Parameter request: what to send.
    /// - Returns: the head, and the body as it comes. Any status is a result, not an error.
    /// - Throws: `HTTPError` naming the address: `couldNotConnect`, `tls`, `timeout`,
    ///   `connectionReset`, `protocolViolation`, `invalidMessage`, `closed`; what a streamed body's
    ///   closure throws; `CancellationError`.
    public func send(_ request: HTTPClientRequest) async throws -> HTTPClientResponse {
        try Task.checkCancellation()
        try request.validate()
        let loop = self.loop
        let transfer = try loop.start(request)
        let head = try await withTaskCancellationHandler {
            switch request.body {
            case .bytes, .pieces: try await transfer.head()
            case .stream(let length, let produce):
                try await produceAndWait(transfer, length: length, produce)
            }
        } onCancel: {
            loop.cancel(transfer.number)
        }
        let body = HTTPBodyStream(
            pipe: transfer.incoming,
            announcedBytes: Transfer.bodyBytes(of: head, method: request.method),
            limitBytes: nil, start: {},
            // The body keeps the client, and with it the thread.
            abandon: { self.loop.cancel(transfer.number) })
        return HTTPClientResponse(status: head.status, headers: head.headers, body: body)
    }

    /// Sends a request whose response nobody waits for, such as a last word of a cancelled task.
    ///
    /// The body must be in memory. What happens to it is not known; it ends at its deadline, or with the
    /// client.
    /// - Parameter request: what to send; with a deadline.
    public func sendAndForget(_ request: HTTPClientRequest) {
        if case .stream = request.body { return }
        guard (try? request.validate()) != nil else { return }
        // A client that is closed sends nothing, and nobody is there to be told.
        _ = try? loop.start(request)
    }

    private func produceAndWait(
        _ transfer: Transfer, length: Int64?,
        _ produce: @escaping @Sendable (HTTPBodyWriter) async throws -> Void
    ) async throws -> Transfer.Head {
        try await withThrowingTaskGroup { group in
            group.addTask {
                let writer = HTTPBodyWriter(pipe: transfer.outgoing, length: length)
                do {
                    try await produce(writer)
                    try writer.finish()
                } catch {
                    transfer.failBody(error)
                }
            }
            let head = try await transfer.head()
            // A refusal may come before the end of the body; libcurl stops sending the rest.
            if head.status >= 400 { group.cancelAll() }
            try await group.waitForAll()
            return head
        }
    }
}
