//! Sessions that turn one way.
//!
//! Short access tokens, rotating refresh tokens, one row per session, and a verdict for every token that
//! is presented: turn, answer once more, keep, refuse, or end. Start at [`engine::Engine`], the front door;
//! [`ratchet::judge`] is the heart; [`store`] lists what a store must promise.
//!
//! This crate knows no HTTP, reads no configuration or environment, and has no global state: time
//! ([`clock`]), randomness ([`random`]), keys ([`keys`]) and storage ([`store`]) are handed in.

pub mod access;
pub mod account;
pub mod audit;
pub mod authn;
pub mod checkpoints;
pub mod clock;
pub mod engine;
pub mod error;
pub mod keys;
pub mod password;
pub mod policy;
pub mod random;
pub mod ratchet;
mod requester;
pub mod session;
pub mod store;
pub mod token;

pub use engine::Engine;
pub use error::{Error, Fault, FaultKind, Refusal};
