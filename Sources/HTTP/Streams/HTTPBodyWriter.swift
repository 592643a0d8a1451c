import Platform

/// Where a streamed body is written; one task at a time.
public struct HTTPBodyWriter: Sendable {
    private let pipe: BodyPipe
    private let length: Int64?
    private let written = Locked<Int64>(0)

    init(pipe: BodyPipe, length: Int64?) {
        self.pipe = pipe
        self.length = length
    }

    /// Hands bytes over, then waits while the peer is slow: at most about 256 KiB and this piece
    /// are held in memory.
    ///
    /// - Parameter bytes: any number of bytes; large bodies in pieces of 64 KiB to 1 MiB.
    /// - Throws: `HTTPError` when the peer has left or more is written than was announced;
    ///   `CancellationError`.
    public func write(_ bytes: [UInt8]) async throws {
        let total = written.withLock { total -> Int64 in
            total += Int64(bytes.count)
            return total
        }
        if let length, total > length {
            throw HTTPError(
                code: .invalidMessage,
                message: "a body announced with \(length) bytes was given \(total)")
        }
        try await pipe.write(bytes)
    }

    /// Ends the body.
    ///
    /// - Throws: `HTTPError` with code `invalidMessage` when it is shorter than announced.
    func finish() throws {
        let total = written.withLock { $0 }
        if let length, total < length {
            throw HTTPError(
                code: .invalidMessage,
                message: "a body announced with \(length) bytes ended after \(total)")
        }
        pipe.finish()
    }
}
