/// How much of something runs at once, and how much may.
public struct LimitDescription: Sendable, Codable, Hashable {
    /// `kind:volume.backup`, `host:<uuid>`, `host:<uuid>:backup`, `host:<uuid>:restore` or
    /// `bucket:<uuid>`.
    public let resource: String
    /// The host's or bucket's name.
    public let name: String?
    /// How many may run at once; nil is no limit.
    public let places: Int?
    /// How many do; more than `places` after it was lowered, until they have ended.
    public let used: Int
    /// Whether it comes from the configuration rather than from somebody.
    public let isDefault: Bool
    /// When it was changed last.
    public let changedAt: Timestamp
    /// Who did.
    public let changedBy: String
    /// Why.
    public let reason: String?

    public init(
        resource: String, name: String?, places: Int?, used: Int, isDefault: Bool,
        changedAt: Timestamp, changedBy: String, reason: String?
    ) {
        self.resource = resource
        self.name = name
        self.places = places
        self.used = used
        self.isDefault = isDefault
        self.changedAt = changedAt
        self.changedBy = changedBy
        self.reason = reason
    }
}

/// Sets a limit, or takes it away.
public struct LimitRequest: Sendable, Codable {
    /// What is limited, with names or identifiers: `kind:move`, `host:NAME`, `host:NAME:backup`,
    /// `host:NAME:restore`, `bucket:NAME`.
    public var resource: String
    /// How many at once, 0 to 10,000; nil takes the limit away.
    public var places: Int?
    /// Why, for the record; at most 1,000 bytes.
    public var reason: String?

    public init(resource: String, places: Int?, reason: String?) {
        self.resource = resource
        self.places = places
        self.reason = reason
    }
}
