//! The command line, by running it: what each command prints, refuses and leaves behind.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod beside;
mod files;
mod given;
mod keys;
mod manners;
mod moving;
mod numbers;
mod offers;
mod postgres;
mod roles;
mod sessions;
mod settings;
mod upkeep;
mod users;
