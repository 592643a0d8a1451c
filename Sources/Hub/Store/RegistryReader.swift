import Postgres
import Shared

/// Reads the registry for people: descriptions by identity, and what a name or a part of an
/// identifier refers to.
struct RegistryReader: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    // MARK: References

    /// The project that a name, an identifier or a unique part of one refers to.
    ///
    /// - Throws: `Problem` 404 `project-not-found`, or 400 `ambiguous` with the candidates.
    func resolveProject(_ reference: String) async throws -> ProjectID {
        // The name first, by its index; pieces of identifiers only where no name is meant.
        let named = try await transaction.query(
            "SELECT id, name FROM projects WHERE deleted_at IS NULL AND name = \(reference)")
        if let row = named.first { return try row.decode("id") }
        let pattern = SearchPattern<ProjectIdentity>(reference)
        let result = try await transaction.queryPlanned(
            """
            SELECT id, name FROM projects
            WHERE deleted_at IS NULL AND (\(fragment: pattern.condition)) ORDER BY id LIMIT 10
            """)
        return try pick(result, reference, noun: "project", list: "berth project list")
    }

    /// The host that a name, an identifier or a unique part of one refers to.
    ///
    /// - Throws: `Problem` 404 `host-not-found`, or 400 `ambiguous` with the candidates.
    func resolveHost(_ reference: String) async throws -> HostID {
        let pattern = SearchPattern<HostIdentity>(reference)
        let result = try await transaction.query(
            """
            SELECT id, name FROM hosts
            WHERE removed_at IS NULL AND (name = \(reference) OR \(fragment: pattern.condition))
            ORDER BY name = \(reference) DESC, id LIMIT 10
            """)
        return try pick(result, reference, noun: "host", list: "berth host list")
    }

    /// The bucket that a name, an identifier or a unique part of one refers to.
    ///
    /// - Throws: `Problem` 404 `bucket-not-found`, or 400 `ambiguous` with the candidates.
    func resolveBucket(_ reference: String) async throws -> BucketID {
        let pattern = SearchPattern<BucketIdentity>(reference)
        let result = try await transaction.query(
            """
            SELECT id, name FROM buckets
            WHERE removed_at IS NULL AND (name = \(reference) OR \(fragment: pattern.condition))
            ORDER BY name = \(reference) DESC, id LIMIT 10
            """)
        return try pick(result, reference, noun: "bucket", list: "berth bucket list")
    }

    /// The copy that an identifier or a unique part of one refers to.
    ///
    /// - Throws: `Problem` 404 `copy-not-found`, or 400 `ambiguous` with the candidates.
    func resolveCopy(_ reference: String) async throws -> CopyID {
        let pattern = SearchPattern<CopyIdentity>(reference)
        let result = try await transaction.queryPlanned(
            """
            SELECT id, '' AS name FROM copies WHERE \(fragment: pattern.condition)
            ORDER BY id LIMIT 10
            """)
        return try pick(result, reference, noun: "copy", list: "berth copy list")
    }

    /// The operation that an identifier or a unique part of one refers to.
    ///
    /// - Throws: `Problem` 404 `operation-not-found`, or 400 `ambiguous` with the candidates.
    func resolveOperation(_ reference: String) async throws -> OperationID {
        let pattern = SearchPattern<OperationIdentity>(reference)
        let result = try await transaction.queryPlanned(
            """
            SELECT id, kind AS name FROM operations WHERE \(fragment: pattern.condition)
            ORDER BY id LIMIT 10
            """)
        return try pick(result, reference, noun: "operation", list: "berth operation list")
    }

    /// The schedule that a name, an identifier or a unique part of one refers to.
    ///
    /// - Throws: `Problem` 404 `schedule-not-found`, or 400 `ambiguous` with the candidates.
    func resolveSchedule(_ reference: String) async throws -> ScheduleID {
        let pattern = SearchPattern<ScheduleIdentity>(reference)
        let result = try await transaction.query(
            """
            SELECT id, name FROM schedules
            WHERE deleted_at IS NULL AND (name = \(reference) OR \(fragment: pattern.condition))
            ORDER BY name = \(reference) DESC, id LIMIT 10
            """)
        return try pick(result, reference, noun: "schedule", list: "berth schedule list")
    }

    /// The backup of a project that `latest`, an identifier, a unique part of one, or the beginning
    /// of its restic snapshot id refers to.
    ///
    /// - Throws: `Problem` 404 `backup-not-found`, or 400 `ambiguous` with the candidates.
    func resolveBackup(_ reference: String, of project: ProjectID) async throws -> BackupID {
        let result: PostgresResult
        if reference == "latest" {
            result = try await transaction.query(
                """
                SELECT id, '' AS name FROM backups
                WHERE project = \(project) AND forgotten_at IS NULL
                ORDER BY taken_at DESC, id DESC LIMIT 1
                """)
        } else {
            let pattern = SearchPattern<BackupIdentity>(reference)
            let snapshot = reference.utf8.count >= 8 ? reference : "none"
            result = try await transaction.query(
                """
                SELECT id, '' AS name FROM backups
                WHERE project = \(project) AND forgotten_at IS NULL
                    AND (\(fragment: pattern.condition) OR starts_with(snapshot, \(snapshot)))
                ORDER BY id LIMIT 10
                """)
        }
        return try pick(
            result, reference, noun: "backup", list: "berth backup list PROJECT")
    }

    /// The one row, or the first when its name is exactly what was typed.
    private func pick<Kind: IdentifierKind>(
        _ result: PostgresResult, _ reference: String, noun: String, list: String
    ) throws -> Identifier<Kind> {
        let found = try result.rows.map { row in
            (
                id: try row.decode("id", as: Identifier<Kind>.self),
                name: try row.decode("name", as: String.self)
            )
        }
        guard let first = found.first else {
            throw Problem(
                status: 404, code: "\(noun)-not-found", title: "There is no such \(noun)",
                detail: "no \(noun) is called \"\(reference)\"", hint: "see \(list)")
        }
        if found.count == 1 || first.name == reference { return first.id }
        throw Problem(
            status: 400, code: "ambiguous", title: "The reference is ambiguous",
            detail:
                "\"\(reference)\" matches \(found.count == 10 ? "10 or more" : "\(found.count)") "
                + "\(noun)s",
            hint: "use more characters",
            candidates: found.map { $0.name.isEmpty ? "\($0.id)" : "\($0.id)  \($0.name)" })
    }
}

/// The condition that an identifier column `id` meets what was typed.
struct SearchPattern<Kind: IdentifierKind>: Sendable {
    let condition: PostgresQuery

    init(_ reference: String) {
        switch IdentifierPattern<Kind>(reference) {
        case nil:
            condition = "false"
        case .exact(let id):
            condition = "id = \(id)"
        case .part(let lower, let upper, let mask, let value):
            // The low 64 bits of the UUID, for what was typed as its ending; its last twenty bits
            // are what an index has.
            condition = """
                (id BETWEEN \(lower)::uuid AND \(upper)::uuid
                OR ('x' || right(replace(id::text, '-', ''), 5))::bit(20)::int
                    = \(Int64(value & 0xFFFFF)) AND ('x' || right(replace(id::text, '-', ''), 16))::bit(64)::bigint
                    & \(Int64(bitPattern: mask)) = \(Int64(bitPattern: value)))
                """
        }
    }
}
