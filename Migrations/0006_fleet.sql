-- What the fleet is asked for all the time, at hand: one narrow row a living project with what is
-- known of it, and numbers by host that are kept with every change. None of it is in the log; it
-- follows from the registry and the hosts' reports, by triggers and so in the same transaction.

create extension if not exists pg_trgm with schema public;

-- Where each living project stands, as it follows from the other tables.
create view project_standing_now as
select p.id as project, l.host, l.is_provisioned, a.runtime,
    coalesce(a.freshness, 'unknown') as freshness,
    -- the oldest change that no backup holds; null where there is none or nobody knows
    case when a.freshness <> 'fresh' then a.first_change_at end as exposed_since,
    (select b.taken_at from backups b where b.project = p.id and b.forgotten_at is null
        order by b.taken_at desc, b.id desc limit 1) as last_backup
from projects p
join placements l on l.project = p.id
left join project_activity a on a.project = p.id and a.host = l.host
    and a.generation = l.generation
where p.deleted_at is null;

create table project_standing (
    project uuid primary key references projects,
    host uuid,
    is_provisioned boolean,
    runtime text,
    freshness text not null,
    exposed_since timestamptz,
    last_backup timestamptz
) with (fillfactor = 80);
create index project_standing_at_risk on project_standing (exposed_since, project)
    where exposed_since is not null;
create index project_standing_host on project_standing (host, project);
create index project_standing_unscanned on project_standing (project) where is_provisioned is null;
create index project_standing_absent on project_standing (project) where not is_provisioned;
create index project_standing_running on project_standing (project) where runtime = 'running';
create index project_standing_dirty on project_standing (project) where freshness = 'dirty';
create index project_standing_unknown on project_standing (project)
    where freshness = 'unknown' and is_provisioned is not false;
create index project_standing_never on project_standing (project)
    where is_provisioned and last_backup is null;

