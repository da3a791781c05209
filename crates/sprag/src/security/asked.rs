//! Whose request is carried out, and what it is called, for whatever is told of it meanwhile.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use tokio::task_local;

task_local! {
    static ASKED: Asked;
}

/// Whose request is carried out, and what it is called.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The client's profile.
    pub client: Arc<str>,
    /// What the request is called.
    pub request: RequestId,
    /// The trace that it is part of, where somebody before us began one.
    pub trace: Option<TraceId>,
    /// Whether whoever began that keeps it.
    pub is_sampled: bool,
}

/// What a request is called: by who sent it, or here. No secret, and nothing follows from it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RequestId {
    /// By who sent it: a few characters that a line may show.
    Given(Arc<str>),
    /// Here.
    Made(u64),
}

/// A trace of the W3C's trace context, which goes on from one service to the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TraceId(pub u128);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given(id) => f.write_str(id),
            Self::Made(id) => write!(f, "{id:016x}"),
        }
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Carries out what a client asks; whatever the security log tells of it names the client's profile.
pub fn asked_by<T>(asked: Asked, work: impl Future<Output = T>) -> impl Future<Output = T> {
    ASKED.scope(asked, work)
}

/// What is asked where this is called, if anything is.
#[must_use]
pub fn asked() -> Option<Asked> {
    ASKED.try_with(Asked::clone).ok()
}
