//! The wiring: from a configuration to an engine, its profiles and its store.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use axum::Router;
use sprag::clock::Timestamp;
use sprag::engine::{Limits, PasswordRules};
use sprag::files::{self, FileFault};
use sprag::keys::KeyRing;
use sprag::password::Hasher;
use sprag::policy::PasswordLength;
use sprag::random::SystemRandom;
use sprag::store::{Slice, Store};
use sprag::{Engine, Fault};

use crate::breaches;
use crate::config::{self, Config, Database, ProfileRef, Sources, Webhook};
use crate::edge::refresh_limits::RefreshLimits;
use crate::edge::serve::Bounds;
use crate::edge::served::Served;
use crate::hooks;
use crate::http::{self, App, Mount};
use crate::mail::{self, Links, Sender};
use crate::metrics::Metrics;
use crate::name_lists::NameLists;
use crate::outgoing::{Outgoing, Reach};
use crate::places::Places;
use crate::profile::{self, Profile};
use crate::run::high_water::HighWater;
use crate::run::ring_file::RingSource;
use crate::run::{brand, database, numbering, open_files, overrides};
use crate::webhooks;
use crate::words::Words;

/// The most that is read of a profile before it is said to be none.
const MAX_PROFILE_KIB: u64 = 1024;

/// One server, or one command beside it: everything it needs to work on a store.
#[derive(Debug)]
pub struct Node {
    /// What is in force.
    pub config: Config,
    /// The profiles it serves.
    pub profiles: Vec<Profile>,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// What decides.
    pub engine: Arc<Engine>,
    /// What is known of where requests come from.
    pub places: Arc<Places>,
    /// How often sessions and networks may refresh here; `None` where that is not limited.
    pub refresh_limits: Option<Arc<RefreshLimits>>,
    /// What letters and pages say; `None` where letters are off.
    pub(crate) words: Option<Arc<Words>>,
    /// Names that nobody registers.
    pub name_lists: NameLists,
    /// What asks and tells other systems; `None` where there is nothing to sign with.
    pub(crate) outgoing: Option<Outgoing>,
    /// Where its keys come from.
    pub ring: RingSource,
    /// Whether they were made at this start, as there were none.
    pub has_new_ring: bool,
    /// Where it keeps what it last saw of the store; `None` where it cannot.
    pub high_water: Option<HighWater>,
    /// How far the store had come when it was opened.
    pub opened_at: u64,
}

/// Who opens the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Who {
    /// It signs with the keys, and has them be what its settings say.
    Server,
    /// It only needs them.
    Command,
}

impl Node {
    /// Opens store and keys for a server, making and migrating them where needed.
    ///
    /// # Errors
    /// What is wrong, where, and what to do about it.
    pub async fn make(config: Config, profiles: Vec<Profile>) -> anyhow::Result<Self> {
        Self::prepare(config, profiles, Who::Server).await
    }

    /// Opens store and keys for a command that may come before the server: it makes what is missing, and changes no key that
    /// is there.
    ///
    /// # Errors
    /// What is wrong, where, and what to do about it.
    pub async fn make_beside(config: Config, profiles: Vec<Profile>) -> anyhow::Result<Self> {
        Self::prepare(config, profiles, Who::Command).await
    }

