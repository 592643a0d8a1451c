-- A backup that found nothing changed since its base says that the base still holds everything:
-- nothing is written to the bucket, and the base covers a later moment.

alter table backups
    -- when the last snapshot was taken that was the same as this backup
    add column confirmed_at timestamptz,
    -- the operation that said so
    add column confirmed_by uuid;

create or replace view project_standing_now as
select p.id as project, l.host, l.is_provisioned, a.runtime,
    coalesce(a.freshness, 'unknown') as freshness,
    -- the oldest change that no backup holds; null where there is none or nobody knows
    case when a.freshness <> 'fresh' then a.first_change_at end as exposed_since,
    (select coalesce(b.confirmed_at, b.taken_at) from backups b
        where b.project = p.id and b.forgotten_at is null
        order by b.taken_at desc, b.id desc limit 1) as last_backup
from projects p
join placements l on l.project = p.id
left join project_activity a on a.project = p.id and a.host = l.host
    and a.generation = l.generation
where p.deleted_at is null;
