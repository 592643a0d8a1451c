-- The log's own functions: rows get into it only through append_events, which runs with its owner's
-- rights, so that the hub's role needs none on the log but reading.

-- How a row's hash is made. Form 1 skipped nulls, so that a value could have moved between two
-- columns unseen; rows of form 1 stay as they are.
alter table events add column form smallint not null default 1 check (form in (1, 2));

create function event_hash(
    before bytea, event_form smallint, event_sequence bigint, event_timeline uuid,
    event_type text, event_version smallint, event_project uuid, event_host uuid,
    event_actor text, event_reason text, event_request uuid, event_time timestamptz,
    event_payload jsonb
) returns bytea stable language sql as $$
    select sha256(before || convert_to(case event_form when 1 then
        concat_ws('|', event_sequence, event_timeline, event_type, event_version, event_project,
            event_host, event_actor, event_reason, event_request,
            extract(epoch from event_time)::numeric, event_payload)
        else
        jsonb_build_array(event_form, event_sequence, event_timeline, event_type, event_version,
            event_project, event_host, event_actor, event_reason, event_request,
            extract(epoch from event_time)::numeric, event_payload)::text
        end, 'UTF8'))
$$;

-- Appends the events of one transaction, in the order of the arrays; answers the last one's
-- sequence. Lock order: views first, the counter last.
create function append_events(
    event_actor text, event_reason text, event_request uuid, event_time timestamptz,
    event_types text[], event_versions bigint[], event_projects text[], event_hosts text[],
    event_payloads text[]
) returns bigint language plpgsql security definer set search_path = public, pg_temp as $$
declare
    item record;
    last bigint;
    chained bytea;
    history uuid;
begin
    select timeline into strict history from hub;
    select sequence, hash into strict last, chained from event_counter for update;
    for item in
        select type, version::smallint as version, nullif(project, '')::uuid as project,
            nullif(host, '')::uuid as host, payload::jsonb as payload
        from unnest(event_types, event_versions, event_projects, event_hosts, event_payloads)
            with ordinality as given (type, version, project, host, payload, position)
        order by position
    loop
        last := last + 1;
        chained := event_hash(chained, 2::smallint, last, history, item.type, item.version,
            item.project, item.host, event_actor, event_reason, event_request, event_time,
            item.payload);
        insert into events (sequence, hash, timeline, type, version, project, host, actor,
                reason, request, time, payload, form)
            values (last, chained, history, item.type, item.version, item.project, item.host,
                event_actor, event_reason, event_request, event_time, item.payload, 2);
    end loop;
    update event_counter set sequence = last, hash = chained;
    return last;
end $$;

-- A written identifier (TypeID: prefix, 26 digits of Crockford's base 32) as the UUID that it is.
create function identifier_uuid(identifier text) returns uuid
immutable strict parallel safe language plpgsql as $$
declare
    -- each digit as a byte whose low five bits are its value
    d bytea := convert_to(translate(right(identifier, 26), '0123456789abcdefghjkmnpqrstvwxyz',
        '@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\]^_'), 'UTF8');
    high bigint;
    low bigint;
begin
    high := ((get_byte(d, 0) & 31)::bigint << 61) | ((get_byte(d, 1) & 31)::bigint << 56)
        | ((get_byte(d, 2) & 31)::bigint << 51) | ((get_byte(d, 3) & 31)::bigint << 46)
        | ((get_byte(d, 4) & 31)::bigint << 41) | ((get_byte(d, 5) & 31)::bigint << 36)
        | ((get_byte(d, 6) & 31)::bigint << 31) | ((get_byte(d, 7) & 31)::bigint << 26)
        | ((get_byte(d, 8) & 31)::bigint << 21) | ((get_byte(d, 9) & 31)::bigint << 16)
        | ((get_byte(d, 10) & 31)::bigint << 11) | ((get_byte(d, 11) & 31)::bigint << 6)
        | ((get_byte(d, 12) & 31)::bigint << 1) | ((get_byte(d, 13) & 31)::bigint >> 4);
    low := ((get_byte(d, 13) & 15)::bigint << 60) | ((get_byte(d, 14) & 31)::bigint << 55)
        | ((get_byte(d, 15) & 31)::bigint << 50) | ((get_byte(d, 16) & 31)::bigint << 45)
        | ((get_byte(d, 17) & 31)::bigint << 40) | ((get_byte(d, 18) & 31)::bigint << 35)
        | ((get_byte(d, 19) & 31)::bigint << 30) | ((get_byte(d, 20) & 31)::bigint << 25)
        | ((get_byte(d, 21) & 31)::bigint << 20) | ((get_byte(d, 22) & 31)::bigint << 15)
        | ((get_byte(d, 23) & 31)::bigint << 10) | ((get_byte(d, 24) & 31)::bigint << 5)
        | (get_byte(d, 25) & 31)::bigint;
    return (lpad(to_hex(high), 16, '0') || lpad(to_hex(low), 16, '0'))::uuid;
end $$;
