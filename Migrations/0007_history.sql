-- A database that was restored from an older dump goes on as another history: what hosts have seen
-- and it has not must neither be obeyed nor refused for ever.

-- The history since the last such restore; null in the first one, whose identity is `timeline`, under
-- which the master key's proof is sealed.
alter table hub add column history uuid;
alter table hub add column history_began_at timestamptz;

-- Hosts that have not yet said what they hold since: they get no orders.
create table host_recovery (
    host uuid primary key references hosts,
    since timestamptz not null default clock_timestamp()
);

create or replace function append_events(
    event_actor text, event_reason text, event_request uuid, event_time timestamptz,
    event_types text[], event_versions bigint[], event_projects text[], event_hosts text[],
    event_payloads text[]
) returns bigint language plpgsql security definer set search_path = public, pg_temp as $$
declare
    item record;
    last bigint;
    chained bytea;
    current_history uuid;
begin
    select coalesce(history, timeline) into strict current_history from hub;
    select sequence, hash into strict last, chained from event_counter for update;
    for item in
        select type, version::smallint as version, nullif(project, '')::uuid as project,
            nullif(host, '')::uuid as host, payload::jsonb as payload
        from unnest(event_types, event_versions, event_projects, event_hosts, event_payloads)
            with ordinality as given (type, version, project, host, payload, position)
        order by position
    loop
        last := last + 1;
        chained := event_hash(chained, 2::smallint, last, current_history, item.type, item.version,
            item.project, item.host, event_actor, event_reason, event_request, event_time,
            item.payload);
        insert into events (sequence, hash, timeline, type, version, project, host, actor,
                reason, request, time, payload, form)
            values (last, chained, current_history, item.type, item.version, item.project,
                item.host, event_actor, event_reason, event_request, event_time, item.payload, 2);
    end loop;
    update event_counter set sequence = last, hash = chained;
    return last;
end $$;

-- Lets the hub's role raise the sequence of epochs above what a host has seen, and never lower it.
create function raise_epoch(seen bigint) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if seen >= (select last_value from operation_epoch) then
        perform setval('operation_epoch', seen + 1);
    end if;
end $$;
