-- The engine's hot rows and its day partitions. What the hot paths ask for is in operation_live while
-- an operation lives; bodies, ends and attempts are only ever inserted, in partitions by the day in
-- which the operation was made (its identifier begins with that time), and whole days are dropped.

-- Foreign keys would be checked row by row in the hot paths, and would hold whole days together. What
-- they said holds by the statements that move operations, and by one_place below.
alter table operations drop constraint operations_parent_fkey,
    drop constraint operations_parent_child_key_key;
alter table operation_live drop constraint operation_live_operation_fkey;
alter table operation_run drop constraint operation_run_session_fkey;
alter table operation_workflow drop constraint operation_workflow_operation_fkey;
alter table operation_cancel drop constraint operation_cancel_operation_fkey;
alter table operation_end drop constraint operation_end_operation_fkey;
alter table operation_attempt drop constraint operation_attempt_operation_fkey;
alter table guards drop constraint guards_operation_fkey;
alter table uploads drop constraint uploads_operation_fkey;
alter table idempotency_keys drop constraint idempotency_keys_operation_fkey;
alter table bucket_waits drop constraint bucket_waits_operation_fkey;
drop view operation_states;

-- Whose work it is, for turns between owners; where it goes; who waits for it. A key of null keeps
-- nobody away.
alter table operation_live
    alter column dedupe_key drop not null,
    add column lane text,
    add column priority smallint,
    add column share integer,
    add column root uuid,
    add column parent uuid,
    add column child_key text,
    add column project uuid,
    add column bucket uuid,
    add column is_workflow boolean,
    add column is_copy boolean,
    add column silence_milliseconds bigint,
    add column expires_at timestamptz;
update operation_live l set lane = o.lane, priority = o.priority,
    share = hashtext(o.created_by || ' ' || o.kind), root = o.root, parent = o.parent,
    child_key = o.child_key, project = o.project, is_workflow = position('.' in o.kind) = 0,
    is_copy = o.scope_kind = 'copy',
    silence_milliseconds = extract(epoch from o.no_progress_limit) * 1000,
    expires_at = o.expires_at,
    dedupe_key = case when l.dedupe_key = l.operation::text then null else l.dedupe_key end,
    bucket = (select r.bucket from repositories r
        where r.project = o.project and r.retired_at is null)
    from operations o where o.id = l.operation;
alter table operation_live
    alter column lane set not null, alter column priority set not null,
    alter column share set not null, alter column root set not null,
    alter column is_workflow set not null, alter column is_copy set not null,
    alter column silence_milliseconds set not null,
    drop constraint operation_live_once,
    add check ((parent is null) = (child_key is null));
create unique index operation_live_once on operation_live (kind, scope, dedupe_key)
    where dedupe_key is not null;
create index operation_live_of_project on operation_live (project) where project is not null;
create index operation_live_of_root on operation_live (root) where parent is not null;
create index operation_live_due on operation_live (expires_at) where expires_at is not null;

-- What a living parent's children are called, and how they ended: a parent that resumes reuses what
-- they did.
create table operation_children (
    parent uuid not null,
    key text not null,
    operation uuid not null,
    lane text not null,
    state text check (state in ('succeeded', 'failed', 'canceled', 'expired')),
    result jsonb,
    failure jsonb,
    primary key (parent, key)
) with (fillfactor = 70);
insert into operation_children
    select o.parent, o.child_key, o.id, o.lane, e.state, e.result, e.failure
    from operations o join operation_live p on p.operation = o.parent
    left join operation_end e on e.operation = o.id;

-- Ready: in turns between the shares of a lane, in each by sequence. An operation's tries go with
-- it: how many leases counted, when the first began, and why it is queued again.
alter table operation_ready
    drop constraint operation_ready_pkey,
    add column share integer not null default 0,
    add column tries smallint not null default 0 check (tries >= 0),
    add column begun_at timestamptz,
    add column note text;
alter table operation_ready alter column share drop default,
    add primary key (lane, priority, share, sequence);
alter table operation_delayed
    add column tries smallint not null default 0 check (tries >= 0),
    add column begun_at timestamptz,
    add column since timestamptz not null default clock_timestamp();
alter table operation_waiting
    add column tries smallint not null default 0 check (tries >= 0),
    add column begun_at timestamptz;
