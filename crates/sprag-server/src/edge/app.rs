//! What every request shares.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sprag::Engine;
use sprag::engine::ClientPolicy;
use sprag::hooks::Hooks;

use super::large_answers::LargeAnswers;
use super::metrics_readers::MetricsReaders;
use super::proxies::Proxies;
use super::refresh_limits::RefreshLimits;
use super::trace_context::RequestIds;
use crate::metrics::Metrics;
use crate::name_lists::NameLists;
use crate::places::Places;
use crate::profile::Profile;
use crate::words::{Brand, Words};

/// How long a request may take once its body is there: whatever hangs behind the engine, the store or the queue of
/// the hashing threads, it is answered 503 then, within three seconds in all where the store is near.
const DEADLINE: Duration = Duration::from_millis(2900);

/// For how long a log-in is fresh, where nothing else is said.
const FRESH_FOR: Duration = Duration::from_secs(600);

/// How long an account stays whose owner wants it deleted, where nothing else is said.
const DELETION_GRACE: Duration = Duration::from_secs(14 * 24 * 3600);

/// What sets other origins than before.
type OriginsToBe = Box<dyn Fn(&str) -> String + Send + Sync>;

/// What every request shares.
pub struct App {
    /// Decides.
    pub engine: Arc<Engine>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// The origin of the public address, with which `Origin` headers are compared.
    pub origin: String,
    /// The origins of other sites whose pages may call from a browser.
    pub other_origins: Vec<String>,
    /// What makes them others, as whoever set them would write it.
    pub(crate) origins_to_be: OriginsToBe,
    /// Who is believed about where a request comes from.
    pub proxies: Proxies,
    /// For how long after a log-in or step-up a call is taken that wants a fresh one.
    pub fresh_for: Duration,
    /// How long an account stays whose owner wants it deleted.
    pub deletion_grace: Duration,
    /// What is known of where requests come from.
    pub places: Arc<Places>,
    /// What the server's own pages say; `None` where no letters lead to them.
    pub(crate) words: Option<Arc<Words>>,
    /// What stands before the names of those pages: empty, or as `/account`.
    pub(crate) pages_prefix: String,
    /// What people call the service, as an app for codes shows it.
    pub service: String,
    /// Names that nobody registers.
    pub name_lists: NameLists,
    /// How often sessions and networks may refresh; `None` where that is not limited.
    pub refresh_limits: Option<Arc<RefreshLimits>>,
    /// How many zeros a challenge asks for whose solution buys a try out of a network's budget; `None` where there are none.
    pub proof_of_work: Option<u8>,
    /// What each profile has other systems asked, by its name.
    pub(crate) hooks: BTreeMap<String, Hooks>,
    /// Who may read `/metrics`.
    pub metrics_readers: MetricsReaders,
    /// Whether accounts know the devices that they have logged in from.
    pub knows_devices: bool,
    /// How long a request may take once its body is there, where the store is near; see [`App::patience`].
    pub deadline: Duration,
    /// Off while the server shuts down, so that a load balancer sends no more requests.
    pub is_ready: AtomicBool,
    /// Who may make an answer that may be large.
    pub(crate) large_answers: LargeAnswers,
    /// What requests are called that come without a name.
    pub(crate) request_ids: RequestIds,
}

impl App {
    /// What requests share, ready to serve.
    pub fn new(engine: Arc<Engine>, metrics: Arc<Metrics>, origin: String) -> Self {
        let (other_origins, proxies, knows_devices) = (Vec::new(), Proxies::default(), true);
        let is_ready = AtomicBool::new(true);
        let (places, large_answers) = (Arc::default(), LargeAnswers::default());
        metrics.watch(&engine);
        let (metrics_readers, deadline, fresh_for) = (MetricsReaders::default(), DEADLINE, FRESH_FOR);
        let service = origin.split("://").last().unwrap_or_default().to_owned();
        Self {
            engine,
            metrics,
            origin,
            service,
            other_origins,
            origins_to_be: Box::new(|origins| format!("SPRAG_CORS_ORIGINS={origins}")),
            proxies,
            fresh_for,
            deletion_grace: DELETION_GRACE,
            places,
            words: None,
            pages_prefix: String::new(),
            name_lists: NameLists::default(),
            refresh_limits: None,
            proof_of_work: None,
            hooks: BTreeMap::new(),
            knows_devices,
            metrics_readers,
            deadline,
            is_ready,
            large_answers,
            request_ids: RequestIds::default(),
        }
    }

