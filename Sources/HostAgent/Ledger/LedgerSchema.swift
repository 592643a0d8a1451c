/// The tables of the agent's database.
///
/// Statements are only ever added at the end, as migrations.
enum LedgerSchema {
    /// The migrations in order; a database knows how many it has seen.
    static let migrations: [String] = [
        """
        create table ledger (
            one integer primary key check (one = 1),
            id text not null
        ) strict;

        -- What the host has to say, until the hub has applied it. A number is never used again.
        create table outbox (
            sequence integer primary key autoincrement,
            time integer not null,
            content text not null
        ) strict;

        -- What is known of each project's volume here; outlives the volume, because the highest
        -- generation must (D7).
        create table volumes (
            project text primary key,
            generation integer not null,
            uid integer not null,
            gid integer not null,
            -- the lease of the newest move, restore or retirement: lower ones are refused
            guard_epoch integer not null default 0,
            -- whether the volume is here
            is_present integer not null default 0 check (is_present in (0, 1)),
            is_frozen integer not null default 0 check (is_frozen in (0, 1)),
            -- the volume's own subvolume
            subvolume text,
            -- the snapshot behind the last acknowledged backup, as VolumeRecord.Base
            base text,
            first_change_at integer,
            -- the last observation that was put into the outbox
            reported text
        ) strict;

        -- Operations that a lease was accepted for.
        create table operations (
            id text primary key,
            kind text not null,
            project text,
            epoch integer not null,
            accepted_at integer not null,
            -- the outcome, when it has ended here
            outcome text,
            -- what the next try goes on from
            journal text
        ) strict;

        -- Packs that an operation has put into a repository.
        create table uploads (
            operation text not null references operations on delete cascade,
            pack text not null,
            description text not null,
            primary key (operation, pack)
        ) strict, without rowid;

        -- Processes of projects, which outlive the agent.
        create table runtimes (
            project text primary key,
            pid integer not null,
            start_time integer not null,
            boot text not null,
            started_at integer not null
        ) strict;
        """,
        """
        -- The highest guard of each project, whether or not its volume is or was here: the lease of
        -- the newest move, restore or retirement, or the guard that a lease named. Older leases are
        -- refused (D7).
        create table guards (
            project text primary key,
            epoch integer not null
        ) strict;
        insert into guards select project, guard_epoch from volumes where guard_epoch > 0;
        alter table volumes drop column guard_epoch;

        -- Whether nobody goes on with it: it ended here for good, or the hub said that it has ended.
        alter table operations add column is_settled integer not null default 0
            check (is_settled in (0, 1));
        create index operations_open on operations (accepted_at) where is_settled = 0;
        """,
        """
        -- States of projects that a later restore builds on, as StagedState.
        create table staged_states (
            project text primary key,
            subvolume text not null unique,
            state text not null
        ) strict;
        """,
        """
        -- The newest entry of the hub's log that this host was told of, as LogHead.
        create table hub_log (
            one integer primary key check (one = 1),
            head text not null
        ) strict;
        """,
    ]
}
