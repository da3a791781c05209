//! The session server: the binary `sprag`, and [`http::router`] for those who mount it in an app of their own.
//!
//! A request goes from [`edge::serve`] to [`http`], where a profile ([`profile`]) picks the action; the engine of the
//! `sprag` crate decides; the profile shapes the answer. [`run`] wires it together from a [`config`].

mod api;
mod breaches;
pub mod cli;
pub mod config;
mod device;
mod duration;
pub mod edge;
mod hooks;
pub mod http;
mod http_client;
mod mail;
pub mod metrics;
mod moment;
pub mod name_lists;
pub mod old_names;
pub mod openapi;
mod outgoing;
pub mod places;
pub mod profile;
mod quoted;
mod report_asked;
pub mod run;
mod toml_hints;
mod web_origin;
mod webhooks;
mod words;
