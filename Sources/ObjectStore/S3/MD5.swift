import COpenSSL

/// MD5, which S3's `Content-MD5` asks for; nothing here trusts it (OpenSSL EVP_DigestUpdate(3)).
@safe struct MD5: ~Copyable {
    private let context: OpaquePointer

    init() {
        // As for `Digest`: fails only for want of memory or of OpenSSL's default provider.
        guard let context = unsafe EVP_MD_CTX_new(),
            let algorithm = unsafe EVP_MD_fetch(nil, "MD5", nil),
            unsafe EVP_DigestInit_ex2(context, algorithm, nil) == 1
        else { preconditionFailure("OpenSSL has no MD5") }
        unsafe EVP_MD_free(algorithm)
        unsafe self.context = context
    }

    deinit {
        unsafe EVP_MD_CTX_free(context)
    }

    mutating func update(_ bytes: [UInt8]) {
        defer { extendLifetime(self) }
        let taken = unsafe bytes.withUnsafeBytes { buffer in
            unsafe EVP_DigestUpdate(context, buffer.baseAddress, buffer.count)
        }
        precondition(taken == 1, "MD5 takes any bytes")
    }

    /// The 16 bytes of the digest of everything taken.
    consuming func finish() -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: 16) { buffer, count in
            var length: UInt32 = 0
            let isDone = unsafe EVP_DigestFinal_ex(context, buffer.baseAddress, &length)
            precondition(isDone == 1 && length == 16, "MD5 has 16 bytes")
            count = 16
        }
    }
}
