import Postgres

extension RegistryStatements {
    /// What is known of buckets and of the repositories in them.
    static let buckets: [Form: PostgresQuery] = [
        Form(type: "bucket.created", version: 1): """
        INSERT INTO buckets (id, name, kind, region, settings, grant_mode, is_default,
            created_at, version)
        SELECT identifier_uuid(e.payload->>'bucket'), e.payload->>'name', e.payload->>'kind',
            e.payload->>'region', e.payload->'settings', e.payload->>'grantMode',
            (e.payload->>'isDefault')::boolean, e.time, 1 FROM e
        """,
        Form(type: "bucket.changed", version: 1): """
        UPDATE buckets SET settings = e.payload->'settings',
            grant_mode = e.payload->>'grantMode',
            is_default = (e.payload->>'isDefault')::boolean, test = e.payload->'test',
            version = buckets.version + 1
        FROM e WHERE buckets.id = identifier_uuid(e.payload->>'bucket')
            AND buckets.removed_at IS NULL
        """,
        Form(type: "bucket.removed", version: 1): """
        UPDATE buckets SET removed_at = e.time, is_default = false,
            version = buckets.version + 1
        FROM e WHERE buckets.id = identifier_uuid(e.payload->>'bucket')
            AND buckets.removed_at IS NULL AND NOT EXISTS (
                SELECT FROM repositories r WHERE r.bucket = buckets.id AND r.retired_at IS NULL)
        """,
        // Waits for a removal of the bucket at the same time, and then finds it removed.
        Form(type: "project.routed", version: 1): """
        UPDATE projects SET bucket = b.id, version = projects.version + 1
        FROM e, LATERAL (SELECT buckets.id FROM buckets
            WHERE buckets.id = identifier_uuid(e.payload->>'bucket')
                AND buckets.removed_at IS NULL FOR SHARE) b
        WHERE projects.id = e.project AND projects.deleted_at IS NULL
        """,
        // As `project.routed`.
        Form(type: "repository.created", version: 1): """
        INSERT INTO repositories (id, project, bucket, prefix, chunker_polynomial, created_at,
            version)
        SELECT identifier_uuid(e.payload->>'repository'), e.project, b.id,
            e.payload->>'prefix', e.payload->>'chunkerPolynomial', e.time, 1
        FROM e JOIN buckets b ON b.id = identifier_uuid(e.payload->>'bucket')
            AND b.removed_at IS NULL
        FOR SHARE OF b
        """,
        // The old one is retired first: a project has one that is not.
        Form(type: "repository.replaced", version: 1): """
        , retired AS (
            UPDATE repositories SET retired_at = e.time, version = repositories.version + 1
            FROM e JOIN buckets b ON b.id = identifier_uuid(e.payload->>'bucket')
                AND b.removed_at IS NULL
            WHERE repositories.id = identifier_uuid(e.payload->>'replaces')
                AND repositories.project = e.project AND repositories.retired_at IS NULL
            RETURNING repositories.id AS id, b.id AS bucket),
        made AS (
            INSERT INTO repositories (id, project, bucket, prefix, chunker_polynomial, created_at,
                version)
            SELECT identifier_uuid(e.payload->>'repository'), e.project, retired.bucket,
                e.payload->>'prefix', e.payload->>'chunkerPolynomial', e.time, 1
            FROM e, retired
            RETURNING id)
        UPDATE backups SET repository = made.id, snapshot = m.value, version = backups.version + 1
        FROM made, retired, e, jsonb_each_text(e.payload->'snapshots') AS m
        WHERE backups.repository = retired.id AND backups.snapshot = m.key
        """,
    ]
}
