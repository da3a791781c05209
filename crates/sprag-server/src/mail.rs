//! Letters: put into words, and handed to whoever takes them further.
//!
//! `words.rs` has the languages and templates, which letters share with the server's own pages; `mailer.rs` the ways that a
//! letter can leave; `sender.rs` what a running server does with what waits in the outbox.

mod mailer;
mod sender;
mod smtp;
mod words;

pub(crate) use mailer::mailer;
pub(crate) use sender::{Sender, of_news, told_at};
pub(crate) use words::{Brand, Pieces, Words};
