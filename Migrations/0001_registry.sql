-- The hub's identity, the event log, and the registry: views of the log that `berth-hub replay`
-- can rebuild. Every change of a registry table is one event written in the same transaction;
-- a view takes every value from the event, none from now().

-- One row: which history this database is, and what proves that the master key fits it.
create table hub (
    singleton boolean primary key default true check (singleton),
    timeline uuid not null,
    -- a known constant sealed with the master key: a wrong key fails closed
    keyring_check bytea not null,
    created_at timestamptz not null default clock_timestamp()
);

-- Locked last in every transaction that writes events: gapless and in commit order.
create table event_counter (
    singleton boolean primary key default true check (singleton),
    sequence bigint not null default 0,
    hash bytea not null default '\x'
);
insert into event_counter default values;

create table events (
    sequence bigint primary key,
    -- SHA-256 over the hash before and this row; a changed or missing event breaks the chain
    hash bytea not null,
    timeline uuid not null,
    type text not null check (type ~ '^[a-z]+\.[a-z-]+$'),
    version smallint not null check (version > 0),
    project uuid,
    host uuid,
    actor text not null,
    reason text,
    request uuid,
    time timestamptz not null,
    payload jsonb not null
);
create index events_by_project on events (project, sequence) where project is not null;
create index events_by_host on events (host, sequence) where host is not null;

-- Appends one event; the only way rows get into the log. Lock order: views first, this last.
create function append_event(
    event_type text, event_version smallint, event_project uuid, event_host uuid,
    event_actor text, event_reason text, event_request uuid, event_time timestamptz,
    event_payload jsonb
) returns bigint language plpgsql as $$
declare
    follower bigint;
    before bytea;
    chained bytea;
    history uuid;
begin
    select timeline into strict history from hub;
    select sequence + 1, hash into strict follower, before from event_counter for update;
    chained := sha256(before || convert_to(
        concat_ws('|', follower, history, event_type, event_version, event_project, event_host,
            event_actor, event_reason, event_request,
            extract(epoch from event_time)::numeric, event_payload), 'UTF8'));
    insert into events values (follower, chained, history, event_type, event_version, event_project,
        event_host, event_actor, event_reason, event_request, event_time, event_payload);
    update event_counter set sequence = follower, hash = chained;
    return follower;
end $$;

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'events are append-only' using errcode = 'restrict_violation';
end $$;
create trigger events_are_append_only before update or delete or truncate on events
    for each statement execute function refuse_change();

