import CMicrohttpd

/// A response in the daemon's form.
struct Reply {
    private let response: HTTPResponse
    private let closesConnection: Bool

    /// - Parameters:
    ///   - response: what to send; one that must not be sent is replaced by `refusal`.
    ///   - closesConnection: whether the connection ends with it.
    init(
        _ response: HTTPResponse, closesConnection: Bool,
        refusal: (HTTPError) -> HTTPResponse
    ) {
        self.closesConnection = closesConnection
        if let field = response.headers.firstInvalid {
            self.response = refusal(
                HTTPError(
                    code: .invalidMessage,
                    message: "the response's header \(field.name.debugDescription) cannot be sent"))
        } else if !(200...599).contains(response.status) {
            self.response = refusal(
                HTTPError(
                    code: .invalidMessage, message: "no final status: \(response.status)"))
        } else {
            self.response = response
        }
    }

    /// Hands it to the daemon (MHD_queue_response(3)); only inside the request's callback.
    func queue(on connection: OpaquePointer, exchange: Exchange) -> MHD_Result {
        guard let raw = unsafe makeResponse(exchange) else { return MHD_Result.NO }
        defer { unsafe MHD_destroy_response(raw) }
        for field in response.headers.fields where !Self.isOwn(field.name) {
            guard unsafe MHD_add_response_header(raw, field.name, field.value) == MHD_Result.YES
            else { return MHD_Result.NO }
        }
        if closesConnection { _ = unsafe MHD_add_response_header(raw, "Connection", "close") }
        return unsafe MHD_queue_response(connection, UInt32(response.status), raw)
    }

    private func makeResponse(_ exchange: Exchange) -> OpaquePointer? {
        switch response.body {
        case .bytes(let bytes): return unsafe Self.makeResponse(bytes)
        case .pieces(let pieces): return unsafe Self.makeResponse(Array(pieces.joined()))
        case .stream(let length, _):
            let size = length.map { UInt64(clamping: $0) } ?? UInt64.max  // MHD_SIZE_UNKNOWN
            // Chunks are made in the connection's own memory; only a known length uses a block.
            let block = length.map { Int(clamping: min($0, 64 << 10)) } ?? 1
            return unsafe MHD_create_response_from_callback(
                size, max(1, block),
                { context, _, buffer, count in
                    guard let context = unsafe context else { return -2 }
                    let exchange = unsafe Unmanaged<Exchange>.fromOpaque(context)
                        .takeUnretainedValue()
                    return unsafe exchange.read(
                        into: UnsafeMutableRawBufferPointer(start: buffer, count: count))
                },
                Unmanaged.passRetained(exchange).toOpaque(),
                { context in
                    guard let context = unsafe context else { return }
                    unsafe Unmanaged<Exchange>.fromOpaque(context).release()
                })
        }
    }

    private static func makeResponse(_ bytes: [UInt8]) -> OpaquePointer? {
        unsafe bytes.withUnsafeBytes { bytes in
            // The library only reads it, and copies it before this returns.
            unsafe MHD_create_response_from_buffer(
                bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress),
                .RESPMEM_MUST_COPY)
        }
    }

    /// Fields that the daemon writes itself.
    private static func isOwn(_ name: String) -> Bool {
        ["content-length", "transfer-encoding", "date"].contains(name.lowercased())
    }
}
