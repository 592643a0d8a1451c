import COpenSSL

/// SHA-256, one piece after another (OpenSSL EVP_DigestUpdate(3)); can be used again after each
/// `finish()`, which is much cheaper for small inputs than a new one.
@safe public struct Digest: ~Copyable {
    private let context: OpaquePointer

    /// How many bytes a SHA-256 has.
    public static let count = 32

    /// Begins a digest.
    public init() {
        // Neither fails but for want of memory, or of OpenSSL's own default provider; Swift itself
        // traps in the first case, and nothing of the program works in the second.
        guard let context = unsafe EVP_MD_CTX_new(),
            let algorithm = unsafe EVP_MD_fetch(nil, "SHA256", nil),
            unsafe EVP_DigestInit_ex2(context, algorithm, nil) == 1
        else { preconditionFailure("OpenSSL has no SHA-256") }
        unsafe EVP_MD_free(algorithm)
        unsafe self.context = context
    }

    deinit {
        unsafe EVP_MD_CTX_free(context)
    }

    /// Takes more bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        defer { extendLifetime(self) }
        guard let base = bytes.baseAddress, bytes.count > 0 else { return }
        let taken = unsafe EVP_DigestUpdate(context, base, bytes.count)
        precondition(taken == 1, "SHA-256 takes any bytes")
    }

    /// Takes more bytes.
    public mutating func update(_ bytes: [UInt8]) {
        unsafe bytes.withUnsafeBytes { unsafe update($0) }
    }

    /// The 32 bytes of the digest of everything taken; begins anew.
    public mutating func finish() -> [UInt8] {
        defer { extendLifetime(self) }
        let answer = unsafe [UInt8](unsafeUninitializedCapacity: Self.count) { buffer, count in
            var length: UInt32 = 0
            let isDone = unsafe EVP_DigestFinal_ex(context, buffer.baseAddress, &length)
            precondition(isDone == 1 && length == 32, "SHA-256 has 32 bytes")
            count = Self.count
        }
        let isReady = unsafe EVP_DigestInit_ex2(context, nil, nil)
        precondition(isReady == 1, "SHA-256 begins anew")
        return answer
    }

    /// The SHA-256 of `bytes`.
    public static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        var digest = Digest()
        digest.update(bytes)
        return digest.finish()
    }
}
