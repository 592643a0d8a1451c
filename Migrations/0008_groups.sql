-- Operations with many projects: a drain and a batch are one parent whose items are rows here,
-- each with an operation of its own. Not in the log; it goes with its operation.

create table group_items (
    parent uuid not null,
    project uuid not null,
    state text not null check (state in
        ('pending', 'blocked', 'running', 'done', 'deferred', 'failed', 'skipped')),
    -- how often an operation was begun for it
    tries smallint not null default 0,
    -- when it may be begun
    due_at timestamptz not null default clock_timestamp(),
    -- the last operation for it, and the host that it goes to
    operation uuid,
    target uuid,
    -- why it is blocked, failed or skipped
    reason text,
    sentence text,
    primary key (parent, project),
    check (state <> 'running' or operation is not null)
) with (fillfactor = 80);
create index group_items_due on group_items (parent, due_at, project)
    where state in ('pending', 'blocked');
create index group_items_at_work on group_items (parent) where state = 'running';
