//! What is handed out: an access token, and a refresh token new or kept.

use std::time::Duration;

use zeroize::Zeroizing;

use super::{Claims, Engine, Terms};
use crate::access::{self, Grant};
use crate::account::Account;
use crate::chance;
use crate::clock::{Timestamp, millis};
use crate::error::Fault;
use crate::session::{AccountId, SessionId};
use crate::token::{RefreshToken, TokenText};

/// The access and refresh token handed out together.
pub struct TokenPair {
    /// Whose.
    pub account: AccountId,
    /// Of which session.
    pub session: SessionId,
    /// A JWT after RFC 9068.
    pub access_token: String,
    /// Seconds until the access token expires.
    pub expires_in: i64,
    /// The refresh token.
    pub refresh: Refresh,
    /// Seconds until the refresh token expires unless it is used.
    ///
    /// Counted as if the session had turned just now, or to the hour: a thief in step must not read from it when
    /// the victim refreshes.
    pub refresh_expires_in: i64,
}

/// Prints what a log may show: no token.
impl std::fmt::Debug for TokenPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenPair")
            .field("account", &self.account)
            .field("session", &self.session)
            .field("refresh", &self.refresh)
            .finish_non_exhaustive()
    }
}

/// A refresh token as it is handed out.
pub enum Refresh {
    /// One that replaces the client's.
    New(TokenText),
    /// The one the client presented; it stays in force.
    Kept(Zeroizing<String>),
}

impl std::fmt::Debug for Refresh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::New(_) => "New",
            Self::Kept(_) => "Kept",
        })
    }
}

impl Refresh {
    /// The token's text.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::New(text) => text.as_str(),
            Self::Kept(text) => text,
        }
    }
}

impl Engine {
    pub(super) fn new_pair(
        &self,
        terms: &Terms,
        account: Option<&Account>,
        token: &RefreshToken,
        refresh_expires_in: i64,
        now: Timestamp,
    ) -> Result<TokenPair, Fault> {
        let text = token.encode(terms.encoding, &self.keys.load(), now);
        self.pair(terms, account, token, Refresh::New(text), refresh_expires_in, now)
    }

    /// A pair. `account` is the token's, read where [`AccessTerms::tells_of_account`](super::AccessTerms) holds.
    pub(super) fn pair(
        &self,
        terms: &Terms,
        account: Option<&Account>,
        token: &RefreshToken,
        refresh: Refresh,
        refresh_expires_in: i64,
        now: Timestamp,
    ) -> Result<TokenPair, Fault> {
        let random: [u8; 18] = chance::bytes(self.chance.as_ref());
        let (id, jitter) = random.split_at(16);
        let life = shortened(
            terms.policy.access_ttl,
            terms.policy.access_jitter_percent,
            u16::from_be_bytes([jitter[0], jitter[1]]),
        );
        // An API that verifies locally knows nothing of the session: its token must not outlive it.
        let expires_in = (millis(life) / 1000).min(refresh_expires_in).max(1);
        let issued_at = Timestamp(now.seconds() * 1000);
        let told = account.filter(|_| terms.access.tells_of_account());
        let own_claims;
        let claims = match (&terms.access.claims, told) {
            (Claims::None, _) => None,
            (Claims::Constant(claims), _) => Some(claims),
            (Claims::OfAccount(of), Some(account)) => {
                own_claims = of(account);
                Some(&own_claims)
            }
            (Claims::OfAccount(_), None) => {
                return Err(Fault::internal("tell of an account in its access token", "it was not read"));
            }
        };
        let grant = Grant {
            issuer: &self.issuer.issuer,
            subject: token.key.account,
            external_subject: told.and_then(|account| terms.access.subject.of(account, terms.profile)),
            audience: (!terms.access.has_no_audience).then_some(self.issuer.audience.as_str()),
            client_id: &terms.client_id,
            session: token.key.session,
            issued_at,
            expires_at: Timestamp(issued_at.0 + expires_in * 1000),
            id: id.try_into().expect("18 bytes split at 16 leave 16"),
            claims,
        };
        Ok(TokenPair {
            account: token.key.account,
            session: token.key.session,
            access_token: access::mint(&self.keys.load(), now, &grant)?,
            expires_in,
            refresh,
            refresh_expires_in,
        })
    }
}

/// Seconds a refresh token lives that was handed out just now.
pub(super) fn fresh_life(terms: &Terms, expires_at: Timestamp, now: Timestamp) -> i64 {
    let left = expires_at.millis_since(now).min(millis(terms.policy.idle_timeout));
    left.max(0) / 1000
}

/// `ttl` less a share of it, between nothing and `percent`, that `chance` picks.
fn shortened(ttl: Duration, percent: u8, chance: u16) -> Duration {
    let most = ttl * u32::from(percent.min(100)) / 100;
    ttl - most * u32::from(chance) / u32::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_only_shortens_and_by_no_more_than_it_may() {
        let ttl = Duration::from_secs(900);
        assert_eq!(shortened(ttl, 10, 0), ttl);
        assert_eq!(shortened(ttl, 10, u16::MAX), Duration::from_secs(810));
        assert_eq!(shortened(ttl, 0, u16::MAX), ttl);
    }
}
