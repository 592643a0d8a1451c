import Glibc
import Platform

/// Standard input: answers to questions, and secrets that are piped in.
struct Input: Sendable {
    let descriptor: Int32
    private let pool = BlockingPool(label: "berth.input", width: 1)

    init(descriptor: Int32) {
        self.descriptor = descriptor
    }

    /// The next line without its newline, nil at the end; at most 8 KiB.
    func line() async throws -> String? {
        let descriptor = descriptor
        return try await pool.run {
            var bytes: [UInt8] = []
            while bytes.count < 8192 {
                var byte: UInt8 = 0
                let count = try systemCall("read standard input") {
                    unsafe read(descriptor, &byte, 1)
                }
                if count == 0 {
                    return bytes.isEmpty ? nil : String(decoding: bytes, as: UTF8.self)
                }
                if byte == 0x0A { break }
                bytes.append(byte)
            }
            return String(decoding: bytes, as: UTF8.self)
        }
    }
}