    async fn prepare(config: Config, profiles: Vec<Profile>, who: Who) -> anyhow::Result<Self> {
        let places = places(&config, who)?;
        let ring = RingSource::of(&config);
        // What can be wrong with a ring that is there is said before anything is made.
        let has_new_ring = ring.is_missing();
        if !has_new_ring {
            ring.read(&config)?;
        }
        database::migrate(&config).await?;
        let store = database::open(&config).await?;
        let high_water = HighWater::of(&config);
        let known = high_water.look(store.as_ref()).await?;
        if has_new_ring {
            expect_nobody(&ring, &config, store.as_ref()).await?;
        }
        let (random, now) = (SystemRandom::default(), store.clock().now());
        let mut keys = ring.load(&config, &random, now)?;
        numbering::settle(&config, &profiles, store.as_ref()).await?;
        expect_kinship(&ring, &keys, &config, store.as_ref()).await?;
        match who {
            Who::Server => keys = ring.settle_algorithm(keys, &config, &random, now)?,
            Who::Command => ring.tell_difference(&keys, &config, now),
        }
        if has_new_ring && who == Who::Command {
            tell_new_ring(&ring, &keys, now);
        }
        let is_kept = high_water.begin(&config, &keys, store.as_ref(), known).await?;
        if let (true, RingSource::File(path), Database::Postgres(_)) =
            (has_new_ring, &ring, &config.store.database)
        {
            tracing::warn!(
                file = %path.display(),
                "made a key ring; every further node on this database needs this same ring: copy the file into its data \
                 directory, mode 0600, or set SPRAG_KEY_RING there to its text"
            );
        }
        let node = Self::join(config, profiles, keys, store, (has_new_ring, places))?;
        Ok(Self { high_water: is_kept.then_some(high_water), ..node })
    }

    /// Opens store and keys for a command beside the server: what it finds stays as it is.
    ///
    /// # Errors
    /// What is wrong, where, and what to do about it.
    pub async fn open(config: Config, profiles: Vec<Profile>) -> anyhow::Result<Self> {
        let ring = RingSource::of(&config);
        let keys = ring.read(&config)?;
        let store = database::open(&config).await?;
        ring.tell_difference(&keys, &config, store.clock().now());
        let places = places(&config, Who::Command)?;
        Self::join(config, profiles, keys, store, (false, places))
    }

    fn join(
        config: Config,
        profiles: Vec<Profile>,
        keys: KeyRing,
        store: Arc<dyn Store>,
        (has_new_ring, places): (bool, Places),
    ) -> anyhow::Result<Self> {
        let ring = RingSource::of(&config);
        // A command makes no folder for it.
        let high_water = config.store.data_dir.is_dir().then(|| HighWater::of(&config));
        let opened_at = store.progress().map_or(0, |progress| progress.borrow().position);
        let hasher = Hasher::start(config.passwords.hash_threads.get(), config.passwords.hash_queue.get())?;
        let hasher = hasher.with_secrets(config.imported.secrets());
        let limits = Limits { sessions_per_account: config.sessions.per_account.get() };
        let places = Arc::new(places);
        let mail = &config.mail;
        let words = match mail.is_on() {
            true => Some(Arc::new(Words::load(mail.words.as_deref(), brand::of(&config)?)?)),
            false => None,
        };
        let accounts = &config.accounts;
        let name_lists = NameLists::load(&accounts.reserved_names, &accounts.disposable_domains)?;
        let (reach, clock) = (Reach::new(&config.webhooks.networks)?, store.clock());
        let engine = Engine::builder(store)
            .keys(keys)
            .hasher(hasher)
            .limits(limits)
            .rates(config.limits.rates.clone())
            .sends_letters(words.is_some())
            .webhooks(config.webhooks.told.iter().map(Webhook::endpoint).collect());
        let length = profiles.iter().map(|profile| profile.client.password).reduce(PasswordLength::longest);
        let rules = PasswordRules {
            length: length.unwrap_or_default(),
            breaches: breaches::open(&config.passwords.breaches, &reach, &clock)?,
        };
        let engine = engine.passwords(rules);
        let engine = engine.risk(config.risk.policy.clone()).whereabouts(Arc::clone(&places) as _);
        let engine = engine.issuer(config.issuer()).audience(config.tokens.audience.clone()).build()?;
        let webhooks = &config.webhooks;
        let outgoing = webhooks.secrets.clone().map(|secrets| Outgoing::new(secrets, reach));
        let (metrics, engine) = (Arc::default(), Arc::new(engine));
        let refresh_limits = config.refresh_rates.map(|rates| Arc::new(RefreshLimits::new(rates)));
        Ok(Self {
            config,
            profiles,
            metrics,
            engine,
            places,
            refresh_limits,
            words,
            name_lists,
            outgoing,
            ring,
            has_new_ring,
            high_water,
            opened_at,
        })
    }

