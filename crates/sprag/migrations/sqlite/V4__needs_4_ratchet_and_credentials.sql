-- What the ratchet and access tokens must know of a session besides; and what is no longer needed goes. A build that does
-- not know this migration refuses the database from now on, for it names a column that has gone: stop every node, migrate,
-- start the new build (docs/guide/three-nodes.md).
--
-- A session from before was authenticated when it was opened, by whatever means (no bit is set); it knows the instance that
-- last turned it and no other; nobody has taken it, and nothing is contested. All that needs no row to be written anew.
-- The PostgreSQL schema has the same columns under the same file name.
alter table session add column authenticated_at integer;     -- null: when it was opened
alter table session add column methods integer not null default 0;  -- how its user showed who they are, a bit set
alter table session add column previous_retry_hash blob;   -- the retry id that made the rotation before the last, hashed
alter table session add column other_instance_hash blob;   -- the last other client instance that the row had, hashed
alter table session add column taken_generation integer;     -- the last that an instance it did not know turned it to
alter table session add column contested_generation integer; -- the one of which it is not clear who had a right to it

-- The token that was spent by a password change still gets no retry: the row's are used up.
update session
set retries = 16
where is_sealed <> 0
  and ended_at is null;

-- A password change replaces the session since, so that no rotation needs a mark of its own.
alter table session drop column is_sealed;

-- A profile is called so everywhere.
alter table account rename column external_page to external_profile;

-- Whatever proves who somebody is stands in a table of its own: a password is one kind, and an account may have several
-- of others. So the password hash leaves the account's row, and an account without a password has no row here; the hash
-- of no password, which stood in its place before, is not brought along.
--
-- What a credential is verified with is bytes: of a password its hash as text in UTF-8, a PHC string or that of the system
-- it was imported from. It never lets anybody in by itself.
create table credential (
    account_id blob    not null check (length(account_id) = 16),
    kind       text    not null,         -- 'password'
    id         blob    not null check (length(id) = 16),  -- tells those of one kind apart; zeroes for the password
    secret     blob    not null,         -- what it is verified with
    created_at integer not null,
    primary key (account_id, kind, id)
) strict, without rowid;

insert into credential (account_id, kind, id, secret, created_at)
select id, 'password', zeroblob(16), cast(password_hash as blob), created_at
from account
where password_hash <> '$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdCE$aXQgbWF0Y2hlcyBubyBwYXNzd29yZCBhdCBhbGwhISE';

alter table account drop column password_hash;
