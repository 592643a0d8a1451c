import COpenSSL
import Glibc
public import Platform

/// An authority of one's own: it signs the certificates that one's servers show.
public struct CertificateAuthority: Sendable {
    /// The authority's own certificate: what clients are given to trust.
    public let certificate: Certificate
    /// The authority's key in PEM, not encrypted.
    public let privateKeyPEM: SecretBytes

    /// Makes an authority with a fresh EC P-256 key.
    ///
    /// - Parameters:
    ///   - name: its common name, 1 to 64 bytes.
    ///   - validity: how long it is valid, default 10 years.
    /// - Throws: `HTTPError` with code `certificate`.
    public init(named name: String, validity: Duration = .seconds(3650 * 86_400)) throws(HTTPError)
    {
        let key = try PrivateKey()
        certificate = try CertificateDraft(subject: name, key: key, validity: validity).signed(
            by: key, issuer: nil,
            extensions: [
                (NID_basic_constraints, "critical,CA:TRUE,pathlen:0"),
                (NID_key_usage, "critical,keyCertSign,cRLSign"),
                (NID_subject_key_identifier, "hash"),
            ])
        privateKeyPEM = try key.pem()
    }

    /// Loads an authority.
    ///
    /// - Parameters:
    ///   - certificatePEM: its certificate.
    ///   - privateKeyPEM: its key, not encrypted.
    /// - Throws: `HTTPError` with code `certificate` when they cannot be read or do not belong
    ///   together.
    public init(certificatePEM: [UInt8], privateKeyPEM: SecretBytes) throws(HTTPError) {
        certificate = try Certificate(pem: certificatePEM)
        self.privateKeyPEM = privateKeyPEM
        let key = try PrivateKey(pem: privateKeyPEM)
        let buffer = try MemoryBuffer(certificate.pem)
        defer {
            extendLifetime(key)
            extendLifetime(buffer)
        }
        let raw = unsafe PEM_read_bio_X509(buffer.bio, nil, nil, nil)
        defer { unsafe X509_free(raw) }
        guard unsafe X509_check_private_key(raw, key.pointer) == 1 else {
            throw OpenSSLFailure.error("use an authority whose key and certificate do not match")
        }
    }

    /// Signs a server's certificate for a fresh EC P-256 key.
    ///
    /// - Parameters:
    ///   - names: the DNS names and numeric addresses that clients use, 1 to 100.
    ///   - validity: how long it is valid, default 397 days.
    /// - Returns: the certificate, then the authority's, and the key.
    /// - Throws: `HTTPError` with code `certificate`, also for a name that is neither.
    public func issueServerIdentity(
        for names: [String], validity: Duration = .seconds(397 * 86_400)
    ) throws(HTTPError) -> TLSIdentity {
        guard let first = names.first, names.count <= 100 else {
            throw HTTPError(code: .certificate, message: "a certificate needs 1 to 100 names")
        }
        var alternatives: [String] = []
        for name in names { alternatives.append(try Self.alternative(name)) }
        let key = try PrivateKey()
        let draft = try CertificateDraft(
            subject: first.utf8.count <= 64 ? first : "server", key: key, validity: validity)
        let signed = try draft.signed(
            by: PrivateKey(pem: privateKeyPEM), issuer: certificate,
            extensions: [
                (NID_basic_constraints, "critical,CA:FALSE"),
                (NID_key_usage, "critical,digitalSignature"),
                (NID_ext_key_usage, "serverAuth"),
                (NID_subject_key_identifier, "hash"),
                (NID_authority_key_identifier, "keyid"),
                (NID_subject_alt_name, alternatives.joined(separator: ",")),
            ])
        return TLSIdentity(
            certificatePEM: signed.pem + certificate.pem, privateKeyPEM: try key.pem())
    }

    /// A subject alternative name in the form of x509v3_config(5), of checked characters only.
    private static func alternative(_ name: String) throws(HTTPError) -> String {
        var buffer = [UInt8](repeating: 0, count: 16)
        let isAddress =
            unsafe inet_pton(AF_INET, name, &buffer) == 1
            || inet_pton(AF_INET6, name, &buffer) == 1
        if isAddress { return "IP:\(name)" }
        let isName =
            !name.isEmpty && name.utf8.count <= 253
            && name.utf8.allSatisfy { byte in
                (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
                    || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                    || "-._*".utf8.contains(byte)
            }
        guard isName else {
            throw HTTPError(
                code: .certificate,
                message: "\(name.debugDescription) is neither a DNS name nor a numeric address")
        }
        return "DNS:\(name)"
    }
}
