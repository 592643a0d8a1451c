import Postgres

/// What each event does to its view: one SQL statement a type and version.
///
/// A statement reads the one row `e` with the event's `time`, `payload` (jsonb), `project` and
/// `host`, and nothing else that could differ between the moment when it happened and a replay: no
/// clock, no configuration. It changes no row when the event does not follow on what is there.
/// `RegistryViews` runs it for a new event, `ReplayStore` for all events of the log.
enum RegistryStatements {
    /// A payload's form.
    struct Form: Hashable, Sendable {
        let type: String
        let version: Int
    }

    /// The tables that the log alone rebuilds, each behind those that it refers to.
    static let tables = [
        "hosts", "buckets", "projects", "placements", "repositories", "backups", "pins", "copies",
        "schedules",
    ]

    /// The statement of each form; a form that is not here is of a newer program.
    static let all = projects.merging(buckets) { statement, _ in statement }
        .merging(schedules) { statement, _ in statement }

    /// What is known of hosts, projects and their backups.
    private static let projects: [Form: PostgresQuery] = [
        Form(type: "host.expected", version: 1): """
        INSERT INTO hosts (id, name, region, is_schedulable, created_at, version)
        SELECT e.host, e.payload->>'name', e.payload->>'region', true, e.time, 1 FROM e
        """,
        Form(type: "host.enrolled", version: 1): """
        UPDATE hosts SET enrolled_at = e.time,
            ledger = identifier_uuid(e.payload->>'ledger'), version = hosts.version + 1
        FROM e WHERE hosts.id = e.host AND hosts.removed_at IS NULL
        """,
        Form(type: "host.schedulable", version: 1): """
        UPDATE hosts SET is_schedulable = (e.payload->>'isSchedulable')::boolean,
            version = hosts.version + 1
        FROM e WHERE hosts.id = e.host AND hosts.removed_at IS NULL
        """,
        Form(type: "project.created", version: 1): """
        , p AS (
            INSERT INTO projects (id, name, owner, region, uid, gid, runtime,
                is_wanted_running, created_at, version)
            SELECT e.project, e.payload->>'name', e.payload->>'owner', e.payload->>'region',
                (e.payload->>'uid')::bigint, (e.payload->>'gid')::bigint,
                e.payload->'runtime', false, e.time, 1 FROM e)
        INSERT INTO placements (project, host, generation, is_provisioned, changed_at, version)
        SELECT e.project, e.host, 1, false, e.time, 1 FROM e
        """,
        Form(type: "project.wanted", version: 1): """
        UPDATE projects SET is_wanted_running = (e.payload->>'isWantedRunning')::boolean,
            version = projects.version + 1
        FROM e WHERE projects.id = e.project AND projects.deleted_at IS NULL
        """,
        Form(type: "project.deleted", version: 1): """
        UPDATE projects SET deleted_at = e.time, is_wanted_running = false,
            version = projects.version + 1
        FROM e WHERE projects.id = e.project AND projects.deleted_at IS NULL
        """,
        // The generation only rises, by one: two changes at once cannot both succeed (D1).
        Form(type: "placement.changed", version: 1): """
        UPDATE placements SET host = e.host,
            generation = (e.payload->>'generation')::bigint,
            is_provisioned = (e.payload->>'isProvisioned')::boolean,
            changed_at = e.time, version = placements.version + 1
        FROM e WHERE placements.project = e.project
            AND placements.generation = (e.payload->>'generation')::bigint - 1
        """,
        Form(type: "placement.adopted", version: 1): """
        UPDATE placements SET host = e.host,
            generation = (e.payload->>'generation')::bigint, is_provisioned = true,
            changed_at = e.time, version = placements.version + 1
        FROM e WHERE placements.project = e.project
            AND placements.generation < (e.payload->>'generation')::bigint
        """,
        Form(type: "placement.provisioned", version: 1): """
        UPDATE placements SET is_provisioned = (e.payload->>'isProvisioned')::boolean,
            changed_at = e.time, version = placements.version + 1
        FROM e WHERE placements.project = e.project AND placements.host = e.host
            AND placements.generation = (e.payload->>'generation')::bigint
        """,
        Form(type: "backup.recorded", version: 1): """
        INSERT INTO backups (id, project, repository, snapshot, root_tree, taken_at,
            recorded_at, host, generation, operation, files, bytes, added_bytes, stored_bytes,
            omissions, tags, version)
        SELECT identifier_uuid(e.payload->>'backup'), e.project,
            identifier_uuid(e.payload->>'repository'), e.payload->>'snapshot',
            e.payload->>'rootTree', (e.payload->>'takenAt')::timestamptz, e.time, e.host,
            (e.payload->>'generation')::bigint,
            identifier_uuid(e.payload->>'operation'), (e.payload->>'files')::bigint,
            (e.payload->>'bytes')::bigint, (e.payload->>'addedBytes')::bigint,
            (e.payload->>'storedBytes')::bigint, e.payload->'omissions', e.payload->'tags', 1
        FROM e
        """,
        Form(type: "backup.confirmed", version: 1): """
        UPDATE backups SET
            confirmed_at = greatest(confirmed_at, (e.payload->>'takenAt')::timestamptz),
            confirmed_by = identifier_uuid(e.payload->>'operation'), version = backups.version + 1
        FROM e WHERE backups.id = identifier_uuid(e.payload->>'backup')
            AND backups.forgotten_at IS NULL
        """,
        Form(type: "backup.forgotten", version: 1): """
        UPDATE backups SET forgotten_at = e.time, version = backups.version + 1
        FROM e WHERE backups.id = identifier_uuid(e.payload->>'backup')
            AND backups.forgotten_at IS NULL
            AND NOT EXISTS (SELECT FROM pins WHERE pins.backup = backups.id)
        """,
        // Whoever forgets the backup holds its row: this waits then, and finds it forgotten (D9).
        Form(type: "pin.added", version: 1): """
        INSERT INTO pins (backup, reason, holder, created_at, version)
        SELECT b.id, e.payload->>'reason', (e.payload->>'holder')::uuid, e.time, 1
        FROM e JOIN backups b ON b.id = identifier_uuid(e.payload->>'backup')
        WHERE b.forgotten_at IS NULL FOR KEY SHARE OF b
        """,
        Form(type: "pin.released", version: 1): """
        DELETE FROM pins USING e
        WHERE pins.backup = identifier_uuid(e.payload->>'backup')
            AND pins.reason = e.payload->>'reason'
            AND pins.holder = (e.payload->>'holder')::uuid
        """,
        Form(type: "copy.created", version: 1): """
        INSERT INTO copies (id, operation, source, backup, source_path, destination,
            destination_path, overwrite, state, created_at, expires_at, version)
        SELECT identifier_uuid(e.payload->>'copy'),
            identifier_uuid(e.payload->>'operation'), identifier_uuid(e.payload->>'source'),
            identifier_uuid(e.payload->>'backup'), e.payload->'sourcePath', e.project,
            e.payload->'destinationPath', e.payload->>'overwrite', 'pending', e.time,
            (e.payload->>'expiresAt')::timestamptz, 1 FROM e
        """,
        Form(type: "copy.changed", version: 1): """
        UPDATE copies SET state = e.payload->>'state', failure = e.payload->'failure',
            finished_at = CASE WHEN e.payload->>'state' NOT IN ('pending', 'applying')
                THEN e.time END,
            version = copies.version + 1
        FROM e WHERE copies.id = identifier_uuid(e.payload->>'copy')
            AND copies.state IN ('pending', 'applying')
        """,
    ]
}
