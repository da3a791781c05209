//! The front door: log in, refresh, log out, list, end, explain.
//!
//! An [`Engine`] joins the rooms of this crate: it parses what was presented, asks the ratchet, tells the store,
//! and mints what is handed out. It decides nothing about a session itself.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde_json::{Map, Value};

use crate::access::{self, AccessToken, Expected, Rejected};
use crate::account::Account;
use crate::clock::{Clock, Timestamp};
use crate::error::{Error, Fault, Refusal};
use crate::keys::KeyRing;
use crate::password::Hasher;
use crate::policy::Policy;
use crate::random::Random;
use crate::ratchet::SessionState;
use crate::session::{AccountId, ProfileId, SessionId, SessionKey, ShortHash};
use crate::store::Store;
use crate::token::Encoding;

mod account;
mod import;
mod login;
mod pair;
mod refresh;
mod sessions;
mod upkeep;

pub use account::NewUser;
pub use import::{Imported, ImportedSession, ImportedUser, Run};
pub use login::LogIn;
pub use pair::{Refresh, TokenPair};
pub use refresh::{RefreshOutcome, RefreshRequest};
pub use sessions::{Explanation, Listed};

/// Joins ratchet, store, keys and passwords into the actions a client asks for.
pub struct Engine {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    keys: ArcSwap<KeyRing>,
    hasher: Hasher,
    issuer: Issuer,
    limits: Limits,
}

/// Who issues access tokens, and for whom.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// The `iss` claim: this server's public address.
    pub issuer: String,
    /// The `aud` claim: the API that accepts the tokens.
    pub audience: String,
}

/// Bounds that hold for every profile.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many live sessions an account may have; the longest unused give way to a new one. An account that came from
    /// another system may have brought more: there, one gives way at a time.
    pub sessions_per_account: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { sessions_per_account: 100 }
    }
}

/// What one profile asks of the engine: whose tokens, under which policy, in which form.
#[derive(Clone, Debug)]
pub struct ClientPolicy {
    /// The profile's id, carried in every refresh token.
    pub profile: ProfileId,
    /// The profile's name: the `client_id` claim.
    pub client_id: String,
    /// The rules its sessions live under.
    pub policy: Policy,
    /// The form of its refresh tokens.
    pub encoding: Encoding,
    /// What its access tokens say.
    pub access: AccessTokenShape,
    /// Whether a client may present the refresh token of the system that the profile took the place of, where a session
    /// was imported for it.
    pub takes_imported_tokens: bool,
}

/// What the access tokens of a profile say, so that the APIs that verify them find what they look for.
#[derive(Clone, Debug, Default)]
pub struct AccessTokenShape {
    /// Claims besides the registered ones.
    pub claims: Claims,
    /// What `sub` is.
    pub subject: Subject,
    /// Whether they name no audience.
    pub has_no_audience: bool,
}

/// What the `sub` of an access token is. Where the account has no such name, it is its id.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Subject {
    /// The account's id.
    #[default]
    Id,
    /// Its key in the source system.
    External,
    /// Its user name.
    Username,
    /// Its e-mail address.
    Email,
}

impl Subject {
    /// The name of that kind on `profile`; `None` where the id is the subject.
    #[must_use]
    pub fn of(self, account: &Account, profile: ProfileId) -> Option<&str> {
        match self {
            Self::Id => None,
            Self::External => account.external_id(profile),
            Self::Username => account.username.as_deref(),
            Self::Email => account.email.as_deref(),
        }
    }
}

/// Claims of a profile's access tokens besides the registered ones.
#[derive(Clone, Default)]
pub enum Claims {
    /// There are none.
    #[default]
    None,
    /// Every token has the same.
    Constant(Map<String, Value>),
    /// They tell of the account. Then a refresh reads it, which others need not.
    OfAccount(Arc<Telling>),
}

/// What a token says of its account.
pub type Telling = dyn Fn(&Account) -> Map<String, Value> + Send + Sync;

