//! The command line, by running it: what each command prints, refuses and leaves behind.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod files;
mod given;
mod keys;
mod manners;
mod moving;
mod postgres;
mod rights;
mod roles;
mod sessions;
mod settings;
mod stores;
mod upkeep;
mod users;
