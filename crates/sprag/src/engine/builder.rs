//! Putting an engine together.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;

use tokio::sync::Notify;

use super::along::WrittenAlong;
use super::next_id::ObjectIds;
use super::service::Service;
use super::{Engine, Issuer, Limits, PasswordRules};
use crate::authn::Failures;
use crate::clock::Clock;
use crate::counts::{CountedStore, Counts};
use crate::error::Fault;
use crate::keys::KeyRing;
use crate::limits::{Gate, Rates};
use crate::observe::BreachChecks;
use crate::password::Hasher;
use crate::place::Whereabouts;
use crate::random::{self, DrawnAhead, Random, SystemRandom};
use crate::risk::RiskPolicy;
use crate::store::Store;
use crate::webhook::Endpoint;

/// For how long a device is not asked for a second factor again.
const REMEMBER_FOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// Puts an [`Engine`] together: a store, keys and an issuer are needed, and the rest has a default.
#[must_use = "build() makes the engine"]
pub struct EngineBuilder {
    store: Arc<dyn Store>,
    keys: Option<KeyRing>,
    issuer: Option<String>,
    audience: Option<String>,
    clock: Option<Arc<dyn Clock>>,
    random: Option<Arc<dyn Random>>,
    hasher: Option<Hasher>,
    limits: Limits,
    risk: Option<RiskPolicy>,
    passwords: PasswordRules,
    whereabouts: Arc<dyn Whereabouts>,
    rates: Rates,
    sends_letters: bool,
    remember_for: Option<Duration>,
    passkeys: Option<crate::passkeys::Passkeys>,
    endpoints: Vec<Endpoint>,
}

impl EngineBuilder {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        let (keys, issuer, audience, clock, random, hasher) = (None, None, None, None, None, None);
        Self {
            store,
            keys,
            issuer,
            audience,
            clock,
            random,
            hasher,
            limits: Limits::default(),
            rates: Rates::default(),
            sends_letters: false,
            remember_for: Some(REMEMBER_FOR),
            passkeys: None,
            endpoints: Vec::new(),
            risk: None,
            passwords: PasswordRules::default(),
            whereabouts: Arc::new(()),
        }
    }

    /// The keys that sign and verify all tokens. Every node on one store needs the same ring, and a ring that is lost logs
    /// everybody out, so there is no default.
    pub fn keys(mut self, keys: KeyRing) -> Self {
        self.keys = Some(keys);
        self
    }

    /// The `iss` claim of access tokens: this server's public address.
    pub fn issuer(mut self, url: impl Into<String>) -> Self {
        self.issuer = Some(url.into());
        self
    }

    /// The `aud` claim: the API that accepts the access tokens. The issuer, where none is named.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Another clock than the store's, which every node on one store goes by: one that a test winds.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Another source of randomness than the operating system's, for tests that must come out alike.
    pub fn random(mut self, random: Arc<dyn Random>) -> Self {
        self.random = Some(random);
        self
    }

    /// Threads that hash passwords, other than [`Hasher::start_default`] gives.
    pub fn hasher(mut self, hasher: Hasher) -> Self {
        self.hasher = Some(hasher);
        self
    }

    /// Bounds that hold for every profile.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Has log-ins weighed that are unlike those before them. Without a policy none is, and log-ins look at nothing more.
    pub fn risk(mut self, policy: RiskPolicy) -> Self {
        self.risk = Some(policy);
        self
    }

    /// What new passwords are held to, where their profile does not say more.
    pub fn passwords(mut self, rules: PasswordRules) -> Self {
        self.passwords = rules;
        self
    }

    /// What is known of addresses and clients, for those that are weighed.
    pub fn whereabouts(mut self, whereabouts: Arc<dyn Whereabouts>) -> Self {
        self.whereabouts = whereabouts;
        self
    }

    /// Whether letters are written, for somebody [sends](Engine::outbox) them. By default none are.
    pub fn sends_letters(mut self, sends_letters: bool) -> Self {
        self.sends_letters = sends_letters;
        self
    }

    /// For how long a device on which a second factor was shown is not asked for another one, where its owner wishes so; 30 days by
    /// default, and not at all where nothing is said.
    pub fn remembers_devices_for(mut self, span: Option<Duration>) -> Self {
        self.remember_for = span;
        self
    }

    /// Which other systems are told of which events, for somebody [sends](Engine::webhooks) that. By default none.
    pub fn webhooks(mut self, endpoints: Vec<Endpoint>) -> Self {
        self.endpoints = endpoints;
        self
    }

    /// Where passkeys are used; by default nowhere.
    pub fn passkeys(mut self, passkeys: Option<crate::passkeys::Passkeys>) -> Self {
        self.passkeys = passkeys;
        self
    }

    /// How often somebody may try; by default [as often as is usual](Rates::default). An embedder whose own front door limits
    /// that already gives [`Rates::off`].
    pub fn rates(mut self, rates: Rates) -> Self {
        self.rates = rates;
        self
    }

    /// The engine.
    ///
    /// # Errors
    /// An internal [`Fault`] if no keys or no issuer were given; another if the system gives no thread to hash passwords.
    pub fn build(self) -> Result<Engine, Fault> {
        const DOING: &str = "build an engine";
        let missing = |what: &'static str| Fault::internal(DOING, what);
        let keys = self.keys.ok_or_else(|| missing("it has no keys; give it a key ring with keys(..)"))?;
        let issuer =
            self.issuer.ok_or_else(|| missing("it has no issuer; give its public address to issuer(..)"))?;
        let hasher = match self.hasher {
            Some(hasher) => hasher,
            None => Hasher::start_default()?,
        };
        let clock = self.clock.unwrap_or_else(|| self.store.clock());
        let random = self.random.unwrap_or_else(|| Arc::new(SystemRandom::default()));
        // Not from the randomness that tests hand in: two engines that begin alike are two runs.
        let counts = Counts::new(random::id(&SystemRandom::default(), clock.now()), Arc::clone(&clock));
        let (keys, webhooks_wait) = (Arc::new(ArcSwap::from_pointee(keys)), Arc::new(Notify::new()));
        let written_along = Arc::new(WrittenAlong {
            keys: Arc::clone(&keys),
            random: Arc::clone(&random),
            clock: Arc::clone(&clock),
            endpoints: self.endpoints.into(),
            webhooks_wait: Arc::clone(&webhooks_wait),
        });
        self.store.writes_along(Arc::clone(&written_along) as _);
        Ok(Engine {
            store: CountedStore::new(self.store, counts),
            clock,
            random,
            token_ids: DrawnAhead::default(),
            keys,
            hasher,
            failures: Failures::default(),
            gate: Gate::new(self.rates),
            issuer: Issuer { audience: self.audience.unwrap_or_else(|| issuer.clone()), issuer },
            limits: self.limits,
            risk: self.risk,
            passwords: self.passwords,
            breach_checks: BreachChecks::default(),
            whereabouts: self.whereabouts,
            service: Service::default(),
            object_ids: ObjectIds::default(),
            letters_wait: Notify::new(),
            webhooks_wait,
            written_along,
            sends_letters: self.sends_letters,
            remember_for: self.remember_for,
            passkeys: self.passkeys,
        })
    }
}

impl std::fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EngineBuilder").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
