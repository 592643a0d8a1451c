-- What happens while no hub is there, or none reaches the database, is not held against hosts: they
-- could not renew anything.

-- When a session was renewed last; of those from before, when they began.
alter table sessions add column renewed_at timestamptz not null default clock_timestamp();
update sessions set renewed_at = started_at;
create index sessions_of_hubs on sessions (renewed_at) where node = 'hub';

-- Whether no hub was there during a lease: what comes of it is no try of the operation's.
alter table operation_run add column is_excused boolean not null default false;

-- As of when hosts are judged: now; or, while no hub is there, when one was there last. A hub is there
-- for two thirds of its lease: then it stops its own work as well.
create function judged_at() returns timestamptz stable language sql as $$
    select coalesce((select case
            when h.renewed_at + (h.lease_until - h.renewed_at) * 2 / 3 < clock_timestamp()
            then h.renewed_at else clock_timestamp() end
        from sessions h where h.node = 'hub' order by h.renewed_at desc limit 1),
        clock_timestamp())
$$;
