//! What is read of one-time tokens, and forgetting those that have expired. Making and spending them are [steps](super::Step).

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::error::Fault;
use crate::one_time::{OneTimeToken, TokenId};
use crate::session::AccountId;

/// Looks at one-time tokens.
#[async_trait]
pub trait OneTimeTokens: Send + Sync {
    /// Finds one of an account's tokens, expired or not.
    async fn one_time_token(&self, account: AccountId, id: TokenId) -> Result<Option<OneTimeToken>, Fault>;

    /// Forgets tokens that had expired by then; says how many.
    async fn sweep_one_time_tokens(&self, now: Timestamp) -> Result<u64, Fault>;
}