create table hosts (
    id uuid primary key,
    name text not null unique check (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    region text not null,
    -- null until its agent enrolled
    enrolled_at timestamptz,
    -- the ledger whose reports count; another one is quarantined
    ledger uuid,
    is_schedulable boolean not null,
    created_at timestamptz not null,
    removed_at timestamptz,
    version bigint not null
);

create table projects (
    id uuid primary key,
    name text not null check (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    owner text not null,
    region text not null,
    uid bigint not null unique check (uid between 100000 and 4294967293),
    gid bigint not null,
    runtime jsonb not null,
    -- whether the project is meant to run; a move keeps it
    is_wanted_running boolean not null,
    created_at timestamptz not null,
    deleted_at timestamptz,
    version bigint not null
);
create unique index projects_by_name on projects (name) where deleted_at is null;

create table placements (
    project uuid primary key references projects,
    host uuid references hosts,
    generation bigint not null check (generation > 0),
    -- whether the volume really exists on the host; null: never scanned
    is_provisioned boolean,
    changed_at timestamptz not null,
    version bigint not null
);
create index placements_by_host on placements (host, project);

create table buckets (
    id uuid primary key,
    name text not null unique check (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    kind text not null check (kind in ('directory', 's3')),
    region text not null,
    -- directory: {"path"}; s3: endpoint, bucket, prefix, style, …
    settings jsonb not null,
    grant_mode text not null check (grant_mode in ('gateway', 'presigned')),
    is_default boolean not null,
    created_at timestamptz not null,
    removed_at timestamptz,
    version bigint not null
);
create unique index buckets_one_default on buckets (region) where is_default and removed_at is null;

create table repositories (
    id uuid primary key,
    project uuid not null references projects,
    bucket uuid not null references buckets,
    prefix text not null,
    chunker_polynomial text not null,
    created_at timestamptz not null,
    retired_at timestamptz,
    version bigint not null,
    unique (bucket, prefix)
);
create unique index repositories_one_live on repositories (project) where retired_at is null;

create table backups (
    id uuid primary key,
    project uuid not null references projects,
    repository uuid not null references repositories,
    snapshot text not null check (snapshot ~ '^[0-9a-f]{64}$'),
    root_tree text not null check (root_tree ~ '^[0-9a-f]{64}$'),
    -- when the btrfs snapshot was taken, which is what freshness goes by (D3)
    taken_at timestamptz not null,
    recorded_at timestamptz not null,
    host uuid not null references hosts,
    generation bigint not null,
    operation uuid not null,
    files bigint not null,
    bytes bigint not null,
    added_bytes bigint not null,
    stored_bytes bigint not null,
    omissions jsonb not null,
    tags jsonb not null,
    forgotten_at timestamptz,
    version bigint not null,
    unique (repository, snapshot)
);
create index backups_newest on backups (project, taken_at desc, id desc)
    where forgotten_at is null;

-- Why a backup must not go away (D9).
create table pins (
    backup uuid not null references backups,
    reason text not null
        check (reason in ('copy', 'move', 'restore', 'backup', 'base', 'trash', 'manual')),
    -- the copy, operation, host or person that holds it
    holder uuid not null,
    created_at timestamptz not null,
    version bigint not null,
    primary key (backup, reason, holder)
);
create index pins_by_holder on pins (holder);

create table copies (
    id uuid primary key,
    operation uuid not null,
    source uuid not null references projects,
    backup uuid not null references backups,
    source_path jsonb not null,
    destination uuid not null references projects,
    destination_path jsonb not null,
    overwrite text not null check (overwrite in ('never', 'always')),
    state text not null check (state in
        ('pending', 'applying', 'done', 'failed', 'canceled', 'superseded', 'expired')),
    failure jsonb,
    created_at timestamptz not null,
    expires_at timestamptz not null,
    finished_at timestamptz,
    version bigint not null
);
-- the order in which copies to one path are applied, and what a start has to apply first (D6)
create index copies_live on copies (destination, created_at, id)
    where state in ('pending', 'applying');
create index copies_by_operation on copies (operation);

-- Not in the log from here on.

create table host_status (
    host uuid primary key references hosts,
    seen_at timestamptz not null,
    status jsonb not null
) with (fillfactor = 70);

-- What is known of a project's volume, from its host's reports.
create table project_activity (
    project uuid primary key references projects,
    host uuid not null,
    generation bigint not null,
    transid bigint not null,
    covered_transid bigint,
    subvolume text not null,
    freshness text not null check (freshness in ('fresh', 'dirty', 'unknown')),
    first_change_at timestamptz,
    runtime text not null check (runtime in ('stopped', 'running', 'exited')),
    base uuid,
    is_frozen boolean not null,
    observed_at timestamptz not null
) with (fillfactor = 70);

-- How far each ledger's reports have been applied (D8).
create table inbox (
    host uuid not null references hosts,
    ledger uuid not null,
    applied bigint not null default 0,
    quarantined_at timestamptz,
    quarantine_reason text,
    primary key (host, ledger)
) with (fillfactor = 70);

-- Volumes that a host holds and that are not placed there: kept, shown, never deleted by a
-- machine (D4).
create table quarantined_volumes (
    host uuid not null references hosts,
    project uuid not null,
    generation bigint not null,
    reason text not null,
    seen_at timestamptz not null,
    primary key (host, project)
);

-- Sealed with AES-256-GCM under the key `key_id`; associated data: kind, id and key id.
create table secrets (
    kind text not null check (kind in ('repository-password', 'repository-key', 'bucket')),
    id uuid not null,
    key_id text not null,
    sealed bytea not null,
    created_at timestamptz not null default clock_timestamp(),
    primary key (kind, id)
);

-- Bearer and join tokens; only their SHA-256 is kept.
create table tokens (
    id uuid primary key,
    kind text not null check (kind in ('bootstrap', 'admin', 'join', 'host')),
    hash bytea not null unique,
    name text not null,
    host uuid references hosts,
    created_at timestamptz not null default clock_timestamp(),
    expires_at timestamptz,
    used_at timestamptz,
    revoked_at timestamptz,
    check ((kind in ('join', 'host')) = (host is not null))
);
