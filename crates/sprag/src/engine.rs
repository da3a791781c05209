//! The front door: open a session, refresh it, say who calls, log out.
//!
//! An [`Engine`] joins the rooms of this crate: it parses what was presented, asks the ratchet, tells the store,
//! and mints what is handed out. It decides nothing about a session itself. What every request needs are its own methods;
//! what is rarer is behind a handle: [`Engine::authn`], [`Engine::accounts`], [`Engine::sessions`], [`Engine::tokens`],
//! [`Engine::upkeep`], [`Engine::imports`].
//!
//! ```
//! # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
//! use std::sync::Arc;
//!
//! use sprag::keys::{Algorithm, KeyRing};
//! use sprag::clock::{Clock as _, SystemClock};
//! use sprag::engine::{ClientPolicy, Engine, NewUser, OpenRequest, RefreshRequest, Requester};
//! use sprag::random::SystemRandom;
//! use sprag::session::ProfileId;
//! use sprag::store::memory::MemoryStore;
//!
//! let keys = KeyRing::generate(Algorithm::Es256, &SystemRandom::default(), SystemClock.now())?;
//! let engine = Engine::builder(Arc::new(MemoryStore::new()))
//!     .keys(keys)
//!     .issuer("https://auth.example.org")
//!     .build()?;
//! let (web, requester) = (ClientPolicy::new(ProfileId(1), "web"), Requester::nobody());
//!
//! let user = NewUser { username: Some("ann"), password: Some("correct horse battery"), ..NewUser::default() };
//! engine.accounts().create(user, &requester).await?;
//!
//! let ann = engine.authn().password("ann", "correct horse battery", &requester).await?;
//! let pair = engine.open_session(&web, ann, OpenRequest::default(), &requester).await?;
//! let request = RefreshRequest { token: pair.refresh.text(), retry_id: None };
//! let next = engine.refresh(&web, request, &requester).await.answer?;
//!
//! let caller = engine.authenticate(&web, &next.access_token).await?;
//! assert_eq!(caller.key.session, pair.session);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use tokio::sync::Notify;

use crate::access::{self, AccessToken, Expected, Rejected};
use crate::authn::{Authenticated, Authn, Failures};
use crate::clock::{Clock, Timestamp, millis};
use crate::counts::{By, CountedStore, Counts, Report};
use crate::day::Day;
use crate::error::{Error, Fault, Refusal};
use crate::keys::KeyRing;
use crate::limits::{Gate, Rates};
use crate::observe::{BreachChecks, EngineObserved};
use crate::password::Hasher;
use crate::place::Whereabouts;
use crate::proof_of_work::{Challenge, Solved};
use crate::random::{DrawnAhead, Random};
use crate::ratchet::SessionState;
use crate::risk::RiskPolicy;
use crate::session::{AccountId, EndCause, SessionId, SessionKey};
use crate::store::Store;

mod account;
mod administration;
mod along;
mod beside_login;
mod builder;
mod client_policy;
mod commits;
mod confirm_again;
mod deletion;
mod email_change;
mod enrolment;
mod erasure;
mod factor_letters;
mod factors;
mod grace;
mod hooks;
mod import;
mod invites;
mod letter_budget;
mod letters;
mod listings;
mod lives;
mod login_letter;
mod new_passkey;
mod news;
mod next_id;
mod old_accounts;
mod old_names;
mod one_time;
mod opening;
mod outbox;
mod pair;
mod passkeys;
mod password_change;
mod passwords;
mod refresh;
mod replacement;
mod risk;
mod second_factor;
mod service;
mod sessions;
mod sign_up;
mod step_up;
mod tokens;
mod upkeep;
mod waiting;
mod webhooks;

pub use account::{Accounts, NewUser};
pub use administration::{AccountChanges, Changed};
pub use builder::EngineBuilder;
pub use client_policy::{
    AccessTokenShape, Claims, ClientPolicy, Confirmation, SecondFactor, Subject, Telling,
};
pub use email_change::{EmailChangeRequest, Undone};
pub use enrolment::{Enrolled, EnrolmentRequest, NewFactor};
pub use erasure::{AccountErasure, Erased};
pub use factors::{Factors, FactorsHeld, NewTotp};
pub use import::{Imported, ImportedSession, ImportedUser, Imports, NameKept, Run, SameNames, SlowHashes};
pub use invites::{Invitation, Invite, Invited, Invites};
pub use letters::{Letters, LinkTarget};
pub use listings::{EntriesWanted, EntryPlace, Found};
pub use login_letter::{LoginByMail, LoginLink};
pub use new_passkey::NewPasskey;
pub use news::{Disowned, NotMeLink};
pub use next_id::NextId;
pub use opening::OpenRequest;
pub use outbox::{Leased, Outbox, Outcome};
pub use pair::{RefreshTokenText, TokenPair};
pub use passkeys::PasskeyOf;
pub use password_change::PasswordChangeRequest;
pub use passwords::PasswordRules;
pub use refresh::{RefreshOutcome, RefreshRequest};
pub use second_factor::{FactorProof, FactorRequest, LoggedIn};
pub use sessions::{Explanation, Listed, LogOutRequest, Sessions};
pub use step_up::{Proof, StepUpRequest};
pub use tokens::Tokens;
pub use upkeep::Upkeep;
pub use waiting::WaitingLogIn;
pub use webhooks::{LeasedWebhook, Webhooks};

