import Glibc
import Platform

/// A TCP socket on loopback whose calls block, each for a minute at most.
final class Socket: Sendable {
    private let descriptor: Descriptor

    init(owning number: Int32) {
        descriptor = Descriptor(owning: number)
        descriptor.withNumber { number in
            var limit = timeval(tv_sec: 60, tv_usec: 0)
            let size = socklen_t(MemoryLayout<timeval>.size)
            for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
                _ = unsafe setsockopt(number, SOL_SOCKET, option, &limit, size)
            }
            var isOn: Int32 = 1
            let one = socklen_t(MemoryLayout<Int32>.size)
            _ = unsafe setsockopt(number, Int32(IPPROTO_TCP), TCP_NODELAY, &isOn, one)
        }
    }

    /// A listening socket on a free port.
    static func listening() throws -> (socket: Socket, port: UInt16) {
        let number = try make()
        let socket = Socket(owning: number)
        var address = loopback(0)
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        try unsafe withUnsafeMutablePointer(to: &address) { pointer in
            try unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                try systemCall("bind") { unsafe bind(number, address, length) }
                try systemCall("listen") { listen(number, 128) }
                try systemCall("getsockname") { unsafe getsockname(number, address, &length) }
            }
        }
        return (socket, UInt16(bigEndian: address.sin_port))
    }

    /// A connection to a port.
    static func connected(to port: UInt16) throws -> Socket {
        let number = try make()
        let socket = Socket(owning: number)
        var address = loopback(port)
        let length = socklen_t(MemoryLayout<sockaddr_in>.size)
        try unsafe withUnsafePointer(to: &address) { pointer in
            try unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                _ = try systemCall("connect") { unsafe connect(number, address, length) }
            }
        }
        return socket
    }

    private static func make() throws -> Int32 {
        try systemCall("socket") {
            Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        }
    }

    private static func loopback(_ port: UInt16) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        address.sin_port = port.bigEndian
        return address
    }

    /// Waits for the next connection; nil when the socket was shut down, or nobody came for a minute.
    func accepted() -> Socket? {
        // Without accept4(2), which Swift does not see: a child closes what it does not know.
        let number = descriptor.withNumber { accept($0, nil, nil) }
        return number < 0 ? nil : Socket(owning: number)
    }

    /// The next bytes; empty at the end, and after a failure.
    func received(atMost count: Int = 64 << 10) -> [UInt8] {
        descriptor.withNumber { number in
            unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, used in
                used = max(0, unsafe recv(number, buffer.baseAddress, buffer.count, 0))
            }
        }
    }

    /// Sends all bytes.
    ///
    /// - Returns: whether they were taken.
    @discardableResult
    func send(_ bytes: some Collection<UInt8>) -> Bool {
        let bytes = Array(bytes)
        return descriptor.withNumber { number in
            unsafe bytes.withUnsafeBytes { buffer in
                var done = 0
                while done < buffer.count {
                    let count = unsafe Glibc.send(
                        number, buffer.baseAddress.map { unsafe $0 + done }, buffer.count - done,
                        Int32(MSG_NOSIGNAL))
                    guard count > 0 else { return false }
                    done += count
                }
                return true
            }
        }
    }

    /// Ends both directions, also for a call that waits in another thread.
    func shutDown() {
        _ = descriptor.withNumber { shutdown($0, Int32(SHUT_RDWR)) }
    }

    /// Has its closing be a reset (SO_LINGER with 0 seconds).
    func resetWhenClosed() {
        var linger = linger(l_onoff: 1, l_linger: 0)
        let size = socklen_t(MemoryLayout<Glibc.linger>.size)
        _ = descriptor.withNumber { unsafe setsockopt($0, SOL_SOCKET, SO_LINGER, &linger, size) }
    }
}
