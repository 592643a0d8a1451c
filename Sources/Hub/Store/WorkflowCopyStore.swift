import Postgres
import Shared

/// Looks copies up for decisions.
struct CopyStore: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    /// Whether a copy has not ended; locks it.
    func isOpen(_ copy: CopyID) async throws -> Bool {
        // 1.
        let result = try await transaction.query(
            """
            SELECT id FROM copies WHERE id = \(copy) AND state IN ('pending', 'applying')
            FOR UPDATE
            """)
        return result.first != nil
    }

    /// The destination of a copy that has not begun; locks it.
    func pendingDestination(_ copy: CopyID) async throws -> ProjectID? {
        // 5.
        let result = try await transaction.query(
            "SELECT destination FROM copies WHERE id = \(copy) AND state = 'pending' FOR UPDATE")
        return try result.first?.decode("destination")
    }

    /// The destination of a copy that is being applied; locks it.
    func applyingDestination(_ copy: CopyID) async throws -> ProjectID? {
        // 6.
        let result = try await transaction.query(
            "SELECT destination FROM copies WHERE id = \(copy) AND state = 'applying' FOR UPDATE")
        return try result.first?.decode("destination")
    }

    /// The pin of a copy's backup.
    func pin(of copy: CopyID) async throws -> PinChanged? {
        // 2.
        let result = try await transaction.query(
            """
            SELECT p.backup, b.project FROM pins p JOIN backups b ON b.id = p.backup
            WHERE p.holder = \(copy) AND p.reason = 'copy'
            """)
        return try result.first.map { row in
            PinChanged(
                project: try row.decode("project"), backup: try row.decode("backup"),
                reason: .copy, holder: copy.uuid)
        }
    }

    /// Whether a project is still placed where an operation was sent.
    func isPlaced(_ project: ProjectID, lane: String, _ generation: Int64) async throws -> Bool {
        // 7.
        let result = try await transaction.query(
            """
            SELECT project FROM placements
            WHERE project = \(project) AND host = \(lane)::uuid AND generation = \(generation)
            """)
        return result.first != nil
    }

    /// A copy's destination and the operation that applies it now.
    func work(
        on copy: CopyID
    ) async throws -> (destination: ProjectID, live: OperationID?, isOpen: Bool)? {
        // 3.
        let result = try await transaction.query(
            """
            SELECT c.destination, l.operation, c.state IN ('pending', 'applying') AS is_open
            FROM copies c LEFT JOIN operation_live l
                ON l.kind = 'volume.apply' AND l.scope = c.id AND l.dedupe_key = ''
            WHERE c.id = \(copy)
            """)
        return try result.first.map {
            (try $0.decode("destination"), try $0.decode("operation"), try $0.decode("is_open"))
        }
    }

    /// Copies to the same place that have not begun, which a new one takes the place of.
    func older(
        than copy: CopyID, destination: ProjectID, path: ProjectPath
    ) async throws -> [CopyID] {
        let document = try JSONColumn(path)
        // 4.
        let result = try await transaction.query(
            """
            SELECT id FROM copies WHERE destination = \(destination)
                AND destination_path = \(document)::jsonb AND state = 'pending' AND id <> \(copy)
            ORDER BY id FOR UPDATE
            """)
        return try result.rows.map { try $0.decode("id") }
    }
}
