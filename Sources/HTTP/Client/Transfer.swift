import CCurl
import Glibc
import Platform

/// One request and its response, between the client's thread and the caller's task.
final class Transfer: Sendable {
    /// The head of the final response.
    struct Head: Sendable {
        let status: Int
        let headers: HTTPHeaders
    }

    private struct State {
        var status = 0
        var headers = HTTPHeaders()
        var headBytes = 0
        var sent = Position()
        var head: Result<Head, any Error>?
        var waiter: CheckedContinuation<Head, any Error>?
        var bodyFailure: (any Error)?
    }

    /// How much of a body in memory has been sent.
    private struct Position {
        var piece = 0
        var offset = 0
    }

    let number: UInt64
    let request: HTTPClientRequest
    let incoming: BodyPipe
    let outgoing: BodyPipe
    private let headLimitBytes: Int
    private let state = Locked(State())

    /// - Parameters:
    ///   - number: what the client's thread knows it by.
    ///   - request: what to send.
    ///   - options: the client's settings.
    ///   - wake: makes the client's thread look at this transfer again.
    init(
        number: UInt64, request: HTTPClientRequest, options: HTTPClientOptions,
        wake: @escaping @Sendable () -> Void
    ) {
        self.number = number
        self.request = request
        headLimitBytes = options.headLimitBytes
        incoming = BodyPipe(capacityBytes: options.bufferBytes, wake: wake)
        outgoing = BodyPipe(capacityBytes: options.bufferBytes, wake: wake)
    }

    // MARK: the caller's side

    /// Waits for the head of the final response.
    func head() async throws -> Head {
        try await withCheckedThrowingContinuation { mine in
            let head = state.withLock { state -> Result<Head, any Error>? in
                if state.head == nil { state.waiter = mine }
                return state.head
            }
            if let head { mine.resume(with: head) }
        }
    }

    /// The length of the response's body, where it is known.
    static func bodyBytes(of head: Head, method: String) -> Int64? {
        if method == "HEAD" || head.status == 204 || head.status == 304 { return 0 }
        guard head.headers["Transfer-Encoding"] == nil else { return nil }
        return head.headers["Content-Length"].flatMap(Int64.init)
    }

    // MARK: the thread's side

    /// A line of a head (CURLOPT_HEADERFUNCTION); heads of interim responses come first.
    ///
    /// - Returns: false when the head is larger than its limit.
    func receiveHeadLine(_ line: String) -> Bool {
        let text = line.trimmingLineEnd
        var isAccepted = true
        var finished: Head?
        state.withLock { state in
            state.headBytes += line.utf8.count
            isAccepted = state.headBytes <= headLimitBytes
            if text.hasPrefix("HTTP/") {
                let parts = text.split(separator: " ", maxSplits: 2)
                state.status = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
                state.headers = HTTPHeaders()
            } else if text.isEmpty {
                if state.status >= 200, state.head == nil {
                    finished = Head(status: state.status, headers: state.headers)
                }
            } else if let colon = text.utf8.firstIndex(of: UInt8(ascii: ":")), state.head == nil {
                let value = text[text.utf8.index(after: colon)...].drop { $0 == " " || $0 == "\t" }
                state.headers.append(String(text[..<colon]), String(value))
            }
        }
        if let finished { settle(.success(finished)) }
        return isAccepted
    }

    /// The next bytes of the request's body (CURLOPT_READFUNCTION).
    func takeBody(into target: UnsafeMutableRawBufferPointer) -> BodyPipe.Taken {
        switch request.body {
        case .stream:
            return unsafe outgoing.take(into: target)
        case .bytes(let bytes): return unsafe take(from: [bytes], into: target)
        case .pieces(let pieces): return unsafe take(from: pieces, into: target)
        }
    }

    private func take(
        from pieces: [[UInt8]], into target: UnsafeMutableRawBufferPointer
    ) -> BodyPipe.Taken {
        state.withLock { state in
            var taken = 0
            while taken < target.count, state.sent.piece < pieces.count {
                let piece = pieces[state.sent.piece]
                let rest = piece[state.sent.offset...].prefix(target.count - taken)
                unsafe UnsafeMutableRawBufferPointer(rebasing: target[taken...])
                    .copyBytes(from: rest)
                taken += rest.count
                state.sent.offset += rest.count
                if state.sent.offset == piece.count {
                    state.sent = Position(piece: state.sent.piece + 1)
                }
            }
            return taken == 0 ? .ended : .bytes(taken)
        }
    }

    /// Starts the request's body again where a kept connection turned out to be closed.
    func rewindBody(to offset: Int) -> Bool {
        // libcurl only ever goes back to the beginning.
        if case .stream = request.body { return false }
        guard offset == 0 else { return false }
        state.withLock { $0.sent = Position() }
        return true
    }

    /// The transfer is over.
    ///
    /// - Parameter error: why it failed, nil if it did not.
    func finish(_ error: (any Error)?) {
        let cause = state.withLock { state -> (any Error)? in
            error.map { state.bodyFailure ?? $0 }
        }
        if let cause {
            settle(.failure(cause))
            incoming.fail(cause)
            outgoing.fail(cause)
        } else {
            settle(
                .failure(
                    HTTPError(
                        code: .protocolViolation,
                        message: "\(request.origin) answered without a status")))
            incoming.finish()
            outgoing.fail(HTTPError(code: .closed, message: "the response is complete"))
        }
    }

    /// The request's body could not be produced; that is what the caller is told.
    func failBody(_ error: any Error) {
        state.withLock { $0.bodyFailure = error }
        outgoing.fail(error)
    }

    private func settle(_ head: Result<Head, any Error>) {
        let waiter = state.withLock { state -> CheckedContinuation<Head, any Error>? in
            guard state.head == nil else { return nil }
            state.head = head
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(with: head)
    }
}

extension String {
    fileprivate var trimmingLineEnd: Substring {
        let bytes = utf8
        var end = bytes.endIndex
        while end > bytes.startIndex {
            let before = bytes.index(before: end)
            let byte = bytes[before]
            guard [10, 13, 32, 9].contains(byte) else { break }
            end = before
        }
        return self[..<end]
    }
}
