-- What an account brings along from where it lived before, and what people call its owner. All of it may be missing.
-- A build that knows only V2 may run beside it: it names its columns, and the accounts it makes have none of these.
--
-- external_id is the account's key in its former home, and external_page the page that took that system's place; that a
-- key is given once there is the key of identity (kind 'external').
-- The PostgreSQL schema has the same columns under the same file name.
alter table account add column external_id text;
alter table account add column external_page integer;
alter table account add column role text;
alter table account add column name text;
alter table account add column given_name text;
alter table account add column family_name text;
