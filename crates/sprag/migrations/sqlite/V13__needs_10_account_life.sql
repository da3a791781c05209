-- What is handed out once and comes back once, and what must leave the server. A build that knows only V10 may run beside it: it
-- sends nothing, and neither reads nor needs these tables; what it makes anew of an account's address leaves that unconfirmed, for
-- what was confirmed is kept as an address and not as a mark. The PostgreSQL schema has the same tables under the same file name.

-- The address that its owner has confirmed, and when. It counts only while it is the one that the account is told to have.
alter table account add column confirmed_email text;
alter table account add column email_confirmed_at integer;

-- When everything is to forget its owner, if they asked for that; a log-in before calls it off.
alter table account add column erase_at integer;
create index account_erasure on account (erase_at) where erase_at is not null;

-- Links and codes (docs/reference/one-time-tokens.md). A row holds hashes and what is sealed, so the table opens nothing.
create table one_time_token (
    account_id  blob    not null check (length(account_id) = 16),
    id          blob    not null check (length(id) = 16),
    purpose     text    not null,
    bound_to    blob    not null,     -- SHA-256 of what it is good for alone: an address, the browser that asked
    secret_hash blob    not null,     -- SHA-256 of the secret that the link carries
    code_hash   blob,                 -- of the short code that does the same, where there is one
    solved_by   blob,                 -- which try had the right code, if the last one did
    tries       integer not null,     -- how many tries of the code were counted
    epoch       integer,              -- the account's when it was made, where it is to die with that
    made_at     integer not null,
    expires_at  integer not null,
    sealed      blob    not null,
    primary key (account_id, id)
) strict, without rowid;
create index one_time_token_expiry on one_time_token (expires_at);

-- What must leave the server: written in the commit of what it tells of (docs/reference/outbox.md).
create table outbox (
    account_id  blob    not null check (length(account_id) = 16),
    id          blob    not null check (length(id) = 16),
    kind        text    not null,
    sealed      blob,                 -- what is sent; gone once it was
    made_at     integer not null,
    gives_up_at integer not null,     -- nobody tries after this
    due_at      integer,              -- the next try, or how long whoever tries has it; null once it is settled
    attempts    integer not null,
    settled_at  integer,              -- when it was sent or given up
    trouble     text,                 -- what the last try came to, where that was nothing good
    primary key (account_id, id)
) strict, without rowid;
create index outbox_due on outbox (kind, due_at) where due_at is not null;
create index outbox_settled on outbox (settled_at) where settled_at is not null;

-- Names that led to somebody once: a keyed hash of each, written when it came to lead to nobody. By it alone nobody finds a name.
create table held_name (
    hash blob not null primary key check (length(hash) = 32)
) strict, without rowid;
