import Platform

/// The body of a message that is received, in pieces; one task reads it, once.
///
/// The peer is held back while nobody reads. A server's request body is not even asked for
/// (`Expect: 100-continue`) before the first read. Dropping a client's response body before its
/// end aborts the transfer.
public final class HTTPBodyStream: AsyncSequence, Sendable {
    /// A piece of the body, never empty.
    public typealias Element = [UInt8]

    /// The length that the peer announced, nil when it sends chunks.
    public let announcedBytes: Int64?

    private struct State {
        var limitBytes: Int64?
        var readBytes: Int64 = 0
        var hasStarted = false
    }

    private let pipe: BodyPipe
    private let state: Locked<State>
    private let start: @Sendable () -> Void
    private let abandon: @Sendable () -> Void

    init(
        pipe: BodyPipe, announcedBytes: Int64?, limitBytes: Int64?,
        start: @escaping @Sendable () -> Void, abandon: @escaping @Sendable () -> Void
    ) {
        self.pipe = pipe
        self.announcedBytes = announcedBytes
        self.start = start
        self.abandon = abandon
        state = Locked(State(limitBytes: limitBytes))
    }

    deinit {
        abandon()
    }

    /// Sets how many bytes may come, in place of the default; call it before reading.
    ///
    /// - Parameter bytes: the limit in bytes.
    /// - Returns: the same body.
    @discardableResult
    public func limited(toBytes bytes: Int64) -> HTTPBodyStream {
        state.withLock { $0.limitBytes = bytes }
        return self
    }

    /// The next piece, nil at the end.
    ///
    /// - Parameter bytes: where nothing has come yet, so many are waited for, or the end: for large
    ///   bodies, whose reader would be waked for every few kilobytes otherwise. Default 1; what is
    ///   received ahead is the most.
    /// - Throws: `HTTPError` with code `tooLarge` when the body is or becomes larger than its
    ///   limit (nothing is read when its announced length already is), another code when the peer
    ///   fails; `CancellationError`.
    public func next(waitingFor bytes: Int = 1) async throws -> [UInt8]? {
        let isFirst = try state.withLock { state -> Bool in
            if let limit = state.limitBytes, let announcedBytes, announcedBytes > limit {
                throw Self.tooLarge(limit)
            }
            defer { state.hasStarted = true }
            return !state.hasStarted
        }
        if isFirst { start() }
        let piece = try await withTaskCancellationHandler {
            try await pipe.next(waitingFor: bytes)
        } onCancel: {
            abandon()
        }
        guard let piece else { return nil }
        try state.withLock { state in
            state.readBytes += Int64(piece.count)
            if let limit = state.limitBytes, state.readBytes > limit { throw Self.tooLarge(limit) }
        }
        return piece
    }

    /// The whole body.
    ///
    /// - Parameter limitBytes: how many bytes it may have.
    /// - Throws: as `next()`.
    public func collect(limitBytes: Int) async throws -> [UInt8] {
        limited(toBytes: Int64(limitBytes))
        guard var whole = try await next() else { return [] }
        if let announcedBytes, announcedBytes > whole.count, announcedBytes <= limitBytes {
            whole.reserveCapacity(Int(announcedBytes))
        }
        while let piece = try await next() { whole += piece }
        return whole
    }

    /// Starts reading.
    public func makeAsyncIterator() -> Iterator { Iterator(stream: self) }

    /// Reads the body piece by piece.
    public struct Iterator: AsyncIteratorProtocol {
        let stream: HTTPBodyStream

        /// The next piece, nil at the end; as `HTTPBodyStream.next()`.
        public mutating func next() async throws -> [UInt8]? { try await stream.next() }
    }

    private static func tooLarge(_ limit: Int64) -> HTTPError {
        HTTPError(code: .tooLarge, message: "the body is larger than the \(limit) bytes allowed")
    }
}
