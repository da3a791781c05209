//! The session server: the binary `sprag`, and [`http::router`] for those who mount it in an app of their own.
//!
//! A request goes from [`edge::serve`] to [`http`], where a profile ([`profile`]) picks the action; the engine of the
//! `sprag` crate decides; the profile shapes the answer. [`node`] wires it together from a [`config`].

mod api;
pub mod cli;
pub mod config;
pub mod database;
pub mod edge;
pub mod http;
pub mod http_client;
pub mod jobs;
pub mod logs;
pub mod metrics;
pub mod node;
pub mod openapi;
pub mod profile;
pub mod ring_file;
mod text;
