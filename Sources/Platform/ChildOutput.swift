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

    /// Calls `body` with what poll(2) watches; -1 when everybody has closed the output.
    borrowing func withNumber<Answer>(_ body: (Int32) throws -> Answer) rethrows -> Answer {
        switch pipe {
        case .some(let pipe): try pipe.withNumber(body)
        case .none: try body(-1)
        }
    }

    /// Takes what is there and answers whether there may be more now.
    ///
    /// - Throws: `PlatformError` `limitExceeded`, or the error number.
    @discardableResult
    mutating func advance() throws -> Bool {
        var room: [UInt8] = []
        swap(&room, &chunk)
        defer { swap(&room, &chunk) }
        let taken = withNumber { number -> Int? in
            number < 0 ? nil : unsafe read(number, &room, room.count)
        }
        guard let got = taken else { return false }
        if got == 0 { pipe = nil }
        if got < 0, errno != EAGAIN, errno != EINTR {
            throw PlatformError(
                code: .systemCall, message: "read the output of \(program)", errno: errno)
        }
        guard got > 0 else { return got < 0 && errno == EINTR }
        bytes += room.prefix(got)
        guard bytes.count <= limitBytes else {
            throw PlatformError(
                code: .limitExceeded, message: "\(program) wrote more than \(limitBytes) bytes")
        }
        return true
    }
}
