import COpenSSL
import Platform

/// A private key in memory (EVP_PKEY(3)); freed with its owner.
@safe final class PrivateKey {
    let pointer: OpaquePointer

    /// Makes an EC P-256 key.
    init() throws(HTTPError) {
        guard let key = unsafe berth_openssl_make_key() else {
            throw OpenSSLFailure.error("make a private key")
        }
        unsafe pointer = key
    }

    /// Reads a PEM text that is not encrypted.
    init(pem: SecretBytes) throws(HTTPError) {
        let key = unsafe pem.withBytes { bytes -> OpaquePointer? in
            guard let buffer = try? MemoryBuffer(bytes) else { return nil }  // reported below
            defer { extendLifetime(buffer) }
            // The callback gives no passphrase: the library would ask the terminal for one.
            return unsafe PEM_read_bio_PrivateKey(buffer.bio, nil, { _, _, _, _ in -1 }, nil)
        }
        guard let key = unsafe key else {
            throw OpenSSLFailure.error("read a private key in PEM")
        }
        unsafe pointer = key
    }

    deinit {
        unsafe EVP_PKEY_free(pointer)
    }

    /// The PEM text (PKCS #8), not encrypted.
    func pem() throws(HTTPError) -> SecretBytes {
        defer { extendLifetime(self) }
        let buffer = try MemoryBuffer()
        guard unsafe PEM_write_bio_PrivateKey(buffer.bio, pointer, nil, nil, 0, nil, nil) == 1
        else { throw OpenSSLFailure.error("write a private key") }
        return SecretBytes(buffer.read())
    }
}
