-- The journal can forget a person (docs/guide/evidence.md). What an entry tells of one, its ip, user_agent and note, is covered by
-- its hash only by way of an HMAC under a salt of its own, so that the salt and they can be erased and the chain still holds.
--
-- A build that knows only V10 may run beside it: it adds entries as it did, whose hash covers what they tell as it stands, and they
-- are chained anew where they are to be erased. But its `sprag audit verify` takes entries of newer builds for altered, and it fails
-- wherever it reads an entry of a kind that it does not know (stepped_up, risky_login, login_refused, place_refused, account_erased):
-- its `explain`, `why` and `audit` of such an account, and its cuts of the journal. Log-ins and refreshes only add to the end of a
-- chain and go on. So keep_journal stays off until the last such build is replaced.
-- The SQLite schema has the same under the same file name, and an index by which it finds the names of an account.
alter table event add column salt bytea;         -- null where it was erased, and in entries of earlier builds
alter table event add column particulars bytea;  -- the HMAC; null in entries of earlier builds

-- A row for each time that an account's journal was made to tell of nobody, under a tag whose key is not in the database.
create table journal_erasure (
    number       bigint   not null,
    at           bigint   not null,
    account_id   uuid     not null,
    last         bigint   not null,  -- up to which entry
    chained_anew bigint   not null,  -- how many entries' hashes are others since
    old_head     bytea    not null,  -- the hash of the last entry before
    new_head     bytea    not null,  -- and since
    checkpoint   bigint   not null,  -- the checkpoint that was made along with it; 0 where none had to be
    previous     bytea    not null,  -- the tag of the erasure before it
    tag          bytea    not null,
    key_id       smallint not null,
    primary key (number)
);
