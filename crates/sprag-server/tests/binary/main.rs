//! The real binary, from outside: told over HTTP and by signals, killed, starved of disk, and attacked.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod bad_disk;
mod checker;
mod checker_tests;
mod disk;
mod disk_state;
mod end_to_end;
mod flood;
mod hostile;
mod kill;
mod load;
mod people;
mod random;
mod secrecy;
mod server;
mod startup;
mod stop;
mod token;
mod wire;

/// The binary under test.
const SPRAG: &str = env!("CARGO_BIN_EXE_sprag");
