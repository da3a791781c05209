-- Which key rings have made this database's tokens, so that a node with quite another ring is told so at its start
-- and does not refuse everybody. A build that knows only V1 may run beside it: it neither reads nor needs this table.
--
-- A fingerprint is a tag that the refresh key makes of a fixed text, cut to 16 bytes: whoever reads it learns nothing
-- of the key. The SQLite schema has the same table under the same file name.
create table key_ring (
    fingerprint   bytea  not null check (octet_length(fingerprint) = 16),
    first_seen_at bigint not null,
    primary key (fingerprint)
);
