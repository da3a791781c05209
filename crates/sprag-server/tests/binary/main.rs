//! The real binary, from outside: told over HTTP and by signals, killed, starved of disk, and attacked.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod admin_listen;
mod breaches;
mod checker_tests;
mod connections;
mod disk;
mod end_to_end;
mod flood;
mod floods;
mod framing;
mod hooks;
mod hostile;
mod kill;
mod letters;
mod links;
mod mail_server;
mod origins;
mod outages;
mod passwords;
mod python;
mod receiver;
mod secrecy;
mod security_log;
mod spellings;
mod startup;
mod stop;
mod webhooks;
mod went_back;

use sprag_testkit::binary::{bad_disk, checker, disk_state, late, load, people, random, server, token, wire};

/// The binary under test.
const SPRAG: &str = env!("CARGO_BIN_EXE_sprag");
