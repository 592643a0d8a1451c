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

    /// What poll(2) watches; -1 when there is nothing more to write.
    var number: Int32 {
        switch pipe {
        case .some(let pipe): pipe.number
        case .none: -1
        }
    }

    /// Writes what fits; a child that reads no further is no error.
    mutating func advance() {
        let number = self.number
        let start = written
        let got = unsafe bytes.withUnsafeBytes { buffer in
            let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[start...])
            return unsafe berth_write(number, rest.baseAddress, rest.count)
        }
        if got > 0 { written += got }
        let isOver = got < 0 && errno != EINTR && errno != EAGAIN
        if isOver || written == bytes.count { pipe = nil }
    }
}
