-- How far a profile has come that numbers its new accounts, as the source system did (docs/reference/profiles.md, `next_id`). A
-- number is handed out by one statement, before the account is made: whatever becomes of that, nobody gets it again. There is
-- a row for each such profile, and none for others.
--
-- A build that knows only V6 may run beside it: it hands out no numbers, and neither reads nor needs this table. The PostgreSQL
-- schema has the same table under the same file name.
create table next_id (
    profile integer not null,
    floor   integer not null,  -- the highest that was ever set: what comes from the source system is below it
    last    integer not null,  -- the number handed out last; before the first, the floor
    primary key (profile)
) strict, without rowid;
