-- The schema of a Sprag store: six tables. A newcomer may start here.
--
-- Every hot statement finds one row by its key, and a key begins with the account, so that the tables can be
-- sharded by it ("identity" by its value). For the same reason there is no sequence and no foreign key.
-- Ids are UUIDv7, so that their order is their age. Times are whole milliseconds since the Unix epoch, UTC.
-- Nothing here is usable as a token: of every secret only a hash is kept.
--
-- The SQLite schema has the same tables and columns under the same file name.

-- Who may log in.
create table account (
    id            uuid    not null,
    epoch         bigint  not null,  -- moves when everything handed out before must stop working
    disabled_at   bigint,
    is_admin      boolean not null,
    created_at    bigint  not null,
    username      text,              -- as it was typed; what is compared stands in identity
    email         text,
    password_hash text    not null,  -- a PHC string
    primary key (id)
);

-- The names that lead to an account. That a name is taken once is this table's primary key.
create table identity (
    kind       text not null,        -- 'username' or 'email'
    value      text not null,        -- in the form that is compared
    account_id uuid not null,
    primary key (kind, value)
);

-- One log-in on one device: the hot row. A refresh moves it on by one statement, so it is narrow and no
-- other index than its key leads to it. A fifth of each page stays free, so that its next version finds
-- room beside it and the index is left alone (a HOT update).
create table session (
    account_id        uuid     not null,
    id                uuid     not null,
    generation        bigint   not null,  -- how often it has turned
    epoch             bigint   not null,  -- the account's, when the session was opened or last sealed
    created_at        bigint   not null,
    rotated_at        bigint   not null,
    idle_expires_at   bigint   not null,  -- slides with each rotation
    expires_at        bigint   not null,  -- never moves
    streak_generation bigint,             -- the last generation that counted for streak
    ended_at          bigint,
    profile           int4     not null,
    retries           smallint not null,  -- how many the present generation has answered
    streak            smallint not null,  -- generations running in which another client instance retried
    is_sealed         boolean  not null,  -- whether the token spent last gets no retry
    secret_hash       bytea    not null check (octet_length(secret_hash) = 32),
    retry_hash        bytea,              -- the retry id that made the last rotation, hashed
    instance_hash     bytea    not null,  -- the client instance that made it, hashed
    ended_cause       text,
    primary key (account_id, id),
    check ((ended_at is null) = (ended_cause is null))
) with (fillfactor = 80);

-- What people read of a session. Written when it opens and when it ends, never by a refresh.
create table session_detail (
    account_id uuid not null,
    session_id uuid not null,
    ip         text,
    user_agent text,
    device     text,
    ended_ip   text,
    primary key (account_id, session_id)
);

-- Finds a session by its id alone, for whoever asks why it ended. Only log-ins and sweeps write to it.
create index session_detail_by_session on session_detail (session_id);

-- The journal: each account's events as a chain by hash. Rows are only ever added.
create table event (
    account_id uuid   not null,         -- zeroes where an event concerns no account
    id         bigint not null,         -- its number in the account's chain, from 1 without a gap
    at         bigint not null,
    kind       text   not null,
    session_id uuid,
    cause      text,
    ip         text,
    user_agent text,
    note       text,
    previous   bytea  not null,         -- the hash of the entry before; zeroes before the first
    hash       bytea  not null,
    primary key (account_id, id)
);

-- What all chains came to at one moment, under a tag whose key is not in the database.
create table checkpoint (
    number   bigint   not null,
    before   bigint   not null,         -- it covers the entries dated before this moment
    chains   bigint   not null,
    entries  bigint   not null,
    root     bytea    not null,
    previous bytea    not null,         -- the tag of the checkpoint before it
    tag      bytea    not null,
    key_id   smallint not null,
    primary key (number)
);
