import Glibc
import Platform

/// Stream sockets in the file system, as much as the proxy needs.
enum UnixSocket {
    /// Makes a socket that listens at `path`.
    static func listen(at path: String) throws -> Int32 {
        let number = try systemCall("socket") {
            socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        }
        try systemCall("bind \(path)") {
            unsafe withAddress(of: path) { unsafe bind(number, $0, $1) }
        }
        try systemCall("listen") { Glibc.listen(number, 64) }
        return number
    }

    static func accept(_ listener: Int32) -> Int32? {
        let number = Glibc.accept(listener, nil, nil)
        return number < 0 ? nil : number
    }

    static func connect(to path: String) -> Int32? {
        let number = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard number >= 0 else { return nil }
        let result = unsafe withAddress(of: path) { unsafe Glibc.connect(number, $0, $1) }
        guard result == 0 else {
            close(number)
            return nil
        }
        return number
    }

    /// What is there; nil at the end.
    static func read(_ number: Int32) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: 65_536)
        let count = unsafe recv(number, &bytes, bytes.count, 0)
        return count > 0 ? Array(bytes.prefix(count)) : nil
    }

    /// Writes all; false when nobody reads.
    static func write(_ number: Int32, _ bytes: [UInt8]) -> Bool {
        var done = 0
        while done < bytes.count {
            let rest = Array(bytes[done...])
            let count = unsafe send(number, rest, rest.count, Int32(MSG_NOSIGNAL))
            guard count > 0 else { return false }
            done += count
        }
        return true
    }

    private static func withAddress<Answer>(
        of path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Answer
    ) -> Answer {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { place in
            unsafe place.copyBytes(from: Array(path.utf8).prefix(place.count - 1))
        }
        return unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                unsafe body(address, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
    }
}
