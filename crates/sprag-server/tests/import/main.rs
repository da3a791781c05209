//! `sprag user import` and `sprag session import`, by running them: every kind of source, and what becomes of each line.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod bad_lines;
mod changed_there;
mod databases;
mod dry_run;
mod factors;
mod files;
mod given;
mod guides;
mod hashes;
mod many;
mod mapping;
mod names;
mod numbers;
mod once_more;
mod secrets;
mod sessions;
mod shared;
mod spanning;
mod statuses;
