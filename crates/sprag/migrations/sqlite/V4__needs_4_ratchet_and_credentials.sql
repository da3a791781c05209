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
