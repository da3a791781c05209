-- Whose an imported session is, by the id that its token leads to. On one server an index on session_detail tells as much; but
-- where PostgreSQL's tables are spread by their account, a token of another system, which names no account, would have
-- every server asked. Here it sees to it that a token opens one session, and not one for each account.
--
-- Only imported sessions have a row: their ids are UUIDs of version 8, made of their tokens; all others are of version 7.
--
-- A build that knows only V6 may run beside it: it writes no row here, and reads none. The PostgreSQL schema has the same table
-- under the same file name.
create table imported_session (
    session_id blob not null check (length(session_id) = 16),
    account_id blob not null check (length(account_id) = 16),
    primary key (session_id)
) strict, without rowid;

insert into imported_session (session_id, account_id)
select id, account_id
from session
where substr(hex(id), 13, 1) = '8'
on conflict do nothing;
