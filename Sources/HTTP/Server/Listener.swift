import CMicrohttpd
import Glibc
import Platform

/// A listening TCP socket.
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
    init(address: String, port: UInt16) throws(HTTPError) {
        var bound: UInt16 = 0
        number = unsafe berth_listen(address, String(port), &bound)
        self.port = bound
        socket = Locked(number < 0 ? nil : number)
        guard number < 0 else { return }
        guard number > -4096 else {
            throw HTTPError(
                code: .couldNotListen,
                message: "cannot listen on \(address): it is no numeric IPv4 or IPv6 address")
        }
        let hint =
            switch -number {
            case EADDRINUSE: "; another process has it, choose another port"
            case EADDRNOTAVAIL: "; this machine has no such address"
            case EACCES: "; ports below 1024 need privileges"
            default: ""
            }
        throw HTTPError(
            code: .couldNotListen,
            message: "cannot listen on \(address):\(port): \(describe(errno: -number))\(hint)",
            errno: -number)
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
}
