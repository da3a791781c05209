-- The journal by time, and what was cut off its beginnings.
--
-- A build that knows only V6 may run beside it: it adds entries and checkpoints as before. But its `sprag audit verify` takes for
-- missing what was cut, and its servers cut nothing. The PostgreSQL schema has the same under the same file name.

-- Finds the newest entries of all accounts.
create index event_by_time on event (at);  -- the key stands behind it by itself

-- A row for each time that the oldest entries were to go, under a tag whose key is not in the database.
create table journal_cut (
    number         integer  not null,
    at             integer  not null,  -- when it was decided on
    before         integer  not null,  -- entries dated before this moment go
    covered_before integer  not null,  -- up to which moment the newest checkpoint covered the journal then
    chains         integer  not null,  -- how many have lost entries by now
    entries        integer  not null,  -- how many they have lost
    root           blob     not null,  -- over the last entry that each of them has lost
    previous       blob     not null,  -- the tag of the cut before it
    tag            blob     not null,
    key_id         integer  not null,
    primary key (number)
) strict, without rowid;
