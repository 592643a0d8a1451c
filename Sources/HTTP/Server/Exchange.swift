import CMicrohttpd
import Platform

/// One request and its response, between the daemon's callbacks and the handler's task.
///
/// The request's body comes in through `incoming`, a streamed response goes out through
/// `outgoing`; `gate` says when the daemon works on it. `ended` opens when the daemon is done.
final class Exchange: Sendable {
    /// What the daemon does next.
    enum Step {
        /// Go on receiving; the piece was taken.
        case proceed
        /// Nothing to do; the connection is suspended and the piece was not taken.
        case rest
        /// Send the response.
        case answer(HTTPResponse)
        /// Drop the connection.
        case abort
    }

    private enum Phase {
        /// The head is there, the handler does not know yet.
        case opened
        /// There is no body; the daemon says so once more.
        case receivedHead
        /// The handler works, the body is not asked for yet.
        case deciding
        /// The body comes in.
        case receiving
        /// All is received; the handler works.
        case received
        /// The response is with the daemon.
        case answered
    }

    private struct State {
        var phase = Phase.opened
        var request: HTTPRequest?
        var response: HTTPResponse?
        var isBodyWanted = false
        var isAbandoned = false
        var drainedBytes: Int64 = 0
    }

    /// Path and query as sent.
    let target: String
    /// Which connection it is, for the server's table.
    let connection: UInt
    let gate: ConnectionGate
    let incoming: BodyPipe
    let outgoing: BodyPipe
    let ended = Latch()
    private let drainLimitBytes: Int64
    private let state = Locked(State())

    init(target: String, connection: OpaquePointer, options: HTTPServerOptions) {
        self.target = target
        self.connection = UInt(bitPattern: connection)
        let gate = unsafe ConnectionGate(connection: connection)
        self.gate = gate
        incoming = BodyPipe(capacityBytes: options.bufferBytes) { gate.signal() }
        outgoing = BodyPipe(capacityBytes: options.bufferBytes) { gate.signal() }
        drainLimitBytes = options.drainLimitBytes
    }

    /// The head, once it was received.
    var request: HTTPRequest? { state.withLock { $0.request } }

    /// Whether the request is there with all of its body.
    var isReceived: Bool { state.withLock { $0.phase == .received || $0.phase == .answered } }

    /// Whether there is a response, sent or not.
    var isAnswered: Bool { state.withLock { $0.response != nil } }

    // MARK: the daemon's side

    /// The first call for this request: `submit` hands it to the handler.
    ///
    /// - Parameter submit: answers the refusal if there is no room.
    func open(_ request: HTTPRequest, submit: (Exchange) -> HTTPResponse?) -> Step {
        state.withLock { state in
            state.request = request
            state.phase = request.hasBody ? .deciding : .receivedHead
        }
        guard request.hasBody else { return .proceed }
        if let refusal = submit(self) { return answered(refusal) }
        return unsafe advance(nil, submit: submit)
    }

    /// Any later call: a piece of the body, or nil for none or its end.
    func advance(
        _ piece: UnsafeRawBufferPointer?, submit: (Exchange) -> HTTPResponse?
    ) -> Step {
        while true {
            gate.clear()
            let (phase, response, isBodyWanted, isAbandoned) = state.withLock {
                ($0.phase, $0.response, $0.isBodyWanted, $0.isAbandoned)
            }
            if isAbandoned { return .abort }
            switch phase {
            case .opened, .answered: return .abort
            case .receivedHead:
                incoming.finish()
                state.withLock { $0.phase = .received }
                if let refusal = submit(self) { return answered(refusal) }
            case .deciding:
                if let response, !mayDrain { return answered(response) }
                if isBodyWanted || response != nil {
                    state.withLock { $0.phase = .receiving }
                    return .proceed
                }
                if gate.suspend() { return .rest }
            case .receiving:
                guard let piece = unsafe piece else {
                    incoming.finish()
                    state.withLock { $0.phase = .received }
                    continue
                }
                switch unsafe incoming.offer(piece) {
                case .accepted: return .proceed
                case .discarded: return drain(piece.count)
                case .full: if gate.suspend() { return .rest }
                }
            case .received:
                if let response { return answered(response) }
                if gate.suspend() { return .rest }
            }
            if gate.isOver { return .abort }
        }
    }

    /// The daemon wants bytes of a streamed response: how many it got, 0 when the connection was
    /// suspended, or one of the library's marks.
    func read(into target: UnsafeMutableRawBufferPointer) -> Int {
        while true {
            gate.clear()
            switch unsafe outgoing.take(into: target) {
            case .bytes(let count): return count
            case .ended: return -1  // MHD_CONTENT_READER_END_OF_STREAM
            case .failed: return -2  // MHD_CONTENT_READER_END_WITH_ERROR
            case .empty: if gate.suspend() { return 0 }
            }
            if gate.isOver { return -2 }
        }
    }

    /// The daemon is done with the request, in whatever way.
    func complete() {
        gate.close()
        let error = HTTPError(code: .connectionReset, message: "the client has left")
        incoming.fail(error)
        outgoing.fail(error)
        ended.open()
    }

    // MARK: the handler's side

    /// The handler wants the body.
    func wantBody() {
        state.withLock { $0.isBodyWanted = true }
        gate.signal()
    }

    /// The handler's answer; what it did not read of the body is dropped.
    func respond(_ response: HTTPResponse) {
        incoming.fail(HTTPError(code: .closed, message: "the request has been answered"))
        state.withLock { $0.response = response }
        gate.signal()
    }

    /// Drops the connection as soon as the daemon looks: the client has left, or the server stops.
    func abandon(_ error: HTTPError) {
        state.withLock { $0.isAbandoned = true }
        incoming.fail(error)
        outgoing.fail(error)
        ended.open()
        gate.signal()
    }

    private func answered(_ response: HTTPResponse) -> Step {
        state.withLock { $0.phase = .answered }
        return .answer(response)
    }

    /// Whether a body that nobody wants is small enough to receive it all the same.
    private var mayDrain: Bool {
        guard let request, let length = request.contentLength else { return false }
        return length <= drainLimitBytes && request.headers["Expect"] == nil
    }

    private func drain(_ count: Int) -> Step {
        let total = state.withLock { state -> Int64 in
            state.drainedBytes += Int64(count)
            return state.drainedBytes
        }
        return total > drainLimitBytes ? .abort : .proceed
    }
}

extension HTTPRequest {
    /// The announced length of the body, nil for chunks or none.
    var contentLength: Int64? {
        headers["Transfer-Encoding"] == nil ? headers["Content-Length"].flatMap(Int64.init) : nil
    }

    /// The length of the body where it is known: 0 for none, nil for chunks.
    var bodyBytes: Int64? { hasBody ? contentLength : 0 }

    /// Whether a body follows the head (RFC 9112 section 6.3).
    var hasBody: Bool {
        headers["Transfer-Encoding"] != nil || (contentLength ?? 0) > 0
    }
}