-- The columns that say when it was listed and moved last are null until then. `request` is the lease
-- request that it was given out for: its repetition gets the same.
alter table operation_run
    alter column listed_at drop not null, alter column listed_at drop default,
    alter column progress_at drop not null, alter column progress_at drop default,
    add column begun_at timestamptz,
    add column request uuid;
drop index operation_run_of_session;
create index operation_run_of_session on operation_run (session, request);
alter table sessions drop column lease_request, drop column lease_answer;

with tried as (
    select operation, count(*) filter (where ending is distinct from 'waiting') as tries,
        min(started_at) as begun_at from operation_attempt group by operation
), ready as (
    update operation_ready r set tries = t.tries, begun_at = t.begun_at
    from tried t where t.operation = r.operation
), delayed as (
    update operation_delayed r set tries = t.tries, begun_at = t.begun_at
    from tried t where t.operation = r.operation
), running as (
    update operation_run r set begun_at = t.begun_at
    from tried t where t.operation = r.operation
)
update operation_waiting r set tries = t.tries, begun_at = t.begun_at
    from tried t where t.operation = r.operation;
update operation_ready r set share = case when l.is_workflow and r.begun_at is not null
    then ~l.share else l.share end
    from operation_live l where l.operation = r.operation;

-- An end holds the last lease as well: an operation that succeeds at once has no other row.
drop trigger operation_end_is_final on operation_end;
drop index operation_end_newest;
alter table operation_end
    add column attempt smallint,
    add column owner text,
    add column claimed_at timestamptz,
    add column begun_at timestamptz,
    add column phase text,
    add column cancel_requested_by text,
    add column cancel_requested_at timestamptz;
update operation_end e set attempt = a.attempt, owner = a.owner, claimed_at = a.started_at
    from operation_attempt a where a.operation = e.operation and a.epoch = e.epoch;
update operation_end e set begun_at = (select min(a.started_at) from operation_attempt a
    where a.operation = e.operation);
update operation_end e set phase = w.phase from operation_workflow w where w.operation = e.operation;
update operation_end e set cancel_requested_by = c.requested_by,
    cancel_requested_at = c.requested_at from operation_cancel c where c.operation = e.operation;
delete from operation_workflow w using operation_end e where e.operation = w.operation;
delete from operation_cancel c using operation_end e where e.operation = c.operation;
delete from operation_attempt a using operation_end e
    where a.operation = e.operation and a.epoch = e.epoch;
-- A lease that is held is in operation_run alone.
delete from operation_attempt where ended_at is null;
alter table operation_attempt alter column session drop not null,
    alter column ended_at set not null, alter column ending set not null;

-- Days. The first identifier of a day (UUIDv7: 48 bits of Unix milliseconds).
create function first_operation(day date) returns uuid immutable strict language sql as $$
    select (lpad(to_hex(extract(epoch from day::timestamp at time zone 'UTC')::bigint * 1000), 12, '0')
        || '00000000000000000000')::uuid
$$;

alter table operations rename to operations_early;
alter table operation_end rename to operation_end_early;
alter table operation_attempt rename to operation_attempt_early;
alter table operations_early drop column no_progress_limit;
drop index operations_newest;
alter index operations_by_project rename to operations_early_by_project;
alter index operations_by_root rename to operations_early_by_root;
alter index operation_end_failed rename to operation_end_early_failed;
create table operations (like operations_early including defaults including constraints,
    primary key (id)) partition by range (id);
create index operations_by_project on operations (project, id desc) where project is not null;
create index operations_by_root on operations (root);
create index operations_by_parent on operations (parent) where parent is not null;
create table operation_end (like operation_end_early including defaults including constraints,
    primary key (operation)) partition by range (operation);
create index operation_end_failed on operation_end (finished_at desc) where state = 'failed';
create table operation_attempt (
    like operation_attempt_early including defaults including constraints,
    primary key (operation, epoch)) partition by range (operation);

-- Which days there are: three partitions each.
create table operation_days (
    first uuid primary key,
    beyond uuid not null,
    -- what the partitions' names end in
    suffix text not null unique
);

