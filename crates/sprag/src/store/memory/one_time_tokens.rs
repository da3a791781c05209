//! One-time tokens.

use async_trait::async_trait;

use super::MemoryStore;
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::one_time::{OneTimeToken, TokenId};
use crate::session::AccountId;
use crate::store::OneTimeTokens;

#[async_trait]
impl OneTimeTokens for MemoryStore {
    async fn one_time_token(&self, account: AccountId, id: TokenId) -> Result<Option<OneTimeToken>, Fault> {
        Ok(self.tables().rows.get(&account).and_then(|rows| rows.tokens.get(&id)).cloned())
    }

    async fn sweep_one_time_tokens(&self, now: Timestamp) -> Result<u64, Fault> {
        let mut forgotten = 0;
        for rows in self.tables().rows.values_mut() {
            let before = rows.tokens.len();
            rows.tokens.retain(|_, token| token.expires_at > now);
            forgotten += (before - rows.tokens.len()) as u64;
        }
        Ok(forgotten)
    }
}
