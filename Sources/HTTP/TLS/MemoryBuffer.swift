import COpenSSL

/// A buffer that libcrypto reads from or writes to (BIO_s_mem(3)); freed with its owner.
@safe final class MemoryBuffer {
    let bio: OpaquePointer

    /// An empty one to write to.
    init() throws(HTTPError) {
        guard let bio = unsafe BIO_new(BIO_s_mem()) else {
            throw OpenSSLFailure.error("make a buffer")
        }
        unsafe self.bio = bio
    }

    /// One that holds a copy of `bytes`.
    convenience init(_ bytes: [UInt8]) throws(HTTPError) {
        try self.init()
        guard unsafe BIO_write(bio, bytes, Int32(clamping: bytes.count)) == bytes.count else {
            throw OpenSSLFailure.error("fill a buffer")
        }
    }

    deinit {
        unsafe BIO_free(bio)
    }

    /// Takes out what it holds.
    func read() -> [UInt8] {
        defer { extendLifetime(self) }
        var bytes = [UInt8](repeating: 0, count: unsafe BIO_ctrl_pending(bio))
        let count = unsafe BIO_read(bio, &bytes, Int32(clamping: bytes.count))
        return Array(bytes.prefix(Int(max(0, count))))
    }
}
