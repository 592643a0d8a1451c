/// The objects that an operation needs URLs for (D10); only where the grant says `presigned`.
public struct SignRequest: Sendable, Codable {
    /// An object and what its URL is to be used with.
    public struct Wish: Sendable, Codable, Hashable {
        /// `get` or `put`.
        public var use: String
        /// The object's name in the repository.
        public var name: String

        public init(use: String, name: String) {
            self.use = use
            self.name = name
        }
    }

    /// The most wishes of one request.
    public static let limit = 256

    public var epoch: Int64
    public var wishes: [Wish]

    public init(epoch: Int64, wishes: [Wish]) {
        self.epoch = epoch
        self.wishes = wishes
    }
}

/// URLs in the order of the wishes.
public struct SignAnswer: Sendable, Codable {
    /// A header that was signed, and has to be sent.
    public struct Header: Sendable, Codable, Hashable {
        public var name: String
        public var value: String

        public init(name: String, value: String) {
            self.name = name
            self.value = value
        }
    }

    /// One URL.
    public struct URL: Sendable, Codable, Hashable {
        public var url: String
        public var headers: [Header]

        public init(url: String, headers: [Header]) {
            self.url = url
            self.headers = headers
        }
    }

    public var urls: [URL]
    /// How long they hold, counted by the provider's clock from the request on.
    public var validSeconds: Int64

    public init(urls: [URL], validSeconds: Int64) {
        self.urls = urls
        self.validSeconds = validSeconds
    }
}

/// Where a bucket is whose objects a host reaches by signed URLs; no credentials.
public struct GrantedPlace: Sendable, Codable, Hashable {
    public var endpoint: String
    public var bucket: String
    public var signingRegion: String
    public var style: BucketSettings.Style
    /// The authorities that the endpoint's certificate is signed by, in PEM; the system's when nil.
    public var authorities: String?

    public init(
        endpoint: String, bucket: String, signingRegion: String, style: BucketSettings.Style,
        authorities: String?
    ) {
        self.endpoint = endpoint
        self.bucket = bucket
        self.signingRegion = signingRegion
        self.style = style
        self.authorities = authorities
    }
}