    /// Where it serves, as other nodes on its store tell it from themselves: whoever starts there takes its place. One file
    /// is served by one.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.config.store.database {
            Database::Sqlite(_) => String::new(),
            Database::Postgres(_) => {
                let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
                format!("{} {}", host.trim(), self.config.listen.address)
            }
        }
    }

    /// Sees to it that the numbers of new accounts are above every number that came from a source system.
    ///
    /// # Errors
    /// They are not, or the store fails.
    pub async fn settle_numbers(&self) -> anyhow::Result<()> {
        numbering::settle(&self.config, &self.profiles, self.engine.store().as_ref()).await
    }

    /// What sends the letters that wait; `None` where letters are off.
    ///
    /// # Errors
    /// The folder for them cannot be made, or TLS cannot be set up.
    pub(crate) fn sender(&self) -> anyhow::Result<Option<Sender>> {
        let (Some(words), Some(mailer)) = (&self.words, mail::mailer(&self.config.mail)?) else {
            return Ok(None);
        };
        let links = Links::new(self.config.listen.public_url.clone(), self.config.links.0.clone())
            .below(&self.config.pages.prefix);
        let sender = Sender::new(Arc::clone(&self.engine), mailer, Arc::clone(words), links);
        Ok(Some(sender.counted_in(Arc::clone(&self.metrics))))
    }

    /// What tells other systems of events; `None` where none wants to hear.
    pub(crate) fn webhook_sender(&self) -> Option<webhooks::Sender> {
        let told = &self.config.webhooks.told;
        let outgoing = self.outgoing.clone().filter(|_| !told.is_empty())?;
        let (engine, metrics) = (Arc::clone(&self.engine), Arc::clone(&self.metrics));
        Some(webhooks::Sender::new(engine, metrics, outgoing, told.clone()))
    }

    /// What requests share.
    #[must_use]
    pub fn app(&self) -> Arc<App> {
        let (engine, metrics) = (Arc::clone(&self.engine), Arc::clone(&self.metrics));
        let app = App::new(engine, metrics, self.config.issuer().to_owned());
        let app = app.called_from(self.config.browsers.cors_origins.clone());
        let app = app.fresh_for(self.config.sessions.fresh_for);
        let app = app.deleting_after(self.config.accounts.deletion_grace);
        let app = app.limiting_refreshes(self.refresh_limits.clone());
        let app = app.handing_out_challenges(self.config.proof_of_work);
        let app = app.measured_by(self.config.monitoring.metrics_readers.clone());
        let app = app.knowing(Arc::clone(&self.places));
        let app = app.saying(self.words.clone()).pages_below(&self.config.pages.prefix);
        let app = app.reserving(self.name_lists.clone());
        let app = self.profiles.iter().fold(app, |app, profile| match &self.outgoing {
            Some(outgoing) if profile.hooks.are_any() => {
                let clock = self.engine.store().clock();
                app.asking(&profile.name, hooks::of_profile(profile, outgoing, &clock))
            }
            _ => app,
        });
        let config = self.config.clone();
        let app = app.called_as_set(Box::new(move |origins| config.to_be("cors-origins", origins)));
        let app = app.knowing_devices(self.config.limits.knows_devices);
        Arc::new(app.behind(self.config.trusted_proxies.clone()))
    }

    /// What its listener is bounded by, as far as this machine's limit of open files leaves room for it.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        let listen = &self.config.listen;
        let connections = open_files::room().min(listen.max_connections.get());
        let share = listen.max_connections_per_network.get().min(connections);
        let is_default = self.config.is_default("max-connections-per-network");
        Bounds {
            connections,
            connections_per_network: if is_default {
                share.min(config::share_of(connections))
            } else {
                share
            },
            proxies: self.config.trusted_proxies.clone(),
            keep_alive: listen.keep_alive,
            grace: listen.shutdown_grace,
            ..Bounds::default()
        }
    }

    /// The service as part of an application: to be merged into its router, or nested, as `mount` says.
    pub fn mounted(&self, app: &Arc<App>, mount: &Mount) -> Router {
        http::mounted(app, self.profiles.clone(), self.config.issuer(), mount)
    }

    /// The whole service, for a listener of its own; without what only administrators ask for, where they have another one.
    pub fn router(&self, app: &Arc<App>) -> Router {
        http::whole(app, self.profiles.clone(), self.config.issuer(), &self.public())
    }

    /// As [`router`](Self::router), for [`serve`](crate::edge::serve::serve): what is asked for most is answered without a
    /// router's search for it.
    pub fn served(&self, app: &Arc<App>) -> Served {
        http::served(app, self.profiles.clone(), self.config.issuer(), &self.public())
    }

    fn public(&self) -> Mount {
        match self.config.listen.admin_address {
            Some(_) => Mount::merged().without_administration(),
            None => Mount::merged(),
        }
    }

    /// The whole service, for the administrators' listener.
    pub fn administrators_router(&self, app: &Arc<App>) -> Router {
        let mount = Mount::merged().for_administrators();
        http::whole(app, self.profiles.clone(), self.config.issuer(), &mount)
    }
}

