-- Spreads Sprag's tables over the servers of a Citus cluster: docs/guide/growing.md. As the tables' owner, on the
-- coordinator, in Sprag's database, after `sprag migrate --create`, with no node running:
--
--     psql -v ON_ERROR_STOP=1 -1 -f distribute.sql "$SPRAG_DATABASE_URL"
--
-- An account's rows lie together, on one server: what is written for it is one transaction there.
select create_distributed_table('account', 'id', colocate_with => 'none');
select create_distributed_table('credential', 'account_id', colocate_with => 'account');
select create_distributed_table('session', 'account_id', colocate_with => 'account');
select create_distributed_table('session_detail', 'account_id', colocate_with => 'account');
select create_distributed_table('event', 'account_id', colocate_with => 'account');
select create_distributed_table('one_time_token', 'account_id', colocate_with => 'account');
select create_distributed_table('outbox', 'account_id', colocate_with => 'account');
-- What leads to an account lies wherever it is looked for: a log-in name, and the id that an imported token is made into.
select create_distributed_table('identity', 'value', colocate_with => 'none');
select create_distributed_table('held_name', 'hash', colocate_with => 'none');
select create_distributed_table('imported_session', 'session_id', colocate_with => 'none');
-- rate_limit stays there, too: one small row for each that tries a password just now, and no refresh asks it.
-- checkpoint, journal_cut, journal_erasure, key_ring, lease, outage, next_id, daily_count, store_position and refinery_schema_history stay on the coordinator: small, and
-- each write to a table that stands on every server would wait for all of them. next_id is the counter of new accounts: one row
-- for each profile that numbers them, so that no shard would make it faster.