impl AccessTokenShape {
    /// Whether a token tells of its account more than its id.
    #[must_use]
    pub fn tells_of_account(&self) -> bool {
        self.subject != Subject::Id || matches!(self.claims, Claims::OfAccount(_))
    }
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Constant(_) => "Constant",
            Self::OfAccount(_) => "OfAccount",
        })
    }
}

/// Who is asking, as far as a request shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Requester {
    /// The address.
    pub ip: Option<String>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// The client instance, hashed.
    pub instance: ShortHash,
}

/// A caller whose access token has verified and whose session is live.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The session, and through it the account.
    pub key: SessionKey,
    /// The session's row and the account's state.
    pub state: SessionState,
}

impl Engine {
    /// An engine over what is handed in.
    pub fn new(
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        keys: KeyRing,
        hasher: Hasher,
        issuer: Issuer,
        limits: Limits,
    ) -> Self {
        Self { store, clock, random, keys: ArcSwap::from_pointee(keys), hasher, issuer, limits }
    }

    /// The store behind it.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The present moment, by the engine's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The key ring in force.
    pub fn keys(&self) -> Arc<KeyRing> {
        self.keys.load_full()
    }

    /// Puts another key ring in force, for every request from now on.
    pub fn replace_keys(&self, keys: KeyRing) {
        self.keys.store(Arc::new(keys));
    }

    /// Says who is calling, from an access token of this profile.
    ///
    /// Beyond the token itself, its session must be live and its account as it was: this server knows what an
    /// API that verifies locally learns only when the token runs out.
    ///
    /// # Errors
    /// [`Refusal::TokenInvalid`], [`Refusal::TokenExpired`], [`Refusal::SessionEnded`] or
    /// [`Refusal::AccountDisabled`]; a [`Fault`] if the store fails.
    pub async fn authenticate(&self, client: &ClientPolicy, bearer: &str) -> Result<Caller, Error> {
        let now = self.now();
        let token = self.verify_access(client, bearer, now)?;
        if token.client_id != client.client_id {
            return Err(Refusal::TokenInvalid.into());
        }
        let key = SessionKey { account: token.subject, session: token.session };
        let state = self.store.find(key).await?.ok_or(Refusal::SessionEnded(None))?;
        match crate::ratchet::access(&state, now) {
            Some(denial) => Err(Refusal::from(denial).into()),
            None => Ok(Caller { key, state }),
        }
    }

    /// The account that an access token of this profile names, also where it has expired or its session is over; none where
    /// it is none of ours. It lets nobody in.
    pub fn account_named(&self, client: &ClientPolicy, bearer: &str) -> Option<AccountId> {
        let named = access::genuine(bearer, &self.keys.load(), self.expected(client), self.now());
        named.ok().filter(|token| token.client_id == client.client_id).map(|token| token.subject)
    }

    /// `N` bytes that nobody can foresee.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        crate::random::bytes(self.random.as_ref())
    }

    fn expected(&self, client: &ClientPolicy) -> Expected<'_> {
        let audience = (!client.access.has_no_audience).then_some(self.issuer.audience.as_str());
        Expected { issuer: &self.issuer.issuer, audience }
    }

    fn verify_access(
        &self,
        client: &ClientPolicy,
        bearer: &str,
        now: Timestamp,
    ) -> Result<AccessToken, Refusal> {
        access::verify(bearer, &self.keys.load(), self.expected(client), now).map_err(|rejected| {
            match rejected {
                Rejected::Expired => Refusal::TokenExpired,
                _ => Refusal::TokenInvalid,
            }
        })
    }

    fn key_of_new_session(&self, account: AccountId, now: Timestamp) -> SessionKey {
        SessionKey { account, session: SessionId(crate::random::id(self.random.as_ref(), now)) }
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

/// A fault for a loop that has tried as often as it may.
fn tried_too_often(doing: &'static str) -> Fault {
    Fault::unavailable(doing, "others kept changing it at the same time")
}
