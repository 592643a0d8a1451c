import Glibc
import Platform

/// A TCP port on loopback where connections are accepted by the kernel and nobody speaks.
final class SilentServer: Sendable {
    let port: UInt16
    private let socketNumber: Int32

    init() throws {
        let number = try systemCall("socket") {
            Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        try unsafe withUnsafeMutablePointer(to: &address) { pointer in
            try unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                try systemCall("bind") { unsafe bind(number, address, length) }
                try systemCall("listen") { listen(number, 8) }
                try systemCall("getsockname") { unsafe getsockname(number, address, &length) }
            }
        }
        socketNumber = number
        port = UInt16(bigEndian: address.sin_port)
    }

    deinit {
        close(socketNumber)
    }
}
