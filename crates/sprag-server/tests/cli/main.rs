//! The command line, by running it: what each command prints, refuses and leaves behind.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod audit;
mod beside;
mod by_hand;
mod evidence;
mod factors;
mod files;
mod given;
mod healthy;
mod image;
mod keys;
mod manners;
mod moving;
mod numbers;
mod offers;
mod owners;
mod places;
mod postgres;
mod report;
mod rights;
mod roles;
mod secrets;
mod sessions;
mod settings;
mod stores;
mod upkeep;
mod users;
