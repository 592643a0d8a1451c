import COpenSSL
import Glibc

/// A certificate before it is signed (X509_new(3)); freed with its owner.
@safe final class CertificateDraft {
    private let raw: OpaquePointer

    /// A version 3 certificate with a random serial number, valid from an hour ago, so that a host
    /// whose clock is a little behind accepts it.
    ///
    /// - Parameters:
    ///   - subject: the common name, at most 64 bytes.
    ///   - key: the key whose public half it certifies.
    ///   - validity: how long it is valid from now on.
    init(subject: String, key: PrivateKey, validity: Duration) throws(HTTPError) {
        guard let raw = unsafe X509_new() else {
            throw OpenSSLFailure.error("make a certificate")
        }
        unsafe self.raw = raw
        defer { extendLifetime(key) }
        let name = unsafe X509_get_subject_name(raw)
        let isSet =
            unsafe X509_set_version(raw, 2) == 1
            && setSerialNumber()
            && X509_gmtime_adj(X509_getm_notBefore(raw), -3600) != nil
            && X509_gmtime_adj(X509_getm_notAfter(raw), Int(validity.components.seconds)) != nil
            && X509_set_pubkey(raw, key.pointer) == 1
            && X509_NAME_add_entry_by_txt(
                name, "CN", MBSTRING_UTF8, Array(subject.utf8), Int32(subject.utf8.count), -1, 0)
                == 1
        guard isSet else { throw OpenSSLFailure.error("fill a certificate for \(subject)") }
    }

    deinit {
        unsafe X509_free(raw)
    }

    /// Adds extensions and signs with SHA-256.
    ///
    /// - Parameters:
    ///   - key: the issuer's key.
    ///   - issuer: the issuer's certificate, nil to sign itself.
    ///   - extensions: identifiers and values in the form of x509v3_config(5), in order.
    func signed(
        by key: PrivateKey, issuer: Certificate?, extensions: [(Int32, String)]
    ) throws(HTTPError) -> Certificate {
        defer {
            extendLifetime(self)
            extendLifetime(key)
        }
        let issuerRaw = unsafe try Self.raw(of: issuer)
        defer { unsafe X509_free(issuerRaw) }
        let issuerName = unsafe X509_get_subject_name(issuerRaw ?? raw)
        guard unsafe X509_set_issuer_name(raw, issuerName) == 1 else {
            throw OpenSSLFailure.error("name a certificate's issuer")
        }
        for (identifier, value) in extensions {
            var context = unsafe X509V3_CTX()
            unsafe X509V3_set_ctx(&context, issuerRaw ?? raw, raw, nil, nil, 0)
            let made = unsafe X509V3_EXT_conf_nid(nil, &context, identifier, value)
            defer { unsafe X509_EXTENSION_free(made) }
            guard unsafe made != nil, unsafe X509_add_ext(raw, made, -1) == 1 else {
                throw OpenSSLFailure.error("write \(value.debugDescription) into a certificate")
            }
        }
        guard unsafe X509_sign(raw, key.pointer, EVP_sha256()) > 0 else {
            throw OpenSSLFailure.error("sign a certificate")
        }
        return try unsafe Certificate(raw)
    }

    /// 127 random bits, positive and never zero (RFC 5280 section 4.1.2.2).
    private func setSerialNumber() -> Bool {
        var bytes = [UInt8](repeating: 0, count: 16)
        guard unsafe RAND_bytes(&bytes, Int32(bytes.count)) == 1 else { return false }
        bytes[0] = bytes[0] & 0x3F | 0x40
        let number = unsafe BN_bin2bn(bytes, Int32(bytes.count), nil)
        defer { unsafe BN_free(number) }
        return unsafe BN_to_ASN1_INTEGER(number, X509_get_serialNumber(raw)) != nil
    }

    private static func raw(of certificate: Certificate?) throws(HTTPError) -> OpaquePointer? {
        guard let certificate else { return nil }
        let buffer = try MemoryBuffer(certificate.pem)
        defer { extendLifetime(buffer) }
        guard let raw = unsafe PEM_read_bio_X509(buffer.bio, nil, nil, nil) else {
            throw OpenSSLFailure.error("read the issuer's certificate")
        }
        return unsafe raw
    }
}