/// What the operator's files say of addresses. A server must have them; a command shows what it can.
fn places(config: &Config, who: Who) -> anyhow::Result<Places> {
    let geo = config.places.geo_database.as_deref();
    if who == Who::Command {
        return Ok(Places::read_or_tell(geo));
    }
    if config.risk.policy.second_factor.is_some() {
        bail!(
            "{} is set, and there is no kind of second factor yet that anybody could show; leave it off, or set \
             SPRAG_RISK_REFUSE to refuse such log-ins",
            config.origin("risk-second-factor").subject("risk-second-factor")
        );
    }
    Places::read(geo, config.risk.addresses.as_deref())
}

/// The server that comes next begins with this ring, whatever its own settings say.
fn tell_new_ring(ring: &RingSource, keys: &KeyRing, now: Timestamp) {
    let is_roots = |path: &Path| fs::metadata(path).is_ok_and(|about| about.uid() == 0);
    let owner = match ring.file() {
        Some(path) if is_roots(path) => format!(
            "; it is root's, as the folder is: where another user runs the server, run: chown -R USER: {}",
            files::folder_of(path).display()
        ),
        _ => String::new(),
    };
    tracing::info!(
        "there was no key ring {ring}, so this command made one, which signs with {}; a server that is set to another algorithm \
         signs with that five minutes after its start{owner}",
        keys.algorithm(now)
    );
}

/// A new ring beside accounts that have tokens of an old one, or beside a node that has just made one, would refuse
/// every one of them.
async fn expect_nobody(ring: &RingSource, config: &Config, store: &dyn Store) -> anyhow::Result<()> {
    let RingSource::File(ring) = ring else { return Ok(()) };
    let look = async {
        Ok::<_, Fault>((
            store.accounts(Slice::first(1)).await?,
            store.admit(Vec::new(), store.clock().now()).await?,
        ))
    };
    let (somebody, is_ringless) = look
        .await
        .with_context(|| format!("could not look into the database {}", database::shown(config)))?;
    if somebody.is_empty() && is_ringless {
        return Ok(());
    }
    let (database, ring) = (database::shown(config), ring.display());
    match &config.store.database {
        Database::Sqlite(_) => bail!(
            "there is a database at {database} but no key ring at {ring}; restore the ring from its backup, or move the \
             database away to begin with neither"
        ),
        Database::Postgres(_) => bail!(
            "{database} has been used with a key ring but there is none at {ring}, and a new one would refuse everybody; \
             copy keys.json from the data directory of a node that serves this database, mode 0600, or set \
             SPRAG_KEY_RING to its text"
        ),
    }
}

