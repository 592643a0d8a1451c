public import Platform

/// A certificate chain with its key, both PEM.
public struct TLSIdentity: Sendable {
    /// The certificate, then those that sign it, in PEM.
    public let certificatePEM: [UInt8]
    /// The private key in PEM, not encrypted.
    public let privateKeyPEM: SecretBytes

    /// - Parameters:
    ///   - certificatePEM: the certificate chain in PEM.
    ///   - privateKeyPEM: the key in PEM, not encrypted.
    public init(certificatePEM: [UInt8], privateKeyPEM: SecretBytes) {
        self.certificatePEM = certificatePEM
        self.privateKeyPEM = privateKeyPEM
    }
}
