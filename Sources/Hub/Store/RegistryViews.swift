import Postgres
import Shared

/// What each event does to its view, one statement an event; replay uses the same statements.
struct RegistryViews: Sendable {
    let transaction: PostgresTransaction
    let time: Timestamp

    /// Applies one event.
    ///
    /// - Throws: `RegistryConflict` when it changes no row.
    func apply(_ event: RegistryEvent) async throws {
        switch event {
        case .hostExpected(let payload): try await apply(payload)
        case .hostEnrolled(let payload): try await apply(payload)
        case .projectCreated(let payload): try await apply(payload)
        case .projectWanted(let payload): try await apply(payload)
        case .projectDeleted(let payload): try await apply(payload)
        case .placementChanged(let payload): try await apply(payload)
        case .placementProvisioned(let payload): try await apply(payload)
        case .bucketCreated(let payload): try await apply(payload)
        case .repositoryCreated(let payload): try await apply(payload)
        case .backupRecorded(let payload): try await apply(payload)
        case .pinAdded(let payload): try await add(payload)
        case .pinReleased(let payload): try await release(payload)
        case .copyCreated(let payload): try await apply(payload)
        case .copyChanged(let payload): try await apply(payload)
        }
    }

    private func change(_ query: PostgresQuery, _ what: @autoclosure () -> String) async throws {
        let result = try await transaction.query(query)
        guard result.affectedRows > 0 else { throw RegistryConflict(description: what()) }
    }

    private func apply(_ payload: HostExpected) async throws {
        try await change(
            """
            INSERT INTO hosts (id, name, region, is_schedulable, created_at, version)
            VALUES (\(payload.host), \(payload.name), \(payload.region), true, \(time), 1)
            """, "host \(payload.name) exists")
    }

    private func apply(_ payload: HostEnrolled) async throws {
        try await change(
            """
            UPDATE hosts SET enrolled_at = \(time)::timestamptz, ledger = \(payload.ledger)::uuid,
                version = version + 1
            WHERE id = \(payload.host) AND removed_at IS NULL
            """, "host \(payload.host) is not expected")
    }

    private func apply(_ payload: ProjectCreated) async throws {
        let runtime = try JSONColumn(payload.runtime)
        try await change(
            """
            INSERT INTO projects (id, name, owner, region, uid, gid, runtime, is_wanted_running,
                created_at, version)
            VALUES (\(payload.project), \(payload.name), \(payload.owner), \(payload.region),
                \(Int64(payload.uid)), \(Int64(payload.gid)), \(runtime)::jsonb, false, \(time), 1)
            """, "project \(payload.name) exists")
        try await change(
            """
            INSERT INTO placements (project, host, generation, is_provisioned, changed_at, version)
            VALUES (\(payload.project), \(payload.host), 1, false, \(time), 1)
            """, "project \(payload.name) is placed")
    }

    private func apply(_ payload: ProjectWanted) async throws {
        try await change(
            """
            UPDATE projects SET is_wanted_running = \(payload.isWantedRunning),
                version = version + 1
            WHERE id = \(payload.project) AND deleted_at IS NULL
            """, "project \(payload.project) does not exist")
    }

    private func apply(_ payload: ProjectDeleted) async throws {
        try await change(
            """
            UPDATE projects SET deleted_at = \(time)::timestamptz, is_wanted_running = false,
                version = version + 1
            WHERE id = \(payload.project) AND deleted_at IS NULL
            """, "project \(payload.project) does not exist")
    }

    private func apply(_ payload: PlacementChanged) async throws {
        // The generation only rises, by one: two changes at once cannot both succeed (D1).
        try await change(
            """
            UPDATE placements SET host = \(payload.host)::uuid,
                generation = \(payload.generation), is_provisioned = \(payload.isProvisioned),
                changed_at = \(time)::timestamptz, version = version + 1
            WHERE project = \(payload.project) AND generation = \(payload.generation) - 1
            """,
            "the placement of project \(payload.project) is not at generation "
                + "\(payload.generation - 1)")
    }

