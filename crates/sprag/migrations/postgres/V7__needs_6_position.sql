-- Which database this is and how far it has come, so that one that went back is noticed: a server keeps the newest position
-- that it saw outside of the database (docs/reference/went-back.md).
--
-- A build that knows only V6 may run beside it: it neither reads nor needs this table, and does not count what it commits.
-- The SQLite schema has the same table under the same file name.
create table store_position (
    store        uuid   not null,        -- a copy is the same store; one made anew is another
    position     bigint not null,        -- counts seconds in which something was committed, and never goes down
    went_back_at bigint,                 -- when it was noticed that it had; null: never, or somebody has accepted it
    primary key (store)
);

insert into store_position (store, position) values (gen_random_uuid(), 0);
