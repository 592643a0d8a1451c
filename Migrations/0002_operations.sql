-- Durable operations, split by temperature (OPERATIONS.md 2.7 of the design): a body that is only
-- inserted; while it lives exactly one of ready, delayed, run, waiting; at last one end.

-- Fencing numbers: one sequence for the whole hub, a new one for every lease (D7).
create sequence operation_epoch;
create sequence operation_sequence;

create table operations (
    id uuid primary key,
    kind text not null,
    scope_kind text not null check (scope_kind in ('project', 'host', 'copy', 'bucket', 'fleet')),
    scope uuid not null,
    project uuid,
    -- 'hub', or the host that works on it
    lane text not null,
    priority smallint not null default 100,
    input jsonb not null,
    created_by text not null,
    reason text,
    request uuid,
    parent uuid references operations,
    -- the first ancestor: it is what holds guards and pins
    root uuid not null,
    -- what the parent calls it; a parent that resumes finds its child again by it
    child_key text,
    max_attempts smallint not null check (max_attempts > 0),
    -- a lease whose work makes no progress for so long is taken back
    no_progress_limit interval not null,
    expires_at timestamptz,
    created_at timestamptz not null default clock_timestamp(),
    check ((parent is null) = (child_key is null)),
    unique (parent, child_key)
);
create index operations_newest on operations (created_at desc, id desc);
create index operations_by_project on operations (project, created_at desc) where project is not null;
create index operations_by_root on operations (root);

-- One row while it lives: at most one live operation of a kind, scope and key.
create table operation_live (
    operation uuid primary key references operations,
    kind text not null,
    scope uuid not null,
    dedupe_key text not null,
    constraint operation_live_once unique (kind, scope, dedupe_key)
);

-- Claimed in key order, FOR UPDATE SKIP LOCKED, behind a floor per (lane, priority).
create table operation_ready (
    lane text not null,
    priority smallint not null,
    sequence bigint not null default nextval('operation_sequence'),
    operation uuid not null,
    ready_at timestamptz not null default clock_timestamp(),
    primary key (lane, priority, sequence)
);
create unique index operation_ready_once on operation_ready (operation);

-- Becomes ready when due: a retry, or a first try that was asked for later.
create table operation_delayed (
    operation uuid primary key,
    due_at timestamptz not null,
    reason text not null,
    sentence text not null
);
create index operation_delayed_due on operation_delayed (due_at);

create table sessions (
    id uuid primary key,
    node text not null check (node in ('hub', 'host')),
    host uuid references hosts,
    name text not null,
    lease_until timestamptz not null,
    started_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    -- the last lease request and its answer: its repetition gets the same
    lease_request uuid,
    lease_answer jsonb,
    check ((node = 'host') = (host is not null))
) with (fillfactor = 60);
create index sessions_open on sessions (lease_until) where ended_at is null;
create index sessions_of_host on sessions (host) where ended_at is null;

create table operation_run (
    operation uuid primary key,
    epoch bigint not null,
    session uuid not null references sessions,
    attempt smallint not null,
    claimed_at timestamptz not null default clock_timestamp(),
    -- when the session last listed it, and when it last moved
    listed_at timestamptz not null default clock_timestamp(),
    progress_at timestamptz not null default clock_timestamp()
) with (fillfactor = 60);
create index operation_run_of_session on operation_run (session);

-- Parked: no lease, no heartbeat.
create table operation_waiting (
    operation uuid primary key,
    reason text not null,
    sentence text not null,
    wake_at timestamptz,
    since timestamptz not null default clock_timestamp()
);
create index operation_waiting_due on operation_waiting (wake_at) where wake_at is not null;

-- A workflow's phase, persisted with every transition.
create table operation_workflow (
    operation uuid primary key references operations,
    phase text not null,
    state jsonb not null,
    updated_at timestamptz not null default clock_timestamp()
) with (fillfactor = 70);

-- Cancel is a row: it travels in every heartbeat's answer (D14).
create table operation_cancel (
    operation uuid primary key references operations,
    requested_by text not null,
    requested_at timestamptz not null default clock_timestamp()
);

-- Terminal and never changed.
create table operation_end (
    operation uuid primary key references operations,
    epoch bigint,
    state text not null check (state in ('succeeded', 'failed', 'canceled', 'expired')),
    result jsonb,
    failure jsonb,
    cancel_confirmed boolean check ((state = 'canceled') = (cancel_confirmed is not null)),
    finished_at timestamptz not null default clock_timestamp(),
    check ((state = 'failed') = (failure is not null))
);
create index operation_end_newest on operation_end (finished_at desc);
create index operation_end_failed on operation_end (finished_at desc) where state = 'failed';

create function refuse_end_change() returns trigger language plpgsql as $$
begin
    raise exception 'terminal states never change' using errcode = 'restrict_violation';
end $$;
create trigger operation_end_is_final before update on operation_end
    for each row execute function refuse_end_change();

-- Every lease there was, and how it ended.
create table operation_attempt (
    operation uuid not null references operations,
    epoch bigint not null,
    attempt smallint not null,
    session uuid not null,
    owner text not null,
    started_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    ending text,
    primary key (operation, epoch)
);

-- The last messages of each operation; losing them loses no operation.
create unlogged table operation_progress (
    operation uuid not null,
    sequence bigint not null default nextval('operation_sequence'),
    progress jsonb not null,
    primary key (operation, sequence)
);
create unlogged table operation_progress_latest (
    operation uuid primary key,
    sequence bigint not null,
    progress jsonb not null,
    updated_at timestamptz not null default clock_timestamp()
) with (fillfactor = 60);

-- Exact limits: a row a place, taken with SKIP LOCKED, never counted.
create table slots (
    resource text not null,
    number smallint not null,
    operation uuid,
    epoch bigint,
    primary key (resource, number)
) with (fillfactor = 70);
create index slots_of_operation on slots (operation) where operation is not null;

-- Keeps ordinary starts, second moves and deletions of a project out while a move, restore or
-- deletion runs; survives a crash. `epoch` is the guard's: lower ones are refused under it (D7).
create table guards (
    project uuid primary key references projects,
    operation uuid not null references operations,
    kind text not null,
    epoch bigint not null,
    since timestamptz not null default clock_timestamp()
);
create index guards_of_operation on guards (operation);

-- Packs that a running backup uploaded, by operation and epoch, before its commit names them.
create table uploads (
    operation uuid not null references operations,
    pack text not null check (pack ~ '^[0-9a-f]{64}$'),
    epoch bigint not null,
    bytes bigint not null,
    uploaded_at timestamptz not null default clock_timestamp(),
    primary key (operation, pack)
);

-- The same key and body gets the same answer for 24 hours; another body is refused.
create table idempotency_keys (
    actor text not null,
    key text not null,
    fingerprint bytea not null,
    operation uuid references operations,
    status smallint,
    answer jsonb,
    created_at timestamptz not null default clock_timestamp(),
    primary key (actor, key)
);
create index idempotency_keys_age on idempotency_keys (created_at);

-- Where every operation stands; exactly one row an operation.
create view operation_states as
    select operation, 'queued' as state from operation_ready
    union all select operation, 'queued' from operation_delayed
    union all select operation, 'running' from operation_run
    union all select operation, 'waiting' from operation_waiting
    union all select operation, state from operation_end;
