-- Messages are numbered before they are committed, so that one may appear behind another of a higher
-- number. Who follows them goes by the transaction that wrote them, up to the oldest one that may
-- still write; one that takes too long is not waited for.
alter table operation_progress
    add column xid xid8 not null default pg_current_xact_id(),
    add column stored_at timestamptz not null default clock_timestamp();
