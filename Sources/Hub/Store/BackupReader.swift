import Postgres
import Shared

/// Reads backups and their pins.
struct BackupReader: Sendable {
    let transaction: PostgresTransaction

    init(_ transaction: PostgresTransaction) {
        self.transaction = transaction
    }

    private static let selection: PostgresQuery = """
        SELECT b.id, b.project, b.repository, b.snapshot, b.root_tree, b.taken_at, b.host,
            b.generation, b.files, b.bytes, b.added_bytes, b.stored_bytes, b.omissions, b.tags,
            b.confirmed_at,
            array(SELECT DISTINCT reason FROM pins WHERE pins.backup = b.id ORDER BY 1) AS pins
        FROM backups b
        """

    /// One backup that has not been forgotten.
    func backup(_ id: BackupID) async throws -> BackupDescription? {
        let result = try await transaction.query(
            "\(fragment: Self.selection) WHERE b.id = \(id) AND b.forgotten_at IS NULL")
        return try result.first.map(description)
    }

    /// The newest backup of a project: the base of the next one.
    func newest(of project: ProjectID) async throws -> BackupDescription? {
        try await backups(of: project, before: nil, limit: 1).first
    }

    /// Whether an operation has confirmed a backup.
    func isConfirmed(_ id: BackupID, by operation: OperationID) async throws -> Bool {
        let result = try await transaction.query(
            "SELECT FROM backups WHERE id = \(id) AND confirmed_by = \(operation)")
        return !result.rows.isEmpty
    }

    /// The repository that holds a backup.
    func repository(of id: BackupID) async throws -> RepositoryID? {
        let result = try await transaction.query(
            "SELECT repository FROM backups WHERE id = \(id)")
        return try result.first?.decode("repository")
    }

    /// A page of a project's backups, newest first.
    ///
    /// - Parameters:
    ///   - before: the last backup of the page before; nil for the first page.
    ///   - limit: 1 to 1,000.
    func backups(
        of project: ProjectID, before: BackupID?, limit: Int
    ) async throws -> [BackupDescription] {
        let result = try await transaction.query(
            """
            \(fragment: Self.selection)
            WHERE b.project = \(project) AND b.forgotten_at IS NULL AND (\(before)::uuid IS NULL
                OR (b.taken_at, b.id) < (SELECT x.taken_at, x.id FROM backups x
                    WHERE x.id = \(before)::uuid))
            ORDER BY b.taken_at DESC, b.id DESC LIMIT \(limit)
            """)
        return try result.rows.map(description)
    }

    /// All backups of a project that are not forgotten, newest first.
    func all(of project: ProjectID) async throws -> [BackupDescription] {
        let result = try await transaction.query(
            """
            \(fragment: Self.selection)
            WHERE b.project = \(project) AND b.forgotten_at IS NULL
            ORDER BY b.taken_at DESC, b.id DESC
            """)
        return try result.rows.map(description)
    }

    /// The backup that `latest`, an identifier or a part of one refers to, as hosts need it.
    ///
    /// - Throws: `Problem` 404 `backup-not-found`, or 400 `ambiguous`.
    func reference(_ text: String, of project: ProjectID) async throws -> BackupReference {
        let id = try await RegistryReader(transaction).resolveBackup(text, of: project)
        guard let backup = try await backup(id) else {
            throw RegistryConflict(description: "backup \(id) was forgotten")
        }
        return backup.reference
    }

    /// The backups that are pinned as the base of a project's volume on a host.
    func bases(of project: ProjectID, on host: HostID) async throws -> [BackupID] {
        let result = try await transaction.query(
            """
            SELECT p.backup FROM pins p JOIN backups b ON b.id = p.backup
            WHERE p.reason = 'base' AND p.holder = \(host) AND b.project = \(project)
            """)
        return try result.rows.map { try $0.decode("backup") }
    }

    /// The hosts whose volume builds on a backup.
    func baseHolders(of backup: BackupID) async throws -> [String] {
        let result = try await transaction.query(
            """
            SELECT holder::text AS holder FROM pins
            WHERE backup = \(backup) AND reason = 'base' ORDER BY holder
            """)
        return try result.rows.map { try $0.decode("holder") }
    }

    /// The backup that the volume of a project is based on, as its host reported; nil where there is
    /// none, and for one that is forgotten.
    func observedBase(of project: ProjectID) async throws -> BackupDescription? {
        let result = try await transaction.query(
            """
            \(fragment: Self.selection)
            JOIN project_activity a ON a.base = b.id
            JOIN placements l ON l.project = a.project AND l.host = a.host
            WHERE a.project = \(project) AND b.forgotten_at IS NULL
            """)
        return try result.first.map(description)
    }

    private func description(_ row: PostgresRow) throws -> BackupDescription {
        BackupDescription(
            id: try row.decode("id"), project: try row.decode("project"),
            snapshot: try row.decode("snapshot"), rootTree: try row.decode("root_tree"),
            takenAt: try row.decode("taken_at"), host: try row.decode("host"),
            generation: try row.decode("generation"), files: try row.decode("files"),
            bytes: try row.decode("bytes"), addedBytes: try row.decode("added_bytes"),
            storedBytes: try row.decode("stored_bytes"),
            omissions: try row.decode("omissions", as: JSONColumn<[String]>.self).value,
            tags: try row.decode("tags", as: JSONColumn<[String]>.self).value,
            pins: try row.decode("pins"), confirmedAt: try row.decode("confirmed_at"))
    }
}

extension BackupDescription {
    /// The backup as hosts need it.
    var reference: BackupReference {
        BackupReference(
            id: id, project: project, snapshot: snapshot, rootTree: rootTree, takenAt: takenAt)
    }
}
