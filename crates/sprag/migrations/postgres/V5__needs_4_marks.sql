-- When each node last served, and when somebody could not be answered: a spent token that comes back after an outage is
-- judged by the time in which its client could have come (docs/reference/outages.md).
--
-- A build that knows only V4 may run beside it: it neither reads nor needs these tables, moves no mark, and counts all time.
-- The SQLite schema has the same tables under the same file name.
create table lease (
    kind         text   not null,       -- 'mark': a node's mark of life
    id           uuid   not null,       -- which run of a node
    place        text   not null,       -- where it serves; a node that starts there takes the mark over
    moved_at     bigint not null,       -- when it last served
    clock_off_by bigint,                -- how far the clock it reads is ahead of the time it goes by; null: not at all
    primary key (kind, id)
);

create table outage (
    node     uuid   not null,           -- which run of a node
    from_at  bigint not null,           -- when it last served
    until_at bigint not null,           -- when it did again; the same moment where it left in order
    primary key (node, from_at)
);
