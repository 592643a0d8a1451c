import COpenSSL
public import Platform

/// The master key of a repository; never printed, wiped at the end.
///
/// 32 bytes for AES-256, 16 for the `k` and 16 for the `r` of Poly1305-AES (restic design, "Keys,
/// Encryption and MAC").
public struct RepositoryKey: Sendable {
    /// How many bytes a key has.
    public static let count = 64

    private let secret: SecretBytes

    /// - Parameter secret: 64 bytes: encryption key, k, r.
    /// - Throws: `RepositoryError` with code `invalidInput` for another length.
    public init(_ secret: SecretBytes) throws {
        guard secret.count == Self.count else {
            throw RepositoryError(
                code: .invalidInput, message: "a repository key has 64 bytes, not \(secret.count)")
        }
        self.secret = secret
    }

    /// A new random key, from OpenSSL's generator for private keys; `r` is clamped, as restic's is.
    ///
    /// - Throws: `RepositoryError` with code `library`.
    public static func random() throws -> RepositoryKey {
        var bytes = try randomBytes(count)
        for index in [3, 7, 11, 15] { bytes[48 + index] &= 15 }
        for index in [4, 8, 12] { bytes[48 + index] &= 252 }
        defer { unsafe OPENSSL_cleanse(&bytes, bytes.count) }
        return try RepositoryKey(SecretBytes(bytes))
    }

    /// Whether two keys are the same, in constant time.
    public func matches(_ other: RepositoryKey) -> Bool {
        secret.withBytes { left in
            other.secret.withBytes { right in
                unsafe CRYPTO_memcmp(left, right, Self.count) == 0
            }
        }
    }

    /// Runs `body` with the 64 bytes, to be sealed elsewhere; they must not escape it.
    public func withBytes<Answer>(_ body: ([UInt8]) throws -> Answer) rethrows -> Answer {
        try secret.withBytes(body)
    }

    func withEncryptionKey<Answer>(_ body: ([UInt8]) throws -> Answer) rethrows -> Answer {
        try secret.withBytes { try body(Array($0[0..<32])) }
    }

    func withAuthenticationK<Answer>(_ body: ([UInt8]) throws -> Answer) rethrows -> Answer {
        try secret.withBytes { try body(Array($0[32..<48])) }
    }

    func withAuthenticationR<Answer>(_ body: ([UInt8]) throws -> Answer) rethrows -> Answer {
        try secret.withBytes { try body(Array($0[48..<64])) }
    }
}

/// Cryptographically random bytes (RAND_bytes(3)).
///
/// - Throws: `RepositoryError` with code `library` when the generator cannot be seeded.
func randomBytes(_ count: Int) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    guard unsafe RAND_bytes(&bytes, Int32(count)) == 1 else {
        throw CipherContexts.failure("get \(count) random bytes")
    }
    return bytes
}
