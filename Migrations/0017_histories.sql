-- The histories that this database has gone through: a host that knows another one than these has seen
-- a later state of it.
create table histories (
    history uuid primary key,
    ended_at timestamptz not null default clock_timestamp()
);
insert into histories (history) select distinct timeline from events;
