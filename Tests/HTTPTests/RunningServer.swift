import HTTP
import Platform

/// Runs a server for the duration of a test's body, on a free port of the loopback address.
///
/// - Parameters:
///   - options: the server's options; the port is chosen freely.
///   - handler: answers the requests.
///   - body: is given the server's URL without a slash at its end.
@discardableResult
func withServer<Answer: Sendable>(
    _ options: HTTPServerOptions = HTTPServerOptions(),
    _ handler: @escaping HTTPServer.Handler,
    _ body: @Sendable (_ url: String, _ server: HTTPServer) async throws -> Answer
) async throws -> Answer {
    let server = try HTTPServer(options: options, handler: handler)
    let scheme = options.tls == nil ? "http" : "https"
    let url = "\(scheme)://127.0.0.1:\(server.port)"
    return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run() }
        defer { group.cancelAll() }
        return try await body(url, server)
    }
}

/// Bytes without a short period: a pseudo-random block, repeated with its number in front.
func patternBytes(_ count: Int, seed: UInt64 = 1) -> [UInt8] {
    var state = seed &* 0x9E37_79B9_7F4A_7C15 | 1
    let block = (0..<4093).map { _ in
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return UInt8(truncatingIfNeeded: state >> 32)
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + block.count)
    while bytes.count < count {
        unsafe withUnsafeBytes(of: UInt64(bytes.count)) { unsafe bytes.append(contentsOf: $0) }
        bytes += block
    }
    return Array(bytes.prefix(count))
}

/// Waits for ever, until its task is canceled.
func untilCanceled() async {
    let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
    defer { continuation.finish() }
    for await _ in stream {}
}
