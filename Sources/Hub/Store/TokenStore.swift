import Postgres
import Shared

/// The bearer and join tokens' rows.
struct TokenStore: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// Who a token speaks for.
    struct Principal: Sendable, Hashable {
        enum Kind: String, Sendable, PostgresDecodable {
            case bootstrap
            case admin
            case join
            case host
        }

        let token: TokenID
        let kind: Kind
        let name: String
        /// The host of a `join` or `host` token.
        let host: HostID?
    }

    /// Stores a new token's hash.
    ///
    /// - Parameter lifetimeSeconds: after which it is refused; nil for ever.
    func insert(
        id: TokenID, kind: BearerToken.Kind, hash: [UInt8], name: String, host: HostID?,
        lifetimeSeconds: Int?
    ) async throws {
        // 1. The database's clock sets the end.
        try await transaction.query(
            """
            INSERT INTO tokens (id, kind, hash, name, host, expires_at)
            VALUES (\(id), \(kind.rawValue), \(hash), \(name), \(host)::uuid,
                clock_timestamp() + \(lifetimeSeconds) * interval '1 second')
            """)
    }

    /// The principal of a token that is neither expired, revoked nor used up.
    func principal(hash: [UInt8]) async throws -> Principal? {
        // 2. By hash, so that time tells nothing of the token.
        let result = try await transaction.query(
            """
            SELECT id, kind, name, host FROM tokens
            WHERE hash = \(hash) AND revoked_at IS NULL
                AND (expires_at IS NULL OR expires_at > clock_timestamp())
                AND (kind IN ('admin', 'host') OR used_at IS NULL)
            """)
        return try result.first.map(Self.principal)
    }

    /// Uses a single-use token up; nil when it was used, revoked, expired, or never existed.
    func consume(hash: [UInt8], kind: BearerToken.Kind) async throws -> Principal? {
        // 3. One statement, so that of two users one gets nothing.
        let result = try await transaction.query(
            """
            UPDATE tokens SET used_at = clock_timestamp()
            WHERE hash = \(hash) AND kind = \(kind.rawValue) AND used_at IS NULL
                AND revoked_at IS NULL
                AND (expires_at IS NULL OR expires_at > clock_timestamp())
            RETURNING id, kind, name, host
            """)
        return try result.first.map(Self.principal)
    }

    /// Ends all tokens of a kind for a host: a new join token replaces the old one, and an
    /// enrolment replaces the identity.
    func revoke(kind: BearerToken.Kind, host: HostID) async throws {
        // 4.
        try await transaction.query(
            """
            UPDATE tokens SET revoked_at = clock_timestamp()
            WHERE kind = \(kind.rawValue) AND host = \(host) AND revoked_at IS NULL
            """)
    }

    /// Ends one token.
    func revoke(_ id: TokenID) async throws {
        // 5.
        try await transaction.query(
            """
            UPDATE tokens SET revoked_at = clock_timestamp()
            WHERE id = \(id) AND revoked_at IS NULL
            """)
    }

    /// Whether anybody can administer the hub.
    func hasAdmin() async throws -> Bool {
        // 6.
        let result = try await transaction.query(
            """
            SELECT EXISTS (SELECT FROM tokens WHERE kind = 'admin' AND revoked_at IS NULL
                AND (expires_at IS NULL OR expires_at > clock_timestamp())) AS has_admin
            """)
        return try result.one().decode("has_admin")
    }

    /// Ends the first admin tokens that nobody used.
    func revokeBootstraps() async throws {
        // 7.
        try await transaction.query(
            """
            UPDATE tokens SET revoked_at = clock_timestamp()
            WHERE kind = 'bootstrap' AND used_at IS NULL AND revoked_at IS NULL
            """)
    }

    private static func principal(_ row: PostgresRow) throws -> Principal {
        Principal(
            token: try row.decode("id"), kind: try row.decode("kind"),
            name: try row.decode("name"), host: try row.decode("host"))
    }
}
