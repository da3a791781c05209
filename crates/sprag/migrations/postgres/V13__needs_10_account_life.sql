-- What is handed out once and comes back once, and what must leave the server. A build that knows only V10 may run beside it: it
-- sends nothing, and neither reads nor needs these tables; what it makes anew of an account's address leaves that unconfirmed, for
-- what was confirmed is kept as an address and not as a mark. The SQLite schema has the same tables under the same file name.

-- The address that its owner has confirmed, and when. It counts only while it is the one that the account is told to have.
alter table account add column confirmed_email text;
alter table account add column email_confirmed_at bigint;

-- When everything is to forget its owner, if they asked for that; a log-in before calls it off.
alter table account add column erase_at bigint;
create index account_erasure on account (erase_at) where erase_at is not null;

-- Links and codes (docs/reference/one-time-tokens.md). A row holds hashes and what is sealed, so the table opens nothing.
create table one_time_token (
    account_id  uuid     not null,
    id          uuid     not null,
    purpose     text     collate "C" not null,
    bound_to    bytea    not null,  -- SHA-256 of what it is good for alone: an address, the browser that asked
    secret_hash bytea    not null,  -- SHA-256 of the secret that the link carries
    code_hash   bytea,              -- of the short code that does the same, where there is one
    solved_by   bytea,              -- which try had the right code, if the last one did
    tries       int2     not null,  -- how many tries of the code were counted
    epoch       bigint,             -- the account's when it was made, where it is to die with that
    made_at     bigint   not null,
    expires_at  bigint   not null,
    sealed      bytea    not null,
    primary key (account_id, id)
);
create index one_time_token_expiry on one_time_token (expires_at);

-- What must leave the server: written in the commit of what it tells of (docs/reference/outbox.md).
create table outbox (
    account_id  uuid   not null,
    id          uuid   not null,
    kind        text   collate "C" not null,
    sealed      bytea,              -- what is sent; gone once it was
    made_at     bigint not null,
    gives_up_at bigint not null,    -- nobody tries after this
    due_at      bigint,             -- the next try, or how long whoever tries has it; null once it is settled
    attempts    int4   not null,
    settled_at  bigint,             -- when it was sent or given up
    trouble     text,               -- what the last try came to, where that was nothing good
    primary key (account_id, id)
);
create index outbox_due on outbox (kind, due_at) where due_at is not null;
create index outbox_settled on outbox (settled_at) where settled_at is not null;

-- Names that led to somebody once: a keyed hash of each, written when it came to lead to nobody. By it alone nobody finds a name.
create table held_name (
    hash bytea not null primary key
);
