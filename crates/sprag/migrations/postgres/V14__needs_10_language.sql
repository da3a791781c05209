-- In which language an account's owner is written to, where they have not asked for the letter just now: a tag such as `de` or `pt-BR`.
-- A build that knows only V10 may run beside it: the accounts that it makes have none, and its letters go by what browsers say.
alter table account add column language text;
