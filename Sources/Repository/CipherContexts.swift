import COpenSSL
import Platform

/// The OpenSSL contexts of one repository key: made once, because fetching an algorithm or making
/// a context for every blob would cost more than sealing a small blob.
@safe final class CipherContexts: @unchecked Sendable {
    // Sendable because an `InstancePool` gives it to one caller at a time.
    private let counterMode: OpaquePointer
    private let nonceCipher: OpaquePointer
    private let authenticator: OpaquePointer
    private let authenticationKey: SecretBytes
    /// Random bytes that no seal has used.
    private var randomness: [UInt8] = []

    /// Random bytes fetched at once: one call for each small blob costs as much as sealing it.
    private static let randomBytesAtOnce = 4096

    /// Sixteen random bytes, never all zero, that nothing else is sealed under.
    struct IV {
        fileprivate let first: UInt64
        fileprivate let second: UInt64

        func copy(to target: UnsafeMutablePointer<UInt8>) {
            let raw = UnsafeMutableRawPointer(target)
            unsafe raw.storeBytes(of: first, as: UInt64.self)
            unsafe raw.storeBytes(of: second, toByteOffset: 8, as: UInt64.self)
        }
    }

    /// - Throws: `RepositoryError` with code `library`.
    func nextIV() throws -> IV {
        while true {
            if randomness.count < 16 { randomness = try randomBytes(Self.randomBytesAtOnce) }
            let words = unsafe randomness.withUnsafeBytes { bytes in
                let start = bytes.count - 16
                return unsafe (
                    bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self),
                    bytes.loadUnaligned(fromByteOffset: start + 8, as: UInt64.self)
                )
            }
            randomness.removeLast(16)
            if words != (0, 0) { return IV(first: words.0, second: words.1) }
        }
    }

    /// - Throws: `RepositoryError` with code `library`.
    init(key: RepositoryKey) throws {
        guard let counterMode = unsafe EVP_CIPHER_CTX_new(),
            let nonceCipher = unsafe EVP_CIPHER_CTX_new(),
            let mac = unsafe EVP_MAC_fetch(nil, "POLY1305", nil),
            let authenticator = unsafe EVP_MAC_CTX_new(mac),
            let aes256 = unsafe EVP_CIPHER_fetch(nil, "AES-256-CTR", nil),
            let aes128 = unsafe EVP_CIPHER_fetch(nil, "AES-128-ECB", nil)
        else { throw Self.failure("fetch AES-256-CTR, AES-128-ECB and POLY1305") }
        unsafe self.counterMode = counterMode
        unsafe self.nonceCipher = nonceCipher
        unsafe self.authenticator = authenticator
        authenticationKey = SecretBytes(key.withAuthenticationR { $0 })
        let isReady = key.withEncryptionKey {
            unsafe EVP_EncryptInit_ex2(counterMode, aes256, $0, nil, nil)
        }
        let isNonceReady = key.withAuthenticationK {
            unsafe EVP_EncryptInit_ex2(nonceCipher, aes128, $0, nil, nil)
        }
        unsafe EVP_CIPHER_CTX_set_padding(nonceCipher, 0)
        unsafe EVP_CIPHER_free(aes256)
        unsafe EVP_CIPHER_free(aes128)
        unsafe EVP_MAC_free(mac)
        guard isReady == 1, isNonceReady == 1 else { throw Self.failure("set the keys") }
    }

    deinit {
        unsafe EVP_CIPHER_CTX_free(counterMode)
        unsafe EVP_CIPHER_CTX_free(nonceCipher)
        unsafe EVP_MAC_CTX_free(authenticator)
    }

    /// AES-256-CTR of `count` bytes, either way; `output` may be `input`.
    func crypt(
        iv: UnsafePointer<UInt8>, input: UnsafePointer<UInt8>, count: Int,
        output: UnsafeMutablePointer<UInt8>
    ) throws {
        guard unsafe EVP_EncryptInit_ex2(counterMode, nil, nil, iv, nil) == 1 else {
            throw Self.failure("begin AES-256-CTR")
        }
        var done = 0
        while done < count {
            let piece = min(count - done, 1 << 30)
            var written: Int32 = 0
            let isDone = unsafe EVP_EncryptUpdate(
                counterMode, output + done, &written, input + done, Int32(piece))
            guard isDone == 1, Int(written) == piece else { throw Self.failure("AES-256-CTR") }
            done += piece
        }
    }

    /// Poly1305-AES of `message` under `nonce` (Bernstein 2005): the one-time key is
    /// r || AES-128_k(nonce).
    func authenticate(
        nonce: UnsafePointer<UInt8>, message: UnsafeRawBufferPointer,
        tag: UnsafeMutablePointer<UInt8>
    ) throws {
        var isDone = false
        try authenticationKey.withBytes { r in
            try unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 32) { oneTime in
                guard let key = oneTime.baseAddress else { return }
                defer { unsafe OPENSSL_cleanse(key, 32) }
                for index in 0..<16 { unsafe key[index] = r[index] }
                var written: Int32 = 0
                let isEncrypted = unsafe EVP_EncryptUpdate(
                    nonceCipher, key + 16, &written, nonce, 16)
                guard isEncrypted == 1, written == 16 else { throw Self.failure("AES-128-ECB") }
                var length = 0
                isDone =
                    unsafe EVP_MAC_init(authenticator, key, 32, nil) == 1
                    && EVP_MAC_update(
                        authenticator, message.bindMemory(to: UInt8.self).baseAddress,
                        message.count) == 1
                    && EVP_MAC_final(authenticator, tag, &length, 16) == 1 && length == 16
            }
        }
        guard isDone else { throw Self.failure("POLY1305") }
    }

    static func failure(_ what: String) -> RepositoryError {
        RepositoryError(code: .library, message: "OpenSSL: cannot \(what)")
    }
}
