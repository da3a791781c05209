//! Names that led to somebody once. Remembering one is no step: a store does it wherever a name comes to lead to nobody
//! ([`Along`](super::Along)).

use async_trait::async_trait;

use super::NameHash;
use crate::error::Fault;

/// Looks at the names that led to somebody once.
#[async_trait]
pub trait HeldNames: Send + Sync {
    /// Whether any of these names led to somebody, by their hashes under every key that may have been used.
    async fn was_held(&self, hashes: Vec<NameHash>) -> Result<bool, Fault>;
}
