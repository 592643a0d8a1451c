public import Platform

/// What requests to a bucket are signed with; static, never printed and never encoded.
public struct S3Credentials: Sendable {
    /// The access key's id; not a secret, part of every signature's scope.
    public let accessKeyID: String
    /// The secret access key.
    public let secretKey: SecretBytes
    /// The token of temporary credentials, nil for others.
    public let sessionToken: SecretBytes?

    /// - Parameters:
    ///   - accessKeyID: the access key's id.
    ///   - secretKey: the secret access key.
    ///   - sessionToken: the token of temporary credentials, default none.
    public init(
        accessKeyID: String, secretKey: SecretBytes, sessionToken: SecretBytes? = nil
    ) {
        self.accessKeyID = accessKeyID
        self.secretKey = secretKey
        self.sessionToken = sessionToken
    }
}