pub use crate::requester::Requester;

use lives::LIVES_BYTES;
use next_id::ObjectIds;
use service::Service;

/// Joins ratchet, store, keys and ways to authenticate into the actions a client asks for.
pub struct Engine {
    store: CountedStore,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    /// The id of each access token, and what its lives are drawn from.
    token_ids: DrawnAhead<{ 16 + LIVES_BYTES }>,
    keys: Arc<ArcSwap<KeyRing>>,
    hasher: Hasher,
    failures: Failures,
    gate: Gate,
    issuer: Issuer,
    limits: Limits,
    risk: Option<RiskPolicy>,
    passwords: PasswordRules,
    breach_checks: BreachChecks,
    whereabouts: Arc<dyn Whereabouts>,
    service: Service,
    object_ids: ObjectIds,
    /// Whoever sends letters waits for one to be written.
    letters_wait: Notify,
    /// Whoever sends webhooks waits for one to be written.
    webhooks_wait: Arc<Notify>,
    /// What the store writes along with commits.
    written_along: Arc<along::WrittenAlong>,
    /// Whether anybody sends letters; where nobody does, none are written.
    sends_letters: bool,
    /// For how long a device is not asked for a second factor on which one was shown.
    remember_for: Option<Duration>,
    passkeys: Option<crate::passkeys::Passkeys>,
}

/// Who issues access tokens, and for whom.
#[derive(Clone, Debug)]
struct Issuer {
    issuer: String,
    audience: String,
}

/// Bounds that hold for every profile.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many live sessions an account may have; the longest unused give way to a new one. An account that is known
    /// by another system's key may have brought more: there, one gives way at a time.
    pub sessions_per_account: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { sessions_per_account: 100 }
    }
}

/// A caller whose access token has verified and whose session is live.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// The session, and through it the account.
    pub key: SessionKey,
    /// The session's row and the account's state.
    pub state: SessionState,
}

impl Caller {
    /// Whether they showed who they are at most this long ago.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp, fresh_for: Duration) -> bool {
        now.millis_since(self.state.session.authenticated_at) <= millis(fresh_for)
    }
}

impl Engine {
    /// Begins to put an engine together over a store.
    pub fn builder(store: Arc<dyn Store>) -> EngineBuilder {
        EngineBuilder::new(store)
    }

    /// Opens a session for somebody who has shown who they are: the one way in.
    ///
    /// Where the account has moved on since, what they showed is looked at again: being disabled and enabled again makes no
    /// password wrong.
    ///
    /// # Errors
    /// [`Refusal::AccountDisabled`] if the account has been disabled since; [`Refusal::CredentialsInvalid`] if its password
    /// is another one by now, or it is gone; [`Refusal::EmailUnconfirmed`] where the address must be confirmed first;
    /// [`Refusal::RiskRefused`] if the log-in is too unlike those before it, [`Refusal::LoginRefused`] if a
    /// [hook](crate::hooks) says no; [`Refusal::SecondFactorRequired`] if the account has a second factor and none was shown,
    /// [`Refusal::EnrolmentRequired`] if it must have one and has none: [`log_in`](Self::log_in) goes on from there; a [`Fault`].
    pub async fn open_session(
        &self,
        client: &ClientPolicy,
        somebody: Authenticated,
        request: OpenRequest<'_>,
        requester: &Requester,
    ) -> Result<TokenPair, Error> {
        self.opened(client, somebody, request, requester).await
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
        // Whoever verifies by a shared secret can also write another `client_id`: the row says whose session it is.
        if state.session.profile != client.profile {
            return Err(Refusal::TokenInvalid.into());
        }
        match crate::ratchet::access(&state, now) {
            Some(denial) => Err(Refusal::from(denial).into()),
            None => Ok(Caller { key, state }),
        }
    }

