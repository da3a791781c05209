-- What stands between the ratchet and the internet. A build that knows only V10 may run beside it: it limits nothing, counts
-- nothing by the day, and neither reads nor needs these tables. The SQLite schema has the same tables under the same file name.

-- Budgets (docs/reference/limits.md): one number each, under a keyed hash of what the budget is about, so that the table names
-- nobody. What was reserved is no loss after a crash, so the table is not logged.
create unlogged table rate_limit (
    key bytea  not null,
    due bigint not null,  -- when the budget is whole again, in milliseconds since 1970
    primary key (key)
);

-- What is counted by the day (docs/reference/report.md): each run's own sums for the day, so that nodes need not wait for each
-- other, and whoever lost the answer to a write repeats it without counting twice. Once nobody adds to a day any more, its runs
-- are folded into one.
create table daily_count (
    day    int4   not null,              -- days since 1970-01-01, UTC
    name   text   collate "C" not null,  -- what is counted
    label  text   collate "C" not null,  -- which kind of it: a cause, a country; empty where there is but one
    node   uuid   not null,              -- which run of which node counted; zeroes where runs were folded into one
    count  bigint not null,
    detail bytea,                        -- what more belongs to the count: who was counted, as a sketch; how they are spread
    primary key (day, name, label, node)
);
