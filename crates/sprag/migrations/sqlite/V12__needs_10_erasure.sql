-- The journal can forget a person (docs/guide/evidence.md). What an entry tells of one, its ip, user_agent and note, is covered by
-- its hash only by way of an HMAC under a salt of its own, so that the salt and they can be erased and the chain still holds.
--
-- A build that knows only V10 may run beside it: it adds entries as it did, whose hash covers what they tell as it stands, and they
-- are chained anew where they are to be erased. But its `sprag audit verify` takes entries of newer builds for altered, and it fails
-- wherever it reads an entry of a kind that it does not know (stepped_up, risky_login, login_refused, place_refused, account_erased):
-- its `explain`, `why` and `audit` of such an account, and its cuts of the journal. Log-ins and refreshes only add to the end of a
-- chain and go on. So keep_journal stays off until the last such build is replaced.
-- The PostgreSQL schema has the same under the same file name, but for the index.
alter table event add column salt blob;         -- null where it was erased, and in entries of earlier builds
alter table event add column particulars blob;  -- the HMAC; null in entries of earlier builds

-- A row for each time that an account's journal was made to tell of nobody, under a tag whose key is not in the database.
create table journal_erasure (
    number       integer not null,
    at           integer not null,
    account_id   blob    not null check (length(account_id) = 16),
    last         integer not null,  -- up to which entry
    chained_anew integer not null,  -- how many entries' hashes are others since
    old_head     blob    not null,  -- the hash of the last entry before
    new_head     blob    not null,  -- and since
    checkpoint   integer not null,  -- the checkpoint that was made along with it; 0 where none had to be
    previous     blob    not null,  -- the tag of the erasure before it
    tag          blob    not null,
    key_id       integer not null,
    primary key (number)
) strict, without rowid;

-- Finds the names of an account that is erased. One writer writes for everybody here, so a refresh would wait while all names are
-- looked through; PostgreSQL looks through them beside it. Whoever signs up or is renamed writes to it, a log-in does not.
create index identity_by_account on identity (account_id);
