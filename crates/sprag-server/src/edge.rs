//! Where the network meets the server: connections and their bounds, what a request brings, and how answers and
//! refusals look on the wire. What is decided lies behind it, in `api`.

mod accept;
pub(crate) mod ambiguity;
pub mod app;
pub(crate) mod budgets;
pub(crate) mod connections;
pub(crate) mod cookie;
pub(crate) mod cors;
pub(crate) mod devices;
pub(crate) mod instance;
pub(crate) mod instead;
pub(crate) mod large_answers;
pub(crate) mod last_client;
pub mod metrics_readers;
pub(crate) mod mount;
mod multipart;
pub(crate) mod not_found;
pub(crate) mod pages;
pub mod proxies;
pub mod refresh_limits;
pub(crate) mod refusal;
pub(crate) mod registering;
pub(crate) mod request;
pub(crate) mod response;
pub mod serve;
pub mod served;
mod smuggling;
pub(crate) mod span;
pub(crate) mod system;
pub(crate) mod trace_context;
pub(crate) mod transport;
pub(crate) mod wiped;
