/// Sets a bucket up.
///
/// An S3 bucket is tried out first and refused if it does not work, unless its credentials are to
/// be sealed afterwards.
public struct CreateBucketRequest: Sendable, Codable {
    /// 1 to 63 of `a-z`, `0-9` and `-`, unique in the fleet.
    public var name: String
    /// `directory` or `s3`.
    public var kind: String
    /// The fleet's region; `default` when nil.
    public var region: String?
    public var settings: BucketSettings
    /// Whether new projects of its region are kept in it.
    public var isDefault: Bool

    public init(
        name: String, kind: String, region: String?, settings: BucketSettings, isDefault: Bool
    ) {
        self.name = name
        self.kind = kind
        self.region = region
        self.settings = settings
        self.isDefault = isDefault
    }
}

/// Changes a bucket; what is nil stays as it is.
///
/// `settings` replaces those members that it holds; an empty text takes one away.
public struct SetBucketRequest: Sendable, Codable {
    public var settings: BucketSettings
    public var isDefault: Bool?
    /// Whether URLs are handed out although the provider does not hold hosts to them.
    public var acceptsUnenforced: Bool?

    public init(settings: BucketSettings, isDefault: Bool?, acceptsUnenforced: Bool?) {
        self.settings = settings
        self.isDefault = isDefault
        self.acceptsUnenforced = acceptsUnenforced
    }
}

/// Says where a project's backups are to be kept, before its first one.
public struct RouteProjectRequest: Sendable, Codable {
    /// The bucket's name or id.
    public var bucket: String
    /// Whether the bucket may be in another region than the project.
    public var acrossRegions: Bool

    public init(bucket: String, acrossRegions: Bool) {
        self.bucket = bucket
        self.acrossRegions = acrossRegions
    }
}

/// What `bucket test` found.
public struct BucketTest: Sendable, Codable, Hashable {
    /// One thing that was tried.
    public struct Check: Sendable, Codable, Hashable {
        /// What it decides about.
        public enum Need: String, Sendable, Codable {
            /// Whether the bucket can be used at all.
            case use
            /// Whether hosts may be handed signed URLs.
            case grants
            /// Nothing; it is good to know.
            case note
        }

        /// A stable word, such as `payload-hash`.
        public var name: String
        public var need: Need
        public var passed: Bool
        /// What was seen.
        public var detail: String

        public init(name: String, need: Need, passed: Bool, detail: String) {
            self.name = name
            self.need = need
            self.passed = passed
            self.detail = detail
        }
    }

    public var time: Timestamp
    public var checks: [Check]
    /// Whether a conditional PUT replaces nothing (`If-None-Match: *`).
    public var hasConditionalPut: Bool
    /// Whether URLs work whose payload hash is signed; nil means that it was not tried.
    public var signsPayloads: Bool?

    public init(
        time: Timestamp, checks: [Check], hasConditionalPut: Bool, signsPayloads: Bool? = nil
    ) {
        self.signsPayloads = signsPayloads
        self.time = time
        self.checks = checks
        self.hasConditionalPut = hasConditionalPut
    }

    /// Whether backups can be kept in the bucket.
    public var isUsable: Bool { checks.allSatisfy { $0.need != .use || $0.passed } }

    /// Whether the provider holds hosts to the URLs that they are handed.
    public var isEnforcing: Bool {
        isUsable && checks.contains { $0.need == .grants }
            && checks.allSatisfy { $0.need != .grants || $0.passed }
    }
}

/// How a bucket fares in use.
public struct BucketCondition: Sendable, Codable, Hashable {
    /// What follows for those who use the bucket.
    public enum State: String, Sendable, Codable {
        /// All is well.
        case working
        /// It fails; tries have growing waits, which all users of the bucket share.
        case failing
        /// It cannot be used before somebody changes something.
        case paused
    }

    public var state: State
    /// When it began to fail; nil while it works.
    public var since: Timestamp?
    /// Failures since then.
    public var failures: Int64
    /// What the last failure said.
    public var reason: String?
    /// When it is tried next.
    public var nextTryAt: Timestamp?
    /// Operations that wait for it.
    public var parked: Int64

    public init(
        state: State, since: Timestamp?, failures: Int64, reason: String?, nextTryAt: Timestamp?,
        parked: Int64
    ) {
        self.state = state
        self.since = since
        self.failures = failures
        self.reason = reason
        self.nextTryAt = nextTryAt
        self.parked = parked
    }

    /// Nothing is wrong with it.
    public static let fine = BucketCondition(
        state: .working, since: nil, failures: 0, reason: nil, nextTryAt: nil, parked: 0)
}

/// A bucket.
public struct BucketDescription: Sendable, Codable, Hashable {
    public var id: BucketID
    public var name: String
    /// `directory` or `s3`.
    public var kind: String
    /// The fleet's region.
    public var region: String
    public var location: String
    public var grantMode: GrantMode
    public var isDefault: Bool
    public var repositories: Int64
    /// Why it cannot be used now; nil when all is well.
    public var trouble: String?
    public var settings: BucketSettings
    /// The last `bucket test`, if there was one.
    public var test: BucketTest?
    public var condition: BucketCondition
    /// The operations that wait for it, at most 100; only when one bucket is asked for.
    public var parked: [OperationDescription]?

    public init(
        id: BucketID, name: String, kind: String, region: String, location: String,
        grantMode: GrantMode, isDefault: Bool, repositories: Int64, trouble: String?,
        settings: BucketSettings = BucketSettings(), test: BucketTest? = nil,
        condition: BucketCondition = .fine, parked: [OperationDescription]? = nil
    ) {
        self.id = id
        self.name = name
        self.kind = kind
        self.region = region
        self.location = location
        self.grantMode = grantMode
        self.isDefault = isDefault
        self.repositories = repositories
        self.trouble = trouble
        self.settings = settings
        self.test = test
        self.condition = condition
        self.parked = parked
    }
}