-- Makes the partitions of the days until then that are missing; again is harmless. A new partition is
-- attached, which waits for nobody.
create function make_operation_days(until date) returns integer
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    made integer := 0;
    day date;
    last uuid;
    parent text;
    lower uuid;
    upper uuid;
begin
    lock table operation_days in share row exclusive mode;
    select beyond into last from operation_days order by beyond desc limit 1;
    for day in select d::date from generate_series(
            (clock_timestamp() at time zone 'UTC')::date - 1, until, interval '1 day') d
    loop
        lower := first_operation(day);
        upper := first_operation(day + 1);
        continue when upper <= last;
        -- Days in which no hub ran are a part of the one that follows.
        lower := coalesce(last, lower);
        foreach parent in array array['operations', 'operation_end', 'operation_attempt'] loop
            execute format('create table %I (like %I including all)',
                parent || to_char(day, '_YYYYMMDD'), parent);
            execute format('alter table %I attach partition %I for values from (%L) to (%L)',
                parent, parent || to_char(day, '_YYYYMMDD'), lower, upper);
        end loop;
        insert into operation_days values (lower, upper, to_char(day, '_YYYYMMDD'));
        last := upper;
        made := made + 1;
    end loop;
    return made;
end $$;

-- Drops the days that ended before then and hold nothing of a living operation's tree, the oldest
-- first, at most ten at once. It does not wait for others: what it cannot have now it drops later.
create function drop_operation_days(until date) returns integer
language plpgsql security definer set search_path = public, pg_temp set lock_timeout = '100ms' as $$
declare
    dropped integer := 0;
    day record;
    holds boolean;
begin
    for day in select * from operation_days where beyond <= first_operation(until)
        order by first limit 10
    loop
        execute format('select exists (select from operation_live l
            where l.operation >= $1 and l.operation < $2)
            or exists (select from (select distinct root from operation_live) l
                where exists (select from %1$I o where o.root = l.root))
            or exists (select from operation_live l
                where exists (select from %1$I o where o.parent = l.operation))',
            'operations' || day.suffix) into holds using day.first, day.beyond;
        continue when holds;
        execute format('drop table %I, %I, %I', 'operations' || day.suffix,
            'operation_end' || day.suffix, 'operation_attempt' || day.suffix);
        delete from operation_days where first = day.first;
        dropped := dropped + 1;
    end loop;
    return dropped;
exception when lock_not_available then
    return 0;
end $$;

do $$
declare
    parent text;
    lower uuid := '00000000-0000-0000-0000-000000000000';
    upper uuid := first_operation(
        greatest((clock_timestamp() at time zone 'UTC')::date,
            (select (to_timestamp(('x' || lpad(left(translate(max(id::text), '-', ''), 12), 16, '0'))
                ::bit(64)::bigint / 1000.0) at time zone 'UTC')::date + 1 from operations_early)));
begin
    foreach parent in array array['operations', 'operation_end', 'operation_attempt'] loop
        execute format('alter table %I attach partition %I for values from (minvalue) to (%L)',
            parent, parent || '_early', upper);
    end loop;
    insert into operation_days values (lower, upper, '_early');
end $$;
select make_operation_days((clock_timestamp() at time zone 'UTC')::date + 7);

create trigger operation_end_is_final before update or delete on operation_end
    for each row execute function refuse_end_change();
create function refuse_body_change() returns trigger language plpgsql as $$
begin
    raise exception 'what an operation is never changes' using errcode = 'restrict_violation';
end $$;
create trigger operation_is_final before update or delete on operations
    for each row execute function refuse_body_change();

-- Where every operation stands; exactly one row an operation.
create view operation_states as
    select operation, 'queued' as state from operation_ready
    union all select operation, 'queued' from operation_delayed
    union all select operation, 'running' from operation_run
    union all select operation, 'waiting' from operation_waiting
    union all select operation, state from operation_end;

-- Every lease that has ended, the last one of an operation included.
create view operation_leases as
    select operation, epoch, attempt, owner, started_at, ended_at, ending from operation_attempt
    union all select operation, epoch, attempt, owner, claimed_at, finished_at,
        coalesce(failure->>'code', state) from operation_end where claimed_at is not null;

