import COpenSSL
public import Platform

/// An X.509 certificate.
public struct Certificate: Sendable, Equatable {
    /// The PEM text of this certificate alone.
    public let pem: [UInt8]
    /// The DER form.
    public let der: [UInt8]
    /// The SHA-256 of the DER form.
    public let fingerprint: Fingerprint
    /// When it stops being valid.
    public let expiry: UTCTime

    /// Reads the first certificate of a PEM text.
    ///
    /// - Parameter pem: at most 1 MiB.
    /// - Throws: `HTTPError` with code `certificate`.
    public init(pem: [UInt8]) throws(HTTPError) {
        guard pem.count <= 1 << 20 else {
            throw HTTPError(code: .certificate, message: "a certificate of more than 1 MiB")
        }
        let buffer = try MemoryBuffer(pem)
        defer { extendLifetime(buffer) }
        guard let raw = unsafe PEM_read_bio_X509(buffer.bio, nil, nil, nil) else {
            throw OpenSSLFailure.error("read a certificate in PEM")
        }
        defer { unsafe X509_free(raw) }
        try unsafe self.init(raw)
    }

    init(_ raw: OpaquePointer) throws(HTTPError) {
        let buffer = try MemoryBuffer()
        guard unsafe PEM_write_bio_X509(buffer.bio, raw) == 1 else {
            throw OpenSSLFailure.error("write a certificate")
        }
        pem = buffer.read()
        guard unsafe i2d_X509_bio(buffer.bio, raw) == 1 else {
            throw OpenSSLFailure.error("encode a certificate")
        }
        der = buffer.read()
        fingerprint = try Fingerprint(ofDER: der)
        var days: Int32 = 0
        var seconds: Int32 = 0
        let epoch = unsafe ASN1_TIME_set(nil, 0)
        defer { unsafe ASN1_STRING_free(epoch) }
        guard unsafe ASN1_TIME_diff(&days, &seconds, epoch, X509_get0_notAfter(raw)) == 1 else {
            throw OpenSSLFailure.error("read a certificate's expiry")
        }
        expiry = UTCTime(
            millisecondsSinceEpoch: (Int64(days) * 86_400 + Int64(seconds)) * 1000)
    }
}
