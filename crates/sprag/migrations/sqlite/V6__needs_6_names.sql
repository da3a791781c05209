-- Names are compared in a form that tells fewer look-alikes apart (docs/reference/names.md). A name that an earlier build made
-- keeps its value, by which its owner goes on logging in, and gets its form of today beside it.
--
-- A build that knows only V5 cannot run beside it: it would let somebody take a name that looks like another's.
-- What fills the column is not SQL: sprag_form is a function of the build that applies this.
-- The PostgreSQL schema has the same column under the same file name.
alter table identity add column form text;  -- its form of today where that is another; '' where it would be refused; else null

update identity
set form = sprag_form(kind, value)
where sprag_form(kind, value) is not null;

create index identity_form on identity (kind, form) where form is not null;
