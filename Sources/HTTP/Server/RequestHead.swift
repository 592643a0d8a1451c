import CMicrohttpd
import Glibc

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
        guard let address = unsafe berth_mhd_peer(connection) else { return "" }
        let family = unsafe Int32(address.pointee.sa_family)
        let size =
            family == AF_INET6
            ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
        var host = [CChar](repeating: 0, count: Int(NI_MAXHOST))
        var port = [CChar](repeating: 0, count: Int(NI_MAXSERV))
        guard
            unsafe getnameinfo(
                address, socklen_t(size), &host, socklen_t(host.count), &port,
                socklen_t(port.count), NI_NUMERICHOST | NI_NUMERICSERV) == 0
        else { return "" }
        let name = text(host)
        return family == AF_INET6 ? "[\(name)]:\(text(port))" : "\(name):\(text(port))"
    }

    private static func text(_ buffer: [CChar]) -> String {
        String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private static func text(_ start: UnsafePointer<CChar>?, _ count: Int) -> String {
        unsafe String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
    }
}
