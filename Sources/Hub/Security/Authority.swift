import Glibc
import HTTP
import Platform

/// The hub's own certificate authority: what clients and agents trust by its fingerprint, and what
/// signs the server's certificate anew at every start.
struct Authority: Sendable {
    private let authority: CertificateAuthority

    /// The CA's certificate.
    var certificatePEM: [UInt8] { authority.certificate.pem }
    /// SHA-256 of the certificate's DER in hexadecimal.
    var fingerprint: String { "\(authority.certificate.fingerprint)" }

    /// Reads the CA, or makes it where there is none.
    ///
    /// - Throws: `HubError` `.dataDirectory` when only one of its files is there.
    static func loadOrMake(_ directory: HubDirectory) throws -> Authority {
        let hasCertificate = unsafe access(directory.authorityCertificate, F_OK) == 0
        let hasKey = unsafe access(directory.authorityKey, F_OK) == 0
        if hasCertificate, hasKey { return try load(directory) }
        guard !hasCertificate else {
            throw HubError(
                .dataDirectory, "the CA's key \(directory.authorityKey) is missing",
                hint: "put it back, or remove \(directory.authorityCertificate) to make a new CA "
                    + "and enroll every host and client again")
        }
        // The key first: a certificate without its key would be taken for a loss.
        let made = try CertificateAuthority(named: "Berth hub CA")
        try made.privateKeyPEM.withBytes { key in
            try DurableFile.write(key, to: directory.authorityKey, mode: 0o600)
        }
        try DurableFile.write(made.certificate.pem, to: directory.authorityCertificate, mode: 0o644)
        return Authority(authority: made)
    }

    /// Reads the CA.
    static func load(_ directory: HubDirectory) throws -> Authority {
        let certificate = try DurableFile.read(directory.authorityCertificate, limitBytes: 65_536)
        let key = try DurableFile.read(directory.authorityKey, limitBytes: 65_536)
        return Authority(
            authority: try CertificateAuthority(
                certificatePEM: certificate, privateKeyPEM: SecretBytes(key)))
    }

    /// The identity of a server that is reached by these names and addresses.
    func serverIdentity(names: [String]) throws -> TLSIdentity {
        try authority.issueServerIdentity(for: names)
    }
}
