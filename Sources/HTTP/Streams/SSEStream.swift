/// The events of a response's body, as they come; one task reads it, once.
public struct SSEStream: AsyncSequence, Sendable {
    /// What the stream holds.
    public typealias Element = SSEEvent

    private let body: HTTPBodyStream
    private let limitBytes: Int

    /// - Parameters:
    ///   - body: the body of a response whose `Content-Type` is `text/event-stream`.
    ///   - limitBytes: how large one event may be, default 1 MiB.
    public init(_ body: HTTPBodyStream, limitBytes: Int = 1 << 20) {
        self.body = body
        self.limitBytes = limitBytes
    }

    /// Starts reading.
    public func makeAsyncIterator() -> Iterator {
        Iterator(body: body, decoder: SSEDecoder(limitBytes: limitBytes))
    }

    /// Reads the stream event by event.
    public struct Iterator: AsyncIteratorProtocol {
        private let body: HTTPBodyStream
        private var decoder: SSEDecoder
        private var ready: ArraySlice<SSEEvent> = []

        init(body: HTTPBodyStream, decoder: SSEDecoder) {
            self.body = body
            self.decoder = decoder
        }

        /// The next event, nil when the server ended the stream.
        ///
        /// - Throws: as `HTTPBodyStream.next()`; `HTTPError` with code `tooLarge` for an event
        ///   beyond the limit.
        public mutating func next() async throws -> SSEEvent? {
            while ready.isEmpty {
                guard let piece = try await body.next() else { return nil }
                ready = try decoder.decode(piece)[...]
            }
            return ready.removeFirst()
        }
    }
}
