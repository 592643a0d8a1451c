import COpenSSL

/// Seals and opens with a repository's key; usable from any thread, many at once.
///
/// What is sealed is `IV(16) || AES-256-CTR(plaintext) || Poly1305-AES(16)` (restic design, "Keys,
/// Encryption and MAC").
///
/// The MAC covers the ciphertext alone and binds it to no name: whoever opens also compares the
/// SHA-256 of what came out, or of the file, with the name it was asked for by.
public final class Sealer: Sendable {
    /// How many bytes sealing adds.
    public static let overheadBytes = 32
    private static let ivBytes = 16
    private static let macBytes = 16

    private let contexts: InstancePool<CipherContexts>

    /// Makes a sealer for one key.
    public init(key: RepositoryKey) {
        contexts = InstancePool { try CipherContexts(key: key) }
    }

    /// Encrypts and authenticates, under a fresh random IV.
    ///
    /// - Throws: `RepositoryError` with code `library`.
    public func seal(_ plaintext: [UInt8]) throws -> [UInt8] {
        let count = plaintext.count
        return try contexts.with { contexts in
            let iv = try contexts.nextIV()
            return try unsafe Self.seal(plaintext, count, contexts) { unsafe iv.copy(to: $0) }
        }
    }

    /// Encrypts under a given IV, which must never be used twice; for known-answer tests.
    func seal(_ plaintext: [UInt8], iv: [UInt8]) throws -> [UInt8] {
        try contexts.with { contexts in
            try unsafe Self.seal(plaintext, plaintext.count, contexts) { target in
                for (index, byte) in iv.enumerated() { unsafe target[index] = byte }
            }
        }
    }

    private static func seal(
        _ plaintext: [UInt8], _ count: Int, _ contexts: CipherContexts,
        iv writeIV: (UnsafeMutablePointer<UInt8>) -> Void
    ) throws -> [UInt8] {
        try unsafe [UInt8](
            unsafeUninitializedCapacity: count + overheadBytes
        ) { buffer, initialized in
            guard let base = buffer.baseAddress else { return }
            let cipher = unsafe base + ivBytes
            unsafe writeIV(base)
            try unsafe plaintext.withUnsafeBufferPointer { plain in
                guard let start = plain.baseAddress else { return }
                try unsafe contexts.crypt(iv: base, input: start, count: count, output: cipher)
            }
            try unsafe contexts.authenticate(
                nonce: base, message: UnsafeRawBufferPointer(start: cipher, count: count),
                tag: cipher + count)
            initialized = count + overheadBytes
        }
    }

    /// Checks the MAC, in constant time, and then decrypts.
    ///
    /// - Parameters:
    ///   - sealed: what `seal` made.
    ///   - object: what is being opened, for the error.
    /// - Throws: `RepositoryError` with code `corrupt` naming `object`.
    public func open(_ sealed: some Collection<UInt8>, object: @autoclosure () -> String) throws
        -> [UInt8]
    {
        let answer = try sealed.withContiguousStorageIfAvailable { bytes in
            try unsafe open(UnsafeRawBufferPointer(bytes), object: object())
        }
        if let answer { return answer }
        return try unsafe Array(sealed).withUnsafeBytes { bytes in
            try unsafe open(bytes, object: object())
        }
    }

    func open(_ sealed: UnsafeRawBufferPointer, object: @autoclosure () -> String) throws
        -> [UInt8]
    {
        let count = sealed.count - Self.overheadBytes
        guard count >= 0, let base = unsafe sealed.bindMemory(to: UInt8.self).baseAddress else {
            throw RepositoryError.corrupt(
                object(), "only \(sealed.count) bytes, fewer than sealing adds")
        }
        let cipher = unsafe base + Self.ivBytes
        return try contexts.with { contexts in
            let isRight = try unsafe withUnsafeTemporaryAllocation(
                of: UInt8.self, capacity: Self.macBytes
            ) { tag -> Bool in
                guard let place = tag.baseAddress else { return false }
                try unsafe contexts.authenticate(
                    nonce: base, message: UnsafeRawBufferPointer(start: cipher, count: count),
                    tag: place)
                return unsafe CRYPTO_memcmp(place, cipher + count, Self.macBytes) == 0
            }
            guard isRight else {
                throw RepositoryError.corrupt(object(), "its MAC does not match")
            }
            return try unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
                guard let output = buffer.baseAddress else { return }
                try unsafe contexts.crypt(iv: base, input: cipher, count: count, output: output)
                initialized = count
            }
        }
    }
}