-- Projects by host and by what is known of them. Changes are only ever added, as differences, so
-- that no two transactions wait for one row; they are folded into the totals later.
create table fleet_totals (
    -- all zeros: projects without a host
    host uuid primary key,
    total bigint not null,
    provisioned bigint not null,
    provisioned_unknown bigint not null,
    running bigint not null,
    fresh bigint not null,
    dirty bigint not null,
    freshness_unknown bigint not null,
    never bigint not null
);
create table fleet_changes (
    id bigint generated always as identity primary key,
    host uuid not null,
    total int not null,
    provisioned int not null,
    provisioned_unknown int not null,
    running int not null,
    fresh int not null,
    dirty int not null,
    freshness_unknown int not null,
    never int not null
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

create view fleet_numbers as
select host, sum(total)::bigint as total, sum(provisioned)::bigint as provisioned,
    sum(provisioned_unknown)::bigint as provisioned_unknown, sum(running)::bigint as running,
    sum(fresh)::bigint as fresh, sum(dirty)::bigint as dirty,
    sum(freshness_unknown)::bigint as freshness_unknown, sum(never)::bigint as never
from (
    select host, total, provisioned, provisioned_unknown, running, fresh, dirty,
        freshness_unknown, never from fleet_totals
    union all
    select host, total, provisioned, provisioned_unknown, running, fresh, dirty,
        freshness_unknown, never from fleet_changes) as both_kinds
group by host;

-- What one project counts as.
create function count_standing() returns trigger language plpgsql as $$
begin
    if tg_op = 'INSERT' then
        insert into fleet_changes (host, total, provisioned, provisioned_unknown, running, fresh,
            dirty, freshness_unknown, never)
        select coalesce(host, '00000000-0000-0000-0000-000000000000'), count(*),
            count(*) filter (where is_provisioned),
            count(*) filter (where is_provisioned is null),
            count(*) filter (where runtime = 'running'),
            count(*) filter (where is_provisioned and freshness = 'fresh'),
            count(*) filter (where is_provisioned and freshness = 'dirty'),
            count(*) filter (where is_provisioned is not false and freshness = 'unknown'),
            count(*) filter (where is_provisioned and last_backup is null)
        from came group by host;
    elsif tg_op = 'DELETE' then
        insert into fleet_changes (host, total, provisioned, provisioned_unknown, running, fresh,
            dirty, freshness_unknown, never)
        select coalesce(host, '00000000-0000-0000-0000-000000000000'), -count(*),
            -count(*) filter (where is_provisioned),
            -count(*) filter (where is_provisioned is null),
            -count(*) filter (where runtime = 'running'),
            -count(*) filter (where is_provisioned and freshness = 'fresh'),
            -count(*) filter (where is_provisioned and freshness = 'dirty'),
            -count(*) filter (where is_provisioned is not false and freshness = 'unknown'),
            -count(*) filter (where is_provisioned and last_backup is null)
        from went group by host;
    else
        insert into fleet_changes (host, total, provisioned, provisioned_unknown, running, fresh,
            dirty, freshness_unknown, never)
        select coalesce(host, '00000000-0000-0000-0000-000000000000'), sum(sign),
            coalesce(sum(sign) filter (where is_provisioned), 0),
            coalesce(sum(sign) filter (where is_provisioned is null), 0),
            coalesce(sum(sign) filter (where runtime = 'running'), 0),
            coalesce(sum(sign) filter (where is_provisioned and freshness = 'fresh'), 0),
            coalesce(sum(sign) filter (where is_provisioned and freshness = 'dirty'), 0),
            coalesce(sum(sign) filter (
                where is_provisioned is not false and freshness = 'unknown'), 0),
            coalesce(sum(sign) filter (where is_provisioned and last_backup is null), 0)
        from (select 1 as sign, * from came union all select -1, * from went) as moved
        group by host;
    end if;
    return null;
end $$;
create trigger count_came after insert on project_standing
    referencing new table as came for each statement execute function count_standing();
create trigger count_went after delete on project_standing
    referencing old table as went for each statement execute function count_standing();
create trigger count_moved after update on project_standing
    referencing old table as went new table as came
    for each statement execute function count_standing();

-- Brings the standing of some projects up to date.
create function refresh_standing(projects_changed uuid[]) returns void language plpgsql as $$
begin
    -- Whoever changes another of the tables it follows from waits here, and then sees this change.
    perform from project_standing where project = any (projects_changed)
        order by project for no key update;
    insert into project_standing as s
        select n.* from unnest(projects_changed) as c (id)
        join project_standing_now n on n.project = c.id order by c.id
    on conflict (project) do update set host = excluded.host,
        is_provisioned = excluded.is_provisioned, runtime = excluded.runtime,
        freshness = excluded.freshness, exposed_since = excluded.exposed_since,
        last_backup = excluded.last_backup
    where (s.host, s.is_provisioned, s.runtime, s.freshness, s.exposed_since, s.last_backup)
        is distinct from (excluded.host, excluded.is_provisioned, excluded.runtime,
            excluded.freshness, excluded.exposed_since, excluded.last_backup);
end $$;

create function standing_changed() returns trigger language plpgsql as $$
begin
    perform refresh_standing(array(select distinct project from changed));
    return null;
end $$;
create function standing_of_projects_changed() returns trigger language plpgsql as $$
begin
    perform refresh_standing(array(select id from changed));
    delete from project_standing s using changed c
        where s.project = c.id and c.deleted_at is not null;
    return null;
end $$;
-- A report that says nothing new of where a project stands costs no more than this comparison.
create function standing_of_activity_changed() returns trigger language plpgsql as $$
declare
    moved uuid[] := array(
        select n.project from changed n join former o on o.project = n.project
        where (n.host, n.generation, n.freshness, n.first_change_at, n.runtime)
            is distinct from (o.host, o.generation, o.freshness, o.first_change_at, o.runtime)
    );
begin
    if moved <> '{}' then perform refresh_standing(moved); end if;
    return null;
end $$;

create trigger standing_made after insert on projects
    referencing new table as changed
    for each statement execute function standing_of_projects_changed();
create trigger standing_moved after update on projects
    referencing new table as changed
    for each statement execute function standing_of_projects_changed();
create trigger standing_made after insert on placements
    referencing new table as changed for each statement execute function standing_changed();
create trigger standing_moved after update on placements
    referencing new table as changed for each statement execute function standing_changed();
create trigger standing_made after insert on backups
    referencing new table as changed for each statement execute function standing_changed();
create trigger standing_moved after update on backups
    referencing new table as changed for each statement execute function standing_changed();
create trigger standing_went after delete on backups
    referencing old table as changed for each statement execute function standing_changed();
create trigger standing_made after insert on project_activity
    referencing new table as changed for each statement execute function standing_changed();
create trigger standing_moved after update on project_activity
    referencing old table as former new table as changed
    for each statement execute function standing_of_activity_changed();
create trigger standing_went after delete on project_activity
    referencing old table as changed for each statement execute function standing_changed();
-- Only a replay removes projects; what stood for them goes before.
create function standing_went() returns trigger language plpgsql as $$
begin
    delete from project_standing where project = old.id;
    return old;
end $$;
create trigger standing_went before delete on projects
    for each row execute function standing_went();

insert into project_standing select * from project_standing_now;

-- Pages by name, the beginning of a name, and a piece of one.
create index projects_in_order on projects (name collate "C", id) where deleted_at is null;
create index projects_by_piece on projects using gin (name gin_trgm_ops) where deleted_at is null;
create index projects_by_owner on projects (owner, id) where deleted_at is null;
-- The end of an identifier, as people type it: at least four digits of base 32, which are its last
-- twenty bits.
create index projects_by_ending on projects
    ((('x' || right(replace(id::text, '-', ''), 5))::bit(20)::int)) where deleted_at is null;
