import COpenSSL

/// The SHA-256 of a certificate's DER form: what pins it.
public struct Fingerprint: Sendable, Hashable, CustomStringConvertible {
    /// Always 32 bytes.
    public let bytes: [UInt8]

    init(ofDER der: [UInt8]) throws(HTTPError) {
        var digest = [UInt8](repeating: 0, count: 32)
        var count: UInt32 = 0
        guard unsafe EVP_Digest(der, der.count, &digest, &count, EVP_sha256(), nil) == 1 else {
            throw OpenSSLFailure.error("hash a certificate")
        }
        bytes = digest
    }

    /// Reads 64 hexadecimal digits, with or without colons.
    ///
    /// - Returns: nil for anything else.
    public init?(hex: String) {
        var digits: [UInt8] = []
        for character in hex where character != ":" {
            guard character.isASCII, let value = character.hexDigitValue else { return nil }
            digits.append(UInt8(value))
        }
        guard digits.count == 64 else { return nil }
        bytes = stride(from: 0, to: 64, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
    }

    /// 64 lower-case hexadecimal digits.
    public var description: String {
        let digits = Array("0123456789abcdef".utf8)
        let text = bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }

    /// Compares in constant time (CRYPTO_memcmp(3)).
    public static func == (one: Fingerprint, other: Fingerprint) -> Bool {
        unsafe CRYPTO_memcmp(one.bytes, other.bytes, 32) == 0
    }
}