    /// Logs out with a refresh token, spent or not; a token that is none of ours changes nothing and is no error
    /// (RFC 7009 section 2.2).
    ///
    /// # Errors
    /// A [`Fault`] if the end could not be committed: then the client must not be told that it was.
    pub async fn log_out(
        &self,
        client: &ClientPolicy,
        request: LogOutRequest<'_>,
        requester: &Requester,
    ) -> Result<(), Fault> {
        let Some(leaving) = self.leaving(client, request, requester).await? else { return Ok(()) };
        let is_news = matches!(leaving.ending.cause, EndCause::Reuse | EndCause::Lockstep);
        let news = match is_news {
            true => self.news_of(leaving.key.account, requester, leaving.ending.at).await?,
            false => Vec::new(),
        };
        self.store.commit(commits::end_and_tell(leaving.key, leaving.ending, news)).await.map(drop)
    }

    /// The store behind it.
    pub fn store(&self) -> &Arc<dyn Store> {
        self.store.uncounted()
    }

    /// What is counted by the day on this node.
    pub fn counts(&self) -> &Counts {
        &self.store.counts
    }

    /// What all nodes counted from one day to another, as far as they have written it.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn report(&self, since: Day, until: Day, by: By) -> Result<Report, Fault> {
        crate::counts::report(self.store.as_ref(), (since, until), by, self.now()).await
    }

    /// The present moment, by the engine's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The key ring in force.
    pub fn keys(&self) -> Arc<KeyRing> {
        self.keys.load_full()
    }

    /// `N` bytes that nobody can foresee.
    pub fn random<const N: usize>(&self) -> [u8; N] {
        crate::random::bytes(self.random.as_ref())
    }

    /// Seals where the next slice of a listing begins ([`KeyRing::seal_cursor`]).
    pub fn seal_cursor(&self, bound_to: &[&[u8]], position: &[u8]) -> String {
        self.keys.load().seal_cursor(self.now(), self.random.as_ref(), bound_to, position)
    }

    /// Opens what [`seal_cursor`](Self::seal_cursor) sealed for the same listing; `None` for any other text.
    pub fn open_cursor(&self, bound_to: &[&[u8]], text: &str) -> Option<Vec<u8>> {
        self.keys.load().open_cursor(self.now(), bound_to, text)
    }

    /// A challenge whose solution buys one try out of a network's budget: so many zeros are to be found.
    pub fn challenge(&self, zeros: u8) -> Challenge {
        Challenge::new(zeros, &self.keys.load(), self.random.as_ref(), self.now())
    }

    /// What a client sent as the solution of a challenge, if it is one of ours, in time and right.
    pub fn solved(&self, text: &str) -> Option<Solved> {
        Solved::read(text, &self.keys.load(), self.now())
    }

    /// What is counted of its work, for whoever shows numbers.
    #[must_use]
    pub fn observed(&self) -> EngineObserved {
        let progress = self.store.progress();
        EngineObserved {
            store: self.store.observed(),
            hashing: self.hasher.observed(),
            login_failures: self.failures.counted.observed().to_vec(),
            breach_checks: self.breach_checks_observed(),
            budgets: self.gate.observed(),
            mark: self.service.observed(self.now()),
            clock_off_by: self.clock.doubt().map_or(0, |doubt| doubt.off_by),
            store_went_back: progress.is_some_and(|progress| progress.borrow().went_back_at.is_some()),
        }
    }

    /// The ways to show who one is.
    pub fn authn(&self) -> Authn<'_> {
        Authn {
            store: &self.store,
            clock: self.clock.as_ref(),
            random: self.random.as_ref(),
            hasher: &self.hasher,
            failures: &self.failures,
            keys: &self.keys,
            gate: &self.gate,
        }
    }

    /// Accounts: make, find, change the password, disable, enable.
    pub fn accounts(&self) -> Accounts<'_> {
        Accounts(self)
    }

    /// Sessions: list, end, explain.
    pub fn sessions(&self) -> Sessions<'_> {
        Sessions(self)
    }

    /// Tokens: read them without letting anybody in.
    pub fn tokens(&self) -> Tokens<'_> {
        Tokens(self)
    }

    /// What a running server does by itself: sweep, add checkpoints, change keys.
    pub fn upkeep(&self) -> Upkeep<'_> {
        Upkeep(self)
    }

    /// Accounts and live sessions of another system.
    pub fn imports(&self) -> Imports<'_> {
        Imports(self, SlowHashes::default(), SameNames::default())
    }

    /// How much each budget holds.
    pub fn rates(&self) -> &Rates {
        self.gate.rates()
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
