import CPlatform
import Glibc

/// What is still to be written to a child's standard input; closed when all of it is.
struct ChildInput: ~Copyable {
    private var pipe: Descriptor?
    private let bytes: [UInt8]
    private var written = 0

    init(_ pipe: consuming Descriptor, bytes: [UInt8]) {
        self.pipe = bytes.isEmpty ? nil : consume pipe
        self.bytes = bytes
    }

    /// Calls `body` with what poll(2) watches; -1 when there is nothing more to write.
    borrowing func withNumber<Answer>(_ body: (Int32) throws -> Answer) rethrows -> Answer {
        switch pipe {
        case .some(let pipe): try pipe.withNumber(body)
        case .none: try body(-1)
        }
    }

    /// Writes what fits; a child that reads no further is no error.
    mutating func advance() {
        let got = withNumber { number in
            unsafe bytes.withUnsafeBytes { buffer in
                let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[written...])
                return unsafe berth_write(number, rest.baseAddress, rest.count)
            }
        }
        if got > 0 { written += got }
        let isOver = got < 0 && errno != EINTR && errno != EAGAIN
        if isOver || written == bytes.count { pipe = nil }
    }
}
