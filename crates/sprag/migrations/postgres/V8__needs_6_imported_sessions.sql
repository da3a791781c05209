-- Whose an imported session is, by the id that its token leads to. On one server an index on session_detail tells as much; but
-- where the tables are spread by their account, a token of another system, which names no account, would have every
-- server asked. So this table is spread by the session's id, and one server knows.
--
-- Only imported sessions have a row: their ids are UUIDs of version 8, made of their tokens; all others are of version 7.
-- That a token opens one session, and not one for each account, is this table's primary key.
--
-- A build that knows only V6 may run beside it. It writes no row here: on spread tables, import sessions with this build. The
-- SQLite schema has the same table under the same file name.
create table imported_session (
    session_id uuid not null,
    account_id uuid not null,
    primary key (session_id)
);

insert into imported_session (session_id, account_id)
select id, account_id
from session
where substr(id::text, 15, 1) = '8'
on conflict do nothing;
