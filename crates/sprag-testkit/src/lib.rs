//! What tests of the server share.
//!
//! Stories are told in a [`world`](mod@world) without sockets, whose clock is wound by hand: [`people`] make [`call`]s, and
//! a [`seam`] between engine and store makes the store fail when the story says so. The real [`binary`] is started in a
//! folder of its own, on its own or as one of several [`nodes`], and told over HTTP, by signals and by commands
//! ([`folder`]).
//!
//! This crate depends on `sprag-server`, whose tests depend on this crate; only the test programs below
//! `crates/sprag-server/tests` may use it, not the unit tests inside `src`.

#![expect(missing_docs, reason = "a helper's name is the sentence that a test reads")]
#![expect(clippy::unwrap_used, reason = "only tests run this")]

pub mod beside;
pub mod binary;
pub mod call;
pub mod folder;
pub mod head;
pub mod making;
pub mod mmdb;
pub mod nodes;
pub mod often;
pub mod passkey;
pub mod people;
pub mod present;
pub mod rooms;
pub mod seam;
pub mod world;
pub mod wrong_profile;
