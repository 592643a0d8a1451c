-- Buckets of several kinds and places: they can be changed, tested and removed, and a project may
-- be kept in another than its region's.

-- a removed bucket's name is free again
alter table buckets drop constraint buckets_name_key;
create unique index buckets_by_name on buckets (name) where removed_at is null;
-- what the last `bucket test` found; null: never tested
alter table buckets add column test jsonb;
-- the bucket that was asked for; null: the default of its region, when its repository is made
alter table projects add column bucket uuid references buckets;

-- Not in the log from here on.

-- How a bucket fares; no row: it works. Every failure that is not a repetition within the pause
-- adds to `failing_milliseconds` at least the pause that was ordered, so that a clock that goes
-- back makes nobody try for ever.
create table bucket_health (
    bucket uuid primary key references buckets,
    state text not null check (state in ('failing', 'paused')),
    since timestamptz not null,
    failures bigint not null check (failures > 0),
    steps bigint not null check (steps > 0),
    failing_milliseconds bigint not null,
    code text not null,
    reason text not null,
    failed_at timestamptz not null,
    wait_milliseconds bigint not null,
    next_try_at timestamptz not null
) with (fillfactor = 60);

-- Which bucket a parked operation (operation_waiting, reason 'bucket') waits for.
create table bucket_waits (
    operation uuid primary key references operations,
    bucket uuid not null references buckets
);
create index bucket_waits_of_bucket on bucket_waits (bucket);