    private func apply(_ payload: PlacementProvisioned) async throws {
        try await change(
            """
            UPDATE placements SET is_provisioned = \(payload.isProvisioned),
                changed_at = \(time)::timestamptz, version = version + 1
            WHERE project = \(payload.project) AND host = \(payload.host)
                AND generation = \(payload.generation)
            """,
            "project \(payload.project) is not placed on \(payload.host) with generation "
                + "\(payload.generation)")
    }

    private func apply(_ payload: BucketCreated) async throws {
        let settings = try JSONColumn(payload.settings)
        try await change(
            """
            INSERT INTO buckets (id, name, kind, region, settings, grant_mode, is_default,
                created_at, version)
            VALUES (\(payload.bucket), \(payload.name), \(payload.kind), \(payload.region),
                \(settings)::jsonb, \(payload.grantMode.rawValue), \(payload.isDefault), \(time), 1)
            """, "bucket \(payload.name) exists")
    }

    private func apply(_ payload: RepositoryCreated) async throws {
        try await change(
            """
            INSERT INTO repositories (id, project, bucket, prefix, chunker_polynomial, created_at,
                version)
            VALUES (\(payload.repository), \(payload.project), \(payload.bucket),
                \(payload.prefix), \(payload.chunkerPolynomial), \(time), 1)
            """, "project \(payload.project) has a repository")
    }

    private func apply(_ payload: BackupRecorded) async throws {
        let omissions = try JSONColumn(payload.omissions)
        let tags = try JSONColumn(payload.tags)
        try await change(
            """
            INSERT INTO backups (id, project, repository, snapshot, root_tree, taken_at,
                recorded_at, host, generation, operation, files, bytes, added_bytes, stored_bytes,
                omissions, tags, version)
            VALUES (\(payload.backup), \(payload.project), \(payload.repository),
                \(payload.snapshot), \(payload.rootTree), \(payload.takenAt), \(time),
                \(payload.host), \(payload.generation), \(payload.operation), \(payload.files),
                \(payload.bytes), \(payload.addedBytes), \(payload.storedBytes),
                \(omissions)::jsonb, \(tags)::jsonb, 1)
            """, "backup \(payload.backup) is recorded")
    }

    private func add(_ payload: PinChanged) async throws {
        try await change(
            """
            INSERT INTO pins (backup, reason, holder, created_at, version)
            VALUES (\(payload.backup), \(payload.reason.rawValue), \(payload.holder), \(time), 1)
            """, "backup \(payload.backup) is pinned by \(payload.holder)")
    }

    private func release(_ payload: PinChanged) async throws {
        try await change(
            """
            DELETE FROM pins WHERE backup = \(payload.backup)
                AND reason = \(payload.reason.rawValue) AND holder = \(payload.holder)
            """, "backup \(payload.backup) is not pinned by \(payload.holder)")
    }

    private func apply(_ payload: CopyCreated) async throws {
        let source = try JSONColumn(payload.sourcePath)
        let destination = try JSONColumn(payload.destinationPath)
        try await change(
            """
            INSERT INTO copies (id, operation, source, backup, source_path, destination,
                destination_path, overwrite, state, created_at, expires_at, version)
            VALUES (\(payload.copy), \(payload.operation), \(payload.source), \(payload.backup),
                \(source)::jsonb, \(payload.destination), \(destination)::jsonb,
                \(payload.overwrite.rawValue), 'pending', \(time), \(payload.expiresAt), 1)
            """, "copy \(payload.copy) exists")
    }

    private func apply(_ payload: CopyChanged) async throws {
        let failure = try payload.failure.map { try JSONColumn($0) }
        let isTerminal: Bool
        switch payload.state {
        case .pending, .applying: isTerminal = false
        case .done, .failed, .canceled, .superseded, .expired: isTerminal = true
        }
        let finishedAt = isTerminal ? time : nil
        try await change(
            """
            UPDATE copies SET state = \(payload.state.rawValue), failure = \(failure)::jsonb,
                finished_at = \(finishedAt)::timestamptz, version = version + 1
            WHERE id = \(payload.copy) AND state IN ('pending', 'applying')
            """, "copy \(payload.copy) has ended")
    }
}