/// A ring that shares no key with the one that the tokens were made with would refuse every one of them.
async fn expect_kinship(
    source: &RingSource,
    ring: &KeyRing,
    config: &Config,
    store: &dyn Store,
) -> anyhow::Result<()> {
    let is_admitted = store.admit(ring.fingerprints(), store.clock().now()).await;
    let database = database::shown(config);
    if is_admitted.with_context(|| format!("could not compare the key ring with the database {database}"))? {
        return Ok(());
    }
    bail!(
        "the key ring {source} shares no key with the one that the tokens of {database} were made with, so everybody \
         would be refused; use that one: copy keys.json from a node that serves this database or from its backup, mode \
         0600, or set SPRAG_KEY_RING to its text. If it is lost for good, `sprag key replace` takes this one in its place, \
         and everybody must log in again"
    )
}

/// The configuration and the profiles it names. The profiles come first, since they may bring names for settings.
///
/// # Errors
/// A setting or a profile is wrong; the message says which, where it came from, and what to do.
pub fn resolve(sources: &Sources) -> anyhow::Result<(Config, Vec<Profile>)> {
    let mut config = sources.resolve(&names_of_profiles(sources)?)?;
    let profiles = load_profiles(&config.profiles, Some(&config))?;
    config.add_old_names(profiles.iter().flat_map(|profile| profile.old_keys.iter().cloned()));
    Ok((config, profiles))
}

/// The names that the profiles which are served bring for settings.
///
/// # Errors
/// A profile cannot be read or is wrong.
pub(crate) fn names_of_profiles(sources: &Sources) -> anyhow::Result<Vec<(String, String)>> {
    let profiles = load_profiles(&sources.profiles()?, None)?;
    Ok(profiles.into_iter().flat_map(|profile| profile.environment).collect())
}

/// Loads the profiles that are named, with what was set for all of them; without a configuration, as they are.
///
/// # Errors
/// A profile cannot be read, is wrong, or two of them clash; the message names file and line.
pub fn load_profiles(names: &[ProfileRef], config: Option<&Config>) -> anyhow::Result<Vec<Profile>> {
    let mut profiles = Vec::with_capacity(names.len());
    for name in names {
        let mut profile = match name {
            ProfileRef::Shipped(name) => shipped(name)?,
            ProfileRef::File(path) => from_file(path)?,
        };
        if let Some(config) = config {
            profile.policy = config.over(&profile.name, profile.policy)?;
        }
        let secure_cookies = config.and_then(|config| config.browsers.secure_cookies);
        if let (Some(cookie), Some(is_secure)) = (&mut profile.wire.refresh.cookie, secure_cookies) {
            if !is_secure && cookie.needs_secure() {
                bail!(
                    "secure-cookies is off, and browsers keep the cookie {} of the profile {} only if it is secure; leave \
                     the setting out, or give the cookie another name",
                    cookie.name,
                    profile.name
                );
            }
            cookie.secure = is_secure;
        }
        profiles.push(profile);
    }
    if let Some(config) = config {
        overrides::apply(config, &mut profiles)?;
    }
    profile::check_together(&profiles)?;
    Ok(profiles)
}

fn shipped(name: &str) -> anyhow::Result<Profile> {
    let Some(profile) = Profile::builtin(name) else {
        let known = profile::builtin_names().collect::<Vec<_>>().join(", ");
        anyhow::bail!(
            "there is no profile {name:?}; shipped are {known}; a profile of your own is named by its path, ./profile.toml"
        );
    };
    Ok(profile?)
}

/// The text of a profile's file.
///
/// # Errors
/// It cannot be read, or there is nothing in it; the message says what to do.
pub fn profile_text(path: &Path) -> anyhow::Result<String> {
    let text = files::read_text(path, MAX_PROFILE_KIB);
    let text = text.and_then(|text| if text.trim().is_empty() { Err(FileFault::Empty) } else { Ok(text) });
    let text = text.with_context(|| format!("could not read the profile {}", path.display()))?;
    Ok(String::clone(&text))
}

fn from_file(path: &Path) -> anyhow::Result<Profile> {
    let text = profile_text(path)?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Profile::parse(&name, &path.display().to_string(), &text)?)
}
