-- The journal by time, and what was cut off its beginnings.
--
-- Whoever logs in waits while the index is made, refreshes do not: a second or so for each million entries.
--
-- A build that knows only V6 may run beside it: it adds entries and checkpoints as before. But its `sprag audit verify` takes for
-- missing what was cut, and its servers cut nothing. The SQLite schema has the same under the same file name.

-- Finds the newest entries of all accounts.
create index event_by_time on event (at, account_id, id);

-- A row for each time that the oldest entries were to go, under a tag whose key is not in the database.
create table journal_cut (
    number         bigint   not null,
    at             bigint   not null,  -- when it was decided on
    before         bigint   not null,  -- entries dated before this moment go
    covered_before bigint   not null,  -- up to which moment the newest checkpoint covered the journal then
    chains         bigint   not null,  -- how many have lost entries by now
    entries        bigint   not null,  -- how many they have lost
    root           bytea    not null,  -- over the last entry that each of them has lost
    previous       bytea    not null,  -- the tag of the cut before it
    tag            bytea    not null,
    key_id         smallint not null,
    primary key (number)
);
