import Postgres
import Shared

/// Looks projects up for decisions, and gives out users.
struct ProjectStore: Sendable {
    let transaction: PostgresTransaction

    /// The first uid that Berth gives out, far above people's.
    private static let firstUser: Int64 = 200_000
    /// The advisory lock that serialises giving users out.
    private static let userLock: Int64 = 0x6265_7274_6801

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// The living project with exactly this name.
    func project(named name: String) async throws -> ProjectID? {
        // 1.
        let result = try await transaction.query(
            "SELECT id FROM projects WHERE name = \(name) AND deleted_at IS NULL")
        return try result.first?.decode("id")
    }

    /// A user for a new project: never given out twice, also not after a deletion.
    func allocateUser() async throws -> UInt32 {
        // 2. Held to the end of the transaction.
        try await transaction.query("SELECT pg_advisory_xact_lock(\(Self.userLock))")
        // 3.
        let result = try await transaction.query(
            """
            SELECT greatest(coalesce(max(uid), 0) + 1, \(Self.firstUser)) AS uid FROM projects
            """)
        let uid = try result.one().decode("uid", as: Int64.self)
        guard uid < 4_294_967_294 else {
            throw HubError(.database, "all user ids have been given out")
        }
        return UInt32(uid)
    }
}
