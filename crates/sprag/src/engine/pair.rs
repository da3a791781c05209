//! What is handed out: an access token, and a refresh token new or kept.

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::hooks::AskedClaims;
use super::lives::Lives;
use super::{Claims, ClientPolicy, Engine};
use crate::access::{self, AccessClaims};
use crate::account::Account;
use crate::authn::DeviceText;
use crate::clock::{Timestamp, millis};
use crate::error::Fault;
use crate::session::{AccountId, SessionId};
use crate::store::Rotated;
use crate::token::{RefreshToken, TokenText};

/// The access and refresh token handed out together.
pub struct TokenPair {
    /// Whose.
    pub account: AccountId,
    /// Of which session.
    pub session: SessionId,
    /// A JWT after RFC 9068.
    pub access_token: String,
    /// When: the lives below are counted from then.
    pub issued_at: Timestamp,
    /// Seconds until the access token expires.
    pub expires_in: i64,
    /// Seconds until the client shall refresh: before the access token expires, and at a moment that is drawn anew for each pair,
    /// so that a crowd that came at one moment does not come back at one moment. Zero only where the access token lives for one
    /// second.
    pub refresh_in: i64,
    /// The refresh token.
    pub refresh: RefreshTokenText,
    /// Seconds until the refresh token expires unless it is used.
    ///
    /// Counted as if the session had rotated just now, or to the hour: a thief in step must not read from it when
    /// the victim refreshes.
    pub refresh_expires_in: i64,
    /// What the client keeps and shows at its next log-in, so that the account knows the device, where a session was opened that
    /// [remembers it](super::OpenRequest::remembers_device).
    pub device: Option<DeviceText>,
    /// What the client keeps and shows at its next log-ins, so that it is not asked for a second factor for a while, where one was
    /// shown and it [wished so](super::OpenRequest::remembers_factor).
    pub remembered: Option<DeviceText>,
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
pub enum RefreshTokenText {
    /// One that replaces the client's.
    New(TokenText),
    /// The one the client presented; it stays in force.
    Kept(Zeroizing<String>),
}

impl std::fmt::Debug for RefreshTokenText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::New(_) => "New",
            Self::Kept(_) => "Kept",
        })
    }
}

impl RefreshTokenText {
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
    /// An access token, and `token` written anew or the client's own text of it kept. What it is about has the token's account
    /// where [`AccessTokenShape::tells_of_account`](super::AccessTokenShape) holds.
    pub(super) fn pair(
        &self,
        client: &ClientPolicy,
        about: About<'_>,
        token: &RefreshToken,
        kept: Option<&str>,
        told: Told,
        now: Timestamp,
    ) -> Result<TokenPair, Fault> {
        let Told { row, refresh_expires_in } = told;
        let keys = self.keys.load();
        let refresh = match kept {
            Some(text) => RefreshTokenText::Kept(Zeroizing::new(text.to_owned())),
            None => RefreshTokenText::New(token.ending(row.ends_at()).encode(client.encoding, &keys, now)),
        };
        let [id @ .., a, b, c, d] = self.token_ids.next(self.random.as_ref());
        let lives = Lives::draw(&client.policy, refresh_expires_in, token.generation, [a, b, c, d]);
        let Lives { expires_in, refresh_in } = lives;
        let issued_at = Timestamp(now.seconds() * 1000);
        let told = about.account.filter(|_| client.access.tells_of_account());
        let own_claims;
        let claims = match (&client.access.claims, told) {
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
        let joined;
        let claims = match about.asked {
            Some(asked) => {
                joined = joined_claims(claims, asked);
                Some(&joined)
            }
            None => claims,
        };
        let claims = AccessClaims {
            issuer: &self.issuer.issuer,
            subject: token.key.account,
            external_subject: told.and_then(|account| client.access.subject.of(account, client.profile)),
            audience: (!client.access.has_no_audience).then_some(self.issuer.audience.as_str()),
            client_id: &client.client_id,
            session: token.key.session,
            issued_at,
            expires_at: Timestamp(issued_at.0 + expires_in * 1000),
            authenticated_at: row.authenticated_at,
            methods: row.methods,
            id,
            claims,
        };
        Ok(TokenPair {
            account: token.key.account,
            session: token.key.session,
            access_token: access::mint(&keys, now, &claims)?,
            issued_at: now,
            expires_in,
            refresh_in,
            refresh,
            refresh_expires_in,
            device: None,
            remembered: None,
        })
    }
}

/// The claims of a profile with what another system says, which counts where both name one.
fn joined_claims(claims: Option<&Map<String, Value>>, asked: &Map<String, Value>) -> Map<String, Value> {
    let mut joined = claims.cloned().unwrap_or_default();
    joined.extend(asked.iter().map(|(name, value)| (name.clone(), value.clone())));
    joined
}

/// Whom an access token is about.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) account: Option<&'a Account>,
    /// What another system says of it.
    pub(super) asked: Option<&'a Map<String, Value>>,
}

impl<'a> About<'a> {
    pub(super) fn of(account: &'a Account, asked: &'a AskedClaims) -> Self {
        Self { account: Some(account), asked: asked.as_deref() }
    }
}

/// What a session's row says for an answer, and for how many seconds the refresh token in it is said to live.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    row: Rotated,
    refresh_expires_in: i64,
}

impl Told {
    /// Of a session that has turned just now, or is told of as if it had.
    pub(super) fn fresh(client: &ClientPolicy, row: Rotated, now: Timestamp) -> Self {
        let left = row.expires_at.millis_since(now).min(millis(client.policy.idle_timeout));
        Self { row, refresh_expires_in: left.max(0) / 1000 }
    }

    /// Of one that turned however long ago, so that its token's life may be shorter than a fresh one's. It is told to the
    /// hour, rounded up: a cookie of no life would take a live session's token away.
    pub(super) fn to_the_hour(client: &ClientPolicy, row: Rotated, now: Timestamp) -> Self {
        const HOUR_MILLIS: i64 = 3_600_000;
        let left = row.ends_at().millis_since(now).max(0);
        let hours = left / HOUR_MILLIS + i64::from(left % HOUR_MILLIS > 0);
        let fresh = Self::fresh(client, row, now);
        Self { refresh_expires_in: fresh.refresh_expires_in.min(hours * 3600), ..fresh }
    }
}
