import CMicrohttpd

/// Reads a received head out of the daemon.
enum RequestHead {
    /// The header fields in order.
    static func headers(of connection: OpaquePointer) -> HTTPHeaders {
        var headers = HTTPHeaders()
        unsafe withUnsafeMutablePointer(to: &headers) { pointer in
            _ = unsafe MHD_get_connection_values_n(
                connection, .HEADER_KIND,
                { context, _, name, nameLength, value, valueLength in
                    let headers = unsafe context?.assumingMemoryBound(to: HTTPHeaders.self)
                    unsafe headers?.pointee.append(
                        RequestHead.text(name, nameLength), RequestHead.text(value, valueLength))
                    return MHD_Result.YES
                }, UnsafeMutableRawPointer(pointer))
        }
        return headers
    }

    /// The peer's numeric address and port.
    static func peer(of connection: OpaquePointer) -> String {
        var text = [CChar](repeating: 0, count: 128)
        unsafe berth_mhd_peer(connection, &text, text.count)
        let bytes = text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func text(_ start: UnsafePointer<CChar>?, _ count: Int) -> String {
        unsafe String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
    }
}