-- The state machine's one rule, whoever writes: what was just put somewhere is in one place only, and
-- lives unless it has ended.
create function one_place() returns trigger language plpgsql
set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off as $$
begin
    if exists (
        select from placed p
        left join operation_ready q on q.operation = p.operation
        left join operation_delayed d on d.operation = p.operation
        left join operation_run r on r.operation = p.operation
        left join operation_waiting w on w.operation = p.operation
        left join operation_live l on l.operation = p.operation
        where num_nonnulls(q.operation, d.operation, r.operation, w.operation)
                + (tg_argv[0] = 'ended')::integer <> 1
            or (l.operation is null) <> (tg_argv[0] = 'ended')
    ) then
        raise exception 'an operation would be in two places, or in none'
            using errcode = 'restrict_violation';
    end if;
    return null;
end $$;
create trigger one_place after insert on operation_ready
    referencing new table as placed for each statement execute function one_place('live');
create trigger one_place after insert on operation_delayed
    referencing new table as placed for each statement execute function one_place('live');
create trigger one_place after insert on operation_run
    referencing new table as placed for each statement execute function one_place('live');
create trigger one_place after insert on operation_waiting
    referencing new table as placed for each statement execute function one_place('live');
create trigger one_place after insert on operation_end
    referencing new table as placed for each statement execute function one_place('ended');

-- Limits: so many at once of a kind, on a host, with a bucket. `is_default` ones follow the
-- configuration; the others are somebody's.
create table limits (
    resource text primary key,
    places integer not null check (places >= 0),
    is_default boolean not null,
    changed_at timestamptz not null default clock_timestamp(),
    changed_by text not null,
    reason text
);
-- Every change of a limit that somebody made.
create table limit_changes (
    number bigint generated always as identity primary key,
    resource text not null,
    before integer,
    after integer,
    changed_at timestamptz not null default clock_timestamp(),
    changed_by text not null,
    reason text
);
-- Counts the changes: who gives out work by an older number asks again first.
create table limit_version (
    version bigint not null,
    only_one boolean primary key default true check (only_one)
);
insert into limit_version values (1);
update slots set resource = 'kind:move' where resource = 'moves';
insert into limits (resource, places, is_default, changed_by)
    select resource, count(*), true, 'hub' from slots group by resource;

-- What an operation needs a place of, where there is a limit.
create function operation_resources(kind text, lane text, bucket uuid) returns text[]
immutable language sql as $$
    select array_remove(array[
        case when bucket is not null
            and kind in ('volume.backup', 'volume.restore', 'volume.apply')
            then 'bucket:' || bucket end,
        case when lane <> 'hub' then 'host:' || lane end,
        case when kind = 'volume.backup' then 'host:' || lane || ':backup'
            when kind in ('volume.restore', 'volume.apply') then 'host:' || lane || ':restore' end,
        'kind:' || kind], null)
$$;

-- Takes a place of each resource for an operation, or none at all; what it has it keeps. A holder
-- whose place is one too many, since the limit was lowered, gets the next free one first.
create function take_places(holder uuid, lease bigint, names text[]) returns boolean
language plpgsql as $$
declare
    name text;
    most integer;
    free smallint;
    surplus record;
    is_taken boolean;
begin
    foreach name in array names loop
        update slots set epoch = lease where resource = name and operation = holder;
        continue when found;
        select places into most from limits where resource = name;
        is_taken := most is not null;
        for surplus in select number, operation, epoch from slots
            where resource = name and number > most and operation is not null order by number
        loop
            select number into free from slots
                where resource = name and number <= most and operation is null
                order by number limit 1 for update skip locked;
            is_taken := found;
            exit when not is_taken;
            -- Just being given back: what comes of that is not known yet.
            perform from slots where resource = name and number = surplus.number
                and operation = surplus.operation for update skip locked;
            is_taken := found;
            exit when not is_taken;
            update slots set operation = surplus.operation, epoch = surplus.epoch
                where resource = name and number = free;
            delete from slots where resource = name and number = surplus.number;
        end loop;
        if is_taken then
            update slots set operation = holder, epoch = lease
                where resource = name and number = (select number from slots
                    where resource = name and operation is null and number <= most
                    order by number limit 1 for update skip locked);
            is_taken := found;
        end if;
        if not is_taken then
            update slots set operation = null, epoch = null
                where operation = holder and epoch = lease;
            return false;
        end if;
    end loop;
    return true;
end $$;
