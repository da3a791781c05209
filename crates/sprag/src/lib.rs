//! Sessions that turn one way.
//!
//! Short access tokens, rotating refresh tokens, one row per session, and a verdict for every token that
//! is presented: rotate, answer once more, keep, refuse, or end. Start at [`engine`], the front door, whose documentation
//! begins with a whole session; [`authn`] is how people show who they are, those that only your application knows
//! included; [`ratchet::judge`] is the heart; [`store`] lists what a store must promise.
//!
//! # Features
//!
//! None is on by default: there is a store in memory, and you choose what you keep sessions in.
//!
//! - `passkeys`: second factors and log-ins by WebAuthn (`passkeys`).
//! - `sqlite`: the store in one file (`store::sqlite`).
//! - `postgres`: the store on PostgreSQL and what speaks its protocol, for any number of nodes (`store::postgres`).
//!
//! This crate knows no HTTP, reads no configuration or environment, and has no global state but for
//! how often it has logged a fault ([`seldom`]) or a refusal ([`security`]): time ([`clock`]), randomness ([`random`]), keys ([`keys`]) and storage
//! ([`store`]) are handed in.

pub mod access;
pub mod account;
pub mod audit;
pub mod authn;
pub mod budget;
pub mod checkpoints;
pub mod clock;
pub mod counts;
pub mod day;
pub mod engine;
pub mod error;
pub mod factor;
pub mod files;
pub mod high_water;
pub mod hooks;
pub mod keys;
pub mod letter;
pub mod limits;
pub mod news;
pub mod observe;
pub mod one_time;
pub mod outages;
pub mod outbox;
pub mod passkeys;
pub mod password;
pub mod patterns;
pub mod place;
pub mod policy;
pub mod prefix;
pub mod proof_of_work;
pub mod random;
pub mod ratchet;
mod requester;
pub mod risk;
pub mod security;
pub mod seldom;
pub mod session;
pub mod store;
pub mod text;
pub mod timers;
pub mod token;
mod verdict;
pub mod webhook;
pub mod wipe;

pub use engine::Engine;
pub use error::{Error, Fault, FaultKind, Refusal};
