import Glibc

/// What a child has written so far to one of its outputs, up to a limit.
struct ChildOutput: ~Copyable {
    private(set) var bytes: [UInt8] = []
    private var pipe: Descriptor?
    private let program: String
    private let limitBytes: Int
    private var chunk = [UInt8](repeating: 0, count: 65536)

    init(_ pipe: consuming Descriptor, of program: String, limitBytes: Int) {
        self.pipe = consume pipe
        self.program = program
        self.limitBytes = limitBytes
    }

    /// What poll(2) watches; -1 when everybody has closed the output.
    var number: Int32 {
        switch pipe {
        case .some(let pipe): pipe.number
        case .none: -1
        }
    }

    /// Takes what is there and answers whether there may be more now.
    ///
    /// - Throws: `PlatformError` `limitExceeded`, or the error number.
    @discardableResult
    mutating func advance() throws -> Bool {
        let number = self.number
        guard number >= 0 else { return false }
        let got = unsafe read(number, &chunk, chunk.count)
        if got == 0 { pipe = nil }
        if got < 0, errno != EAGAIN, errno != EINTR {
            throw PlatformError(
                code: .systemCall, message: "read the output of \(program)", errno: errno)
        }
        guard got > 0 else { return got < 0 && errno == EINTR }
        bytes += chunk.prefix(got)
        guard bytes.count <= limitBytes else {
            throw PlatformError(
                code: .limitExceeded, message: "\(program) wrote more than \(limitBytes) bytes")
        }
        return true
    }
}
