//! Accounts and sessions of another system: its clients' old tokens come under the ratchet, once.

mod again;
mod factors;
mod sessions;
mod stage;
mod users;
