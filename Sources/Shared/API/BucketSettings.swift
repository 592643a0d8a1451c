/// Where a bucket is and how it is used: what operators set.
///
/// Credentials are references only; the secrets themselves are nowhere in it.
public struct BucketSettings: Sendable, Codable, Hashable {
    /// How an S3 request names its bucket.
    public enum Style: String, Sendable, Codable, CaseIterable {
        /// In the path: `https://endpoint/bucket/key`.
        case path
        /// In the host's name: `https://bucket.endpoint/key`.
        case host
    }

    /// How the provider encrypts what it stores, beside the repository's own encryption.
    public enum Encryption: String, Sendable, Codable, CaseIterable {
        /// With the provider's own key (`AES256`).
        case aes256
        /// With a key of the provider's key service (`aws:kms`).
        case kms
    }

    /// Who decides about the bucket's grant mode.
    public enum GrantChoice: String, Sendable, Codable, CaseIterable {
        /// The last `bucket test`.
        case auto
        /// An operator: always through the hub.
        case gateway
        /// An operator: URLs that the hub signs, whatever the test found.
        case presigned
    }

    /// A directory bucket's directory, on the hub.
    public var path: String?
    /// An S3 endpoint, such as `https://s3.example.org`.
    public var endpoint: String?
    /// The region that S3 requests are signed for; `us-east-1` when nil.
    public var signingRegion: String?
    /// The provider's name of the bucket.
    public var bucket: String?
    /// What all keys begin with, without a slash at its end; nil for none.
    public var prefix: String?
    /// `path` when nil.
    public var style: Style?
    /// Such as `STANDARD_IA`; the bucket's own when nil.
    public var storageClass: String?
    /// None asked for when nil.
    public var encryption: Encryption?
    /// The key of `kms`; the provider's default when nil.
    public var encryptionKey: String?
    /// Where the hub finds the access key id: `env:NAME`, `file:PATH` or `sealed`.
    public var accessKey: String?
    /// Where the hub finds the secret key: `env:NAME`, `file:PATH` or `sealed`.
    public var secretKey: String?
    /// The authorities that the endpoint's certificate is signed by, in PEM; the system's when nil.
    public var authorities: String?
    /// Further fleet regions whose projects may be kept here; `*` is any.
    public var alsoServes: [String]?
    /// `auto` when nil.
    public var grants: GrantChoice?

    public init(path: String? = nil) {
        self.path = path
    }

    /// Whether projects of a fleet region may be kept in a bucket of `home` without being asked.
    public func serves(_ region: String, home: String) -> Bool {
        region == home || (alsoServes ?? []).contains { $0 == region || $0 == "*" }
    }
}