    /// Takes a log-in or step-up as fresh for that long.
    #[must_use]
    pub fn fresh_for(self, fresh_for: Duration) -> Self {
        Self { fresh_for, ..self }
    }

    /// Is called so by apps for codes.
    #[must_use]
    pub fn called(self, service: &str) -> Self {
        Self { service: service.to_owned(), ..self }
    }

    /// Lets nobody register these names, in place of those that this build lists.
    #[must_use]
    pub fn reserving(self, name_lists: NameLists) -> Self {
        Self { name_lists, ..self }
    }

    /// Erases accounts so long after their owners wanted that.
    #[must_use]
    pub fn deleting_after(self, deletion_grace: Duration) -> Self {
        Self { deletion_grace, ..self }
    }

    /// Shows the pages that the links of letters lead to.
    #[must_use]
    pub(crate) fn saying(self, words: Option<Arc<Words>>) -> Self {
        Self { words, ..self }
    }

    /// Shows the server's own pages, to which the links of letters lead, in the words that this build brings; `service` is what
    /// they call the service. Whoever has it write letters ([`sends_letters`](sprag::engine::EngineBuilder::sends_letters)) also
    /// [sends](sprag::Engine::outbox) them.
    #[must_use]
    pub fn showing_pages(self, service: &str) -> Self {
        self.saying(Words::load(None, Brand::named(service)).ok().map(Arc::new))
    }

    /// Has those pages below a prefix, as `/account`.
    #[must_use]
    pub fn pages_below(self, pages_prefix: &str) -> Self {
        Self { pages_prefix: pages_prefix.to_owned(), ..self }
    }

    /// Has the profile of that name ask these before something is decided.
    #[must_use]
    pub fn asking(mut self, profile: &str, hooks: Hooks) -> Self {
        self.hooks.insert(profile.to_owned(), hooks);
        self
    }

    /// What a profile asks of the engine, with whom it has asked before something is decided. Everything that logs somebody in or
    /// registers them takes it from here, so that no way in goes past a hook.
    pub(crate) fn policy_of(&self, profile: &Profile) -> ClientPolicy {
        let hooks = self.hooks.get(&profile.name).cloned().unwrap_or_default();
        ClientPolicy { hooks, ..profile.client_policy() }
    }

    /// Lets these read `/metrics`, beside this machine itself.
    #[must_use]
    pub fn measured_by(self, metrics_readers: MetricsReaders) -> Self {
        Self { metrics_readers, ..self }
    }

    /// Lets pages of other sites call from a browser, with cookies too.
    #[must_use]
    pub fn called_from(self, other_origins: Vec<String>) -> Self {
        Self { other_origins, ..self }
    }

    /// Tells whoever is to name one more of these sites what to write.
    #[must_use]
    pub(crate) fn called_as_set(self, origins_to_be: OriginsToBe) -> Self {
        Self { origins_to_be, ..self }
    }

    /// Believes these about where a request comes from.
    #[must_use]
    pub fn behind(self, proxies: Proxies) -> Self {
        Self { proxies, ..self }
    }

    /// Knows the places of addresses by these.
    #[must_use]
    pub fn knowing(self, places: Arc<Places>) -> Self {
        Self { places, ..self }
    }

    /// Hands out challenges that ask for so many zeros.
    #[must_use]
    pub fn handing_out_challenges(self, proof_of_work: Option<u8>) -> Self {
        Self { proof_of_work, ..self }
    }

    /// Limits how often sessions and networks may refresh.
    #[must_use]
    pub fn limiting_refreshes(self, refresh_limits: Option<Arc<RefreshLimits>>) -> Self {
        Self { refresh_limits, ..self }
    }

    /// Has accounts know the devices that they have logged in from, or not; they do unless somebody says otherwise.
    #[must_use]
    pub fn knowing_devices(self, knows_devices: bool) -> Self {
        Self { knows_devices, ..self }
    }

    /// How long a request may take once its body is there: longer where the store is far away.
    pub fn patience(&self) -> Duration {
        self.deadline + self.engine.store().detour()
    }

    /// Makes `/readyz` say "not ready" from now on.
    pub fn begin_shutdown(&self) {
        self.is_ready.store(false, Ordering::Relaxed);
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("origin", &self.origin).finish_non_exhaustive()
    }
}
