-- What recurs. A schedule is a view of the log like the rest of the registry; when it fires is not,
-- because only the database's clock decides that.

create table schedules (
    id uuid primary key,
    name text not null check (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    definition jsonb not null,
    created_at timestamptz not null,
    deleted_at timestamptz,
    version bigint not null
);
create unique index schedules_by_name on schedules (name) where deleted_at is null;

-- When each living schedule fires: locked by who fires it, moved on in the transaction that makes
-- the operation.
create table schedule_clocks (
    schedule uuid primary key,
    -- null while it is paused
    slot timestamptz,
    due_at timestamptz,
    last_fired_at timestamptz,
    last_operation uuid,
    last_problem text,
    missed bigint not null default 0,
    check ((slot is null) = (due_at is null))
) with (fillfactor = 70);
create index schedule_clocks_due on schedule_clocks (due_at) where due_at is not null;
