-- Raises the sequence of epochs above what a host has seen; it never lowers it and repeats nothing.
-- Whoever alters a sequence keeps everybody from drawing of it until the transaction ends, so that
-- nothing comes between the look and the change.
create or replace function raise_epoch(seen bigint) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    -- It only ever rises: who finds it above does not keep the others waiting.
    if seen < (select last_value from operation_epoch) then
        return;
    end if;
    alter sequence operation_epoch no cycle;
    if seen >= (select last_value from operation_epoch) then
        perform setval('operation_epoch', seen + 1);
    end if;
end $$;
