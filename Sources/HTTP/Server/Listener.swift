import Glibc
import Platform

/// A listening TCP socket, closed with its owner.
final class Listener: Sendable {
    private let socket: Locked<Int32?>
    /// The socket, which does not block.
    let number: Int32
    /// The port it really has.
    let port: UInt16

    /// Binds and listens (bind(2), listen(2)).
    ///
    /// - Parameters:
    ///   - address: a numeric address.
    ///   - port: the port, 0 for any free one.
    /// - Throws: `HTTPError` with code `couldNotListen`.
    init(address: String, port: UInt16) throws {
        var hints = unsafe addrinfo()
        unsafe hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE
        unsafe hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard unsafe getaddrinfo(address, String(port), &hints, &found) == 0,
            let info = unsafe found
        else {
            throw HTTPError(
                code: .couldNotListen,
                message: "cannot listen on \(address): it is no numeric IPv4 or IPv6 address")
        }
        defer { unsafe freeaddrinfo(info) }
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let family = unsafe info.pointee.ai_family
        let socket = Descriptor(
            owning: try Self.check("create a socket for", address, port) {
                Glibc.socket(family, type, 0)
            })
        let number = socket.number
        var yes: Int32 = 1
        var no: Int32 = 0
        let size = socklen_t(MemoryLayout<Int32>.size)
        unsafe setsockopt(number, SOL_SOCKET, SO_REUSEADDR, &yes, size)
        if family == AF_INET6 {
            unsafe setsockopt(number, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &no, size)
        }
        try Self.check("listen on", address, port) {
            unsafe bind(number, info.pointee.ai_addr, info.pointee.ai_addrlen)
        }
        try Self.check("listen on", address, port) { listen(number, 4096) }
        self.port = try Self.port(of: number)
        self.number = number
        self.socket = Locked(socket.release())
    }

    deinit {
        close()
    }

    /// Stops listening; nothing if it has.
    func close() {
        let number = socket.withLock { socket -> Int32? in
            defer { socket = nil }
            return socket
        }
        if let number { _ = Descriptor(owning: number) }
    }

    @discardableResult
    private static func check(
        _ what: String, _ address: String, _ port: UInt16, _ call: () -> Int32
    ) throws -> Int32 {
        let answer = call()
        guard answer >= 0 else {
            let number = errno
            let hint = number == EADDRINUSE ? "; another process has it, choose another port" : ""
            throw HTTPError(
                code: .couldNotListen,
                message: "cannot \(what) \(address):\(port): \(describe(errno: number))\(hint)",
                errno: number)
        }
        return answer
    }

    private static func port(of socket: Int32) throws -> UInt16 {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        try systemCall("getsockname") {
            unsafe withUnsafeMutablePointer(to: &storage) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    unsafe getsockname(socket, $0, &length)
                }
            }
        }
        // The port is at the same place in both families, in network order.
        return unsafe withUnsafeBytes(of: &storage) { bytes in
            unsafe UInt16(bytes[2]) << 8 | UInt16(bytes[3])
        }
    }
}
