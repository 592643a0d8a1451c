import Postgres
import Shared

/// Reads copies.
struct CopyReader: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    private static let selection: PostgresQuery = """
        SELECT c.id, c.operation, c.source, s.name AS source_name, c.source_path, c.destination,
            d.name AS destination_name, c.destination_path, c.backup, c.state, c.overwrite,
            c.failure, c.created_at, c.expires_at, c.finished_at, h.name AS host_name,
            l.is_provisioned
        FROM copies c
        JOIN projects s ON s.id = c.source
        JOIN projects d ON d.id = c.destination
        JOIN placements l ON l.project = c.destination
        LEFT JOIN hosts h ON h.id = l.host
        """

    /// One copy.
    func copy(_ id: CopyID) async throws -> CopyDescription? {
        let result = try await transaction.query(
            "\(fragment: Self.selection) WHERE c.id = \(id)")
        return try result.first.map(description)
    }

    /// The copies of an operation, in their order.
    func copies(of operation: OperationID) async throws -> [CopyDescription] {
        let result = try await transaction.query(
            """
            \(fragment: Self.selection) WHERE c.operation = \(operation)
            ORDER BY c.created_at, c.id
            """)
        return try result.rows.map(description)
    }

    /// What has to be applied to a project before its runtime starts, in order (D6).
    func pending(into destination: ProjectID) async throws -> [CopyDescription] {
        let result = try await transaction.query(
            """
            \(fragment: Self.selection)
            WHERE c.destination = \(destination) AND c.state IN ('pending', 'applying')
            ORDER BY c.created_at, c.id LIMIT 1000
            """)
        return try result.rows.map(description)
    }

    /// A page of copies, newest first.
    ///
    /// - Parameters:
    ///   - state: only those; nil for all.
    ///   - before: the last copy of the page before; nil for the first page.
    ///   - limit: 1 to 1,000.
    func copies(
        state: CopyState?, before: CopyID?, limit: Int
    ) async throws -> [CopyDescription] {
        var sql: PostgresQuery = "\(fragment: Self.selection) WHERE true"
        if let state { sql.append(" AND c.state = \(state.rawValue)") }
        if let before { sql.append(" AND c.id < \(before)") }
        sql.append(PostgresQuery(stringLiteral: " ORDER BY c.id DESC LIMIT \(limit)"))
        let result = try await transaction.query(sql)
        return try result.rows.map(description)
    }

    /// How many wait to be applied.
    func pendingCount() async throws -> Int64 {
        let result = try await transaction.query(
            "SELECT count(*) AS pending FROM copies WHERE state IN ('pending', 'applying')")
        return try result.one().decode("pending")
    }

    private func description(_ row: PostgresRow) throws -> CopyDescription {
        let stateName = try row.decode("state", as: String.self)
        let overwriteName = try row.decode("overwrite", as: String.self)
        guard let state = CopyState(rawValue: stateName),
            let overwrite = Overwrite(rawValue: overwriteName)
        else {
            throw RegistryConflict(description: "copy state \(stateName) is not known")
        }
        let failure = try row.decode("failure", as: JSONColumn<Failure>?.self)?.value
        let hostName = try row.decode("host_name", as: String?.self)
        let isProvisioned = try row.decode("is_provisioned", as: Bool?.self)
        var reason = failure?.description
        if state == .pending {
            reason =
                isProvisioned == true
                ? "waits for host \(hostName ?? "?")" : "waits until the project is started"
        }
        return CopyDescription(
            id: try row.decode("id"), operation: try row.decode("operation"),
            source: try row.decode("source"), sourceName: try row.decode("source_name"),
            path: try row.decode("source_path", as: JSONColumn<ProjectPath>.self).value,
            destination: try row.decode("destination"),
            destinationName: try row.decode("destination_name"),
            destinationPath: try row.decode(
                "destination_path", as: JSONColumn<ProjectPath>.self
            ).value,
            backup: try row.decode("backup"), state: state, overwrite: overwrite, reason: reason,
            createdAt: try row.decode("created_at"), expiresAt: try row.decode("expires_at"),
            finishedAt: try row.decode("finished_at"))
    }
}
