-- The rule that an operation is in exactly one of the tables of states, asked by keys and row by row:
-- joins with all the tables took longer than the statements that they watch. A statement that placed
-- nothing is not looked at.
create or replace function one_place() returns trigger language plpgsql
set enable_seqscan = off as $$
begin
    if not exists (select from placed) then
        return null;
    end if;
    -- Counted rather than asked for existence: that is never planned as a look at the whole table.
    if exists (
        select from placed p
        where (select count(*) from operation_ready q where q.operation = p.operation)
            + (select count(*) from operation_delayed d where d.operation = p.operation)
            + (select count(*) from operation_run r where r.operation = p.operation)
            + (select count(*) from operation_waiting w where w.operation = p.operation)
            + (tg_argv[0] = 'ended')::integer <> 1
            or ((select count(*) from operation_live l where l.operation = p.operation) = 0)
                <> (tg_argv[0] = 'ended')
    ) then
        raise exception 'an operation would be in two places, or in none'
            using errcode = 'restrict_violation';
    end if;
    return null;
end $$;
