import Glibc

/// A name or path of raw bytes, lent to C with its final NUL.
enum CName {
    /// Runs `body` with `bytes` as a C string on the stack; it must not escape.
    static func with<Answer>(
        _ bytes: [UInt8], _ body: (UnsafePointer<CChar>) throws -> Answer
    ) rethrows -> Answer {
        try unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: bytes.count + 1) {
            buffer in
            for index in bytes.indices {
                unsafe buffer.initializeElement(at: index, to: CChar(bitPattern: bytes[index]))
            }
            unsafe buffer.initializeElement(at: bytes.count, to: 0)
            guard let base = unsafe UnsafePointer(buffer.baseAddress) else {
                preconditionFailure("a buffer of at least one byte has an address")
            }
            return try unsafe body(base)
        }
    }
}
