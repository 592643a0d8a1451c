import Glibc
import Platform

/// HMAC-SHA256 under one key (RFC 2104), on a digest that is used again and again.
struct HMACKey {
    private var inner: [UInt8]
    private var outer: [UInt8]

    init(_ key: [UInt8], _ digest: inout Digest) {
        var block = key
        if block.count > 64 {
            digest.update(block)
            block = digest.finish()
        }
        block += [UInt8](repeating: 0, count: 64 - block.count)
        inner = block.map { $0 ^ 0x36 }
        outer = block.map { $0 ^ 0x5c }
        wipe(&block)
    }

    /// The 32 bytes of the code of a message.
    func code(_ message: [UInt8], _ digest: inout Digest) -> [UInt8] {
        digest.update(inner)
        digest.update(message)
        let half = digest.finish()
        digest.update(outer)
        digest.update(half)
        return digest.finish()
    }

    mutating func forget() {
        wipe(&inner)
        wipe(&outer)
    }
}

/// The key that a day's requests are signed with: bound to day, region and service, so that it is
/// worth less than the secret that it comes from.
struct SignatureKey: Sendable {
    /// `20130524/us-east-1/s3/aws4_request`.
    let scope: String
    private let key: SecretBytes

    /// Derives the key (AWS "Create a signed AWS API request", step 4).
    init(
        secret: SecretBytes, day: String, region: String, service: String, _ digest: inout Digest
    ) {
        scope = "\(day)/\(region)/\(service)/aws4_request"
        var key = secret.withBytes { Array("AWS4".utf8) + $0 }
        for part in [day, region, service, "aws4_request"] {
            var hmac = HMACKey(key, &digest)
            let next = hmac.code(Array(part.utf8), &digest)
            hmac.forget()
            wipe(&key)
            key = next
        }
        self.key = SecretBytes(key)
        wipe(&key)
    }

    /// Runs `body` with the HMAC of this key.
    func withHMAC<Answer>(_ digest: inout Digest, _ body: (HMACKey, inout Digest) -> Answer)
        -> Answer
    {
        var hmac = key.withBytes { HMACKey($0, &digest) }
        defer { hmac.forget() }
        return body(hmac, &digest)
    }
}

/// Overwrites bytes that were part of a secret (explicit_bzero(3)).
private func wipe(_ bytes: inout [UInt8]) {
    unsafe bytes.withUnsafeMutableBytes { buffer in
        if let base = buffer.baseAddress { unsafe explicit_bzero(base, buffer.count) }
    }
}
