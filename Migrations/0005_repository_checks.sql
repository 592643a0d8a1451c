-- What is known of the health of repositories. No part of the registry: it is found out again.

-- When which pack was last read wholly, so that a full check goes on where it was
-- and the rolling one reads every pack in its turn.
create table repository_pack_reads (
    repository uuid not null,
    -- SHA-256 of the pack, its name
    pack text not null check (pack ~ '^[0-9a-f]{64}$'),
    read_at timestamptz not null,
    primary key (repository, pack)
);

-- The last check of each repository; a prune is refused while it found damage.
create table repository_checks (
    repository uuid primary key,
    finished_at timestamptz not null,
    reading text not null check (reading in ('none', 'sample', 'all')),
    finding_count bigint not null check (finding_count >= 0),
    result jsonb not null
);
