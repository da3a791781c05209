-- Which database this is and how far it has come, so that one that went back is noticed: a server keeps the newest position
-- that it saw outside of the database (docs/reference/went-back.md).
--
-- A build that knows only V6 may run beside it: it neither reads nor needs this table, and does not count what it commits.
-- The PostgreSQL schema has the same table under the same file name.
create table store_position (
    store        blob    not null check (length(store) = 16),  -- a copy is the same store; one made anew is another
    position     integer not null,       -- counts commits, and never goes down
    went_back_at integer,                -- when it was noticed that it had; null: never, or somebody has accepted it
    primary key (store)
) strict, without rowid;

insert into store_position (store, position) values (randomblob(16), 0);
