import Glibc

/// Bytes that must not reach a log, an error or a core file: no description, no `Codable`, wiped
/// when the last owner goes (explicit_bzero(3)).
@safe public final class SecretBytes: Sendable {
    // The buffer is written in `init` and `deinit` only.
    nonisolated(unsafe) private let buffer: UnsafeMutableRawBufferPointer

    /// Copies `bytes`; wipe the original if it lives on.
    public init(_ bytes: some Collection<UInt8>) {
        unsafe buffer = .allocate(byteCount: bytes.count, alignment: 16)
        unsafe buffer.copyBytes(from: bytes)
    }

    deinit {
        if let base = unsafe buffer.baseAddress { unsafe explicit_bzero(base, buffer.count) }
        unsafe buffer.deallocate()
    }

    /// How many bytes there are.
    public var count: Int { unsafe buffer.count }

    /// Runs `body` with the bytes, which must not escape it.
    public func withBytes<Answer>(_ body: ([UInt8]) throws -> Answer) rethrows -> Answer {
        // Wiped only behind this: the buffer alone does not keep its owner.
        defer { extendLifetime(self) }
        var copy = unsafe [UInt8](buffer)
        defer {
            unsafe copy.withUnsafeMutableBytes { bytes in
                if let base = bytes.baseAddress { unsafe explicit_bzero(base, bytes.count) }
            }
        }
        return try body(copy)
    }
}
