-- The schema of a Sprag store: six tables. A newcomer may start here.
--
-- Every table is its own key in order ("without rowid"): a row is found in one descent, and an account's
-- sessions and events lie side by side. Ids are 16 bytes, UUIDv7, so that their order is their age.
-- Times are whole milliseconds since the Unix epoch, UTC. Nothing here is usable as a token: of every
-- secret only a hash is kept.
--
-- The PostgreSQL schema has the same tables and columns under the same file name.

-- Who may log in.
create table account (
    id            blob    not null check (length(id) = 16),
    epoch         integer not null,  -- moves when everything handed out before must stop working
    disabled_at   integer,
    is_admin      integer not null,
    created_at    integer not null,
    username      text,              -- as it was typed; what is compared stands in identity
    email         text,
    password_hash text    not null,  -- a PHC string
    primary key (id)
) strict, without rowid;

-- The names that lead to an account. That a name is taken once is this table's primary key.
create table identity (
    kind       text not null,        -- 'username' or 'email'
    value      text not null,        -- in the form that is compared
    account_id blob not null,
    primary key (kind, value)
) strict, without rowid;

-- One log-in on one device: the hot row. A refresh moves it on by one statement, so it is narrow and no
-- other index than its key leads to it.
create table session (
    account_id        blob    not null check (length(account_id) = 16),
    id                blob    not null check (length(id) = 16),
    profile           integer not null,
    generation        integer not null,  -- how often it has turned
    secret_hash       blob    not null check (length(secret_hash) = 32),
    epoch             integer not null,  -- the account's, when the session was opened or last sealed
    created_at        integer not null,
    rotated_at        integer not null,
    idle_expires_at   integer not null,  -- slides with each rotation
    expires_at        integer not null,  -- never moves
    retry_hash        blob,              -- the retry id that made the last rotation, hashed
    instance_hash     blob    not null,  -- the client instance that made it, hashed
    retries           integer not null,  -- how many the present generation has answered
    is_sealed         integer not null,  -- whether the token spent last gets no retry
    streak            integer not null,  -- generations running in which another client instance retried
    streak_generation integer,           -- the last one that counted
    ended_at          integer,
    ended_cause       text,
    primary key (account_id, id),
    check ((ended_at is null) = (ended_cause is null))
) strict, without rowid;

-- What people read of a session. Written when it opens and when it ends, never by a refresh.
create table session_detail (
    account_id blob not null,
    session_id blob not null,
    ip         text,
    user_agent text,
    device     text,
    ended_ip   text,
    primary key (account_id, session_id)
) strict, without rowid;

-- Finds a session by its id alone, for whoever asks why it ended. Only log-ins and sweeps write to it.
create index session_detail_by_session on session_detail (session_id);

-- The journal: each account's events as a chain by hash. Rows are only ever added.
create table event (
    account_id blob    not null,         -- zeroes where an event concerns no account
    id         integer not null,         -- its number in the account's chain, from 1 without a gap
    at         integer not null,
    kind       text    not null,
    session_id blob,
    cause      text,
    ip         text,
    user_agent text,
    note       text,
    previous   blob    not null,         -- the hash of the entry before; zeroes before the first
    hash       blob    not null,
    primary key (account_id, id)
) strict, without rowid;

-- What all chains came to at one moment, under a tag whose key is not in the database.
create table checkpoint (
    number   integer not null,
    before   integer not null,           -- it covers the entries dated before this moment
    chains   integer not null,
    entries  integer not null,
    root     blob    not null,
    previous blob    not null,           -- the tag of the checkpoint before it
    tag      blob    not null,
    key_id   integer not null,
    primary key (number)
) strict, without rowid;
