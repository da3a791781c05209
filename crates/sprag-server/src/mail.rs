//! Letters on their way: put into [words](crate::words), and handed to whoever takes them further.
//!
//! `outgoing.rs` has a letter as it leaves; `mailer.rs` the ways that it can leave, of which `smtp.rs` is one; `sender.rs` what a
//! running server does with what waits in the outbox.

mod links;
mod mailer;
mod outgoing;
mod sender;
mod smtp;

pub(crate) use links::Links;
pub(crate) use mailer::mailer;
pub(crate) use sender::Sender;
