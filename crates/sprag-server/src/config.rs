//! The configuration: flag over environment over `.env` over file over default, resolved once.
//!
//! [`settings`] is the table that everything is derived from. [`Sources`] reads what was given;
//! [`Config`] is what it comes to, typed. Nothing outside this module reads the environment.
//!
//! Whoever serves profiles resolves in two steps, because a profile may bring names of its own for settings:
//! [`Sources::from_process`], then [`Sources::profiles`], then [`Sources::resolve`] with the profiles' names.

mod dotenv;
mod error;
mod mapping;
mod reference;
mod rules;
mod secret;
pub mod settings;
mod sources;
mod value;

use std::fmt;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;
use std::time::Duration;

use serde::Serialize;
use sprag::access::Algorithm;
use sprag::policy::Retry;
use sprag::store::postgres::{Batching, Server, has_password};
use url::Url;

pub use error::ConfigError;
pub use reference::{DEFAULTS, args, flags, reference, table};
pub use rules::spell;
pub use secret::{MIN_SECRET_BYTES, Secret};
pub use sources::{Flags, Origin, Sources};

use crate::edge::proxies::Proxies;
use mapping::Mapping;
use settings::{SETTINGS, Setting};
use sources::Found;

/// Everything that can be set, as it is in force.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen. Port 0 is any free one: see [`Config::bound_to`].
    pub listen: SocketAddr,
    /// The URL clients reach this server by: an origin, with no path.
    pub public_url: Url,
    /// The folder of the database file and the key ring.
    pub data_dir: PathBuf,
    /// The database.
    pub database: Database,
    /// How many connections to PostgreSQL are opened at most, besides the lanes.
    pub database_connections: NonZeroUsize,
    /// On how many connections to PostgreSQL waiting refreshes leave.
    pub database_lanes: NonZeroUsize,
    /// How they leave.
    pub database_batch: Batching,
    /// The file of settings that was read.
    pub file: Option<PathBuf>,
    /// The profiles to serve; one at least, none twice.
    pub profiles: Vec<ProfileRef>,
    /// What was set for every profile.
    pub lifetimes: Lifetimes,
    /// How access tokens are signed.
    pub signing_algorithm: Algorithm,
    /// The HS256 secret, if one was given: never weak, and only where the algorithm is HS256. Without one the key ring
    /// has its own.
    pub hs256_secret: Option<Secret>,
    /// The key ring's JSON, if it is not in the data directory.
    pub key_ring: Option<Secret>,
    /// Whom access tokens are for.
    pub audience: String,
    /// The origins whose pages may call this server from a browser.
    pub cors_origins: Vec<String>,
    /// The proxies that are believed about where a request comes from.
    pub trusted_proxies: Proxies,
    /// Whether cookies are `Secure`, on every profile; `None` leaves each profile its own.
    pub secure_cookies: Option<bool>,
    /// How many live sessions one account may have.
    pub sessions_per_account: NonZeroU32,
    /// Whether clients are limited in how often they may ask.
    pub has_rate_limits: bool,
    /// How many connections are open at once.
    pub max_connections: NonZeroUsize,
    /// How many passwords are hashed at once.
    pub hash_threads: NonZeroUsize,
    /// How many passwords may wait to be hashed.
    pub hash_queue: NonZeroUsize,
    /// How many threads serve requests.
    pub threads: NonZeroUsize,
    /// How long an ended session is kept, so that its client can be told why.
    pub keep_ended: Duration,
    /// How often sessions that are over are swept away; `None` is never.
    pub sweep_interval: Option<Duration>,
    /// How long requests under way may take to finish at shutdown.
    pub shutdown_grace: Duration,
    /// What is logged: a filter that `tracing_subscriber::EnvFilter` has accepted.
    pub log: String,
    /// How it is logged.
    pub log_format: LogFormat,
    lines: Vec<Line>,
    origins: Vec<(&'static str, Origin)>,
    odd_lines: Vec<usize>,
}

/// Lifetimes that were set for every profile; `None` leaves each profile its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lifetimes {
    /// How long after a rotation the token just spent is answered again.
    pub reuse_interval: Option<Duration>,
    /// What it gets.
    pub retry: Option<Retry>,
    /// How long an access token lives.
    pub access_ttl: Option<Duration>,
    /// How long a session lives without a refresh.
    pub idle_timeout: Option<Duration>,
    /// How long a session lives at all.
    pub absolute_lifetime: Option<Duration>,
}

/// Where sessions and accounts are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// In this SQLite file.
    Sqlite(PathBuf),
    /// On this PostgreSQL server.
    Postgres(Box<Server>),
}

/// The URL without its password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(server) => server.fmt(f),
        }
    }
}

/// A profile, as it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileRef {
    /// One that is shipped with the server, if there is one of that name.
    Shipped(String),
    /// A file.
    File(PathBuf),
}

/// How logs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For machines, one object a line.
    Json,
}

/// One line of `sprag config`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The setting.
    pub name: &'static str,
    /// What is in force; a secret is only said to be set.
    pub value: String,
    /// Where it came from.
    pub origin: String,
}

impl Config {
    /// Resolves what is given; the files are those in `dir`.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong, as a sentence that says where it stands and what would be right.
    pub fn resolve(
        flags: Flags,
        environment: impl IntoIterator<Item = (String, String)>,
        dir: &Path,
    ) -> Result<Self, ConfigError> {
        Self::resolve_with(&[], flags, environment, dir)
    }

    /// Resolves what is given, where profiles bring names of their own for settings: pairs of a variable's name
    /// and `setting`, or `setting:unit` where the variable is a bare number of seconds, minutes, hours or days.
    ///
    /// Such a name gives way to our own, wherever that stands in the environment, and goes before the file.
    ///
    /// # Errors
    ///
    /// As [`Config::resolve`].
    pub fn resolve_with(
        mapping: &[(String, String)],
        flags: Flags,
        environment: impl IntoIterator<Item = (String, String)>,
        dir: &Path,
    ) -> Result<Self, ConfigError> {
        Sources::read(flags, environment, dir)?.resolve(mapping)
    }

    /// Resolves the process's own flags and environment, and the files in its working directory.
    ///
    /// # Errors
    ///
    /// As [`Config::resolve`].
    pub fn from_process(matches: &clap::ArgMatches) -> Result<Self, ConfigError> {
        Sources::from_process(flags(matches))?.resolve(&[])
    }

    /// What is in force and where it came from, a line for each setting.
    #[must_use]
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// Whether nobody set the setting of that name.
    #[must_use]
    pub fn is_default(&self, name: &str) -> bool {
        *self.origin(name) == Origin::Default
    }

    /// Where the value of the setting of that name came from.
    pub(crate) fn origin(&self, name: &str) -> &Origin {
        let mut those = self.origins.iter().filter(|(setting, _)| *setting == name);
        those.next().map_or(&Origin::Default, |(_, origin)| origin)
    }

    /// What is to be told of lines in `.env` that nothing was taken from, in a sentence that repeats none of them.
    #[must_use]
    pub fn left_out(&self) -> Option<String> {
        dotenv::left_out(&self.odd_lines)
    }

    /// The issuer of our tokens: the public URL without a slash at its end.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.public_url.as_str().trim_end_matches('/')
    }

    /// Takes note of the address that was bound. Where port 0 was asked for and nobody set a public URL, this
    /// is when the URL is known, and the audience with it.
    pub fn bound_to(&mut self, address: SocketAddr) {
        self.listen = address;
        if !self.is_default("public-url") || self.public_url.set_port(Some(address.port())).is_err() {
            return;
        }
        let issuer = self.issuer().to_owned();
        if self.is_default("audience") {
            self.audience.clone_from(&issuer);
        }
        for line in &mut self.lines {
            match line.name {
                "public-url" => line.value.clone_from(&issuer),
                "audience" => line.value.clone_from(&self.audience),
                _ => {}
            }
        }
    }
}

impl Sources {
    /// The profiles to serve, which must be known before their names for settings are.
    ///
    /// # Errors
    ///
    /// As [`Config::resolve`].
    pub fn profiles(&self) -> Result<Vec<ProfileRef>, ConfigError> {
        Chosen::from(self, &Mapping::default())?.typed("profiles", value::profiles)
    }

    /// Understands everything that was given; `mapping` as in [`Config::resolve_with`].
    ///
    /// # Errors
    ///
    /// As [`Config::resolve`].
    pub fn resolve(&self, mapping: &[(String, String)]) -> Result<Config, ConfigError> {
        let mut chosen = Chosen::from(self, &Mapping::new(mapping)?)?;
        chosen.settle_foreign_secret();
        let mut config = chosen.config(self.file_path())?;
        config.origins = chosen.origins();
        config.odd_lines = self.odd_lines().to_vec();
        config.lifetimes.in_order("", |name| config.origin(name))?;
        rules::reachable(&config, &chosen.origin("public-url"))?;
        let secret = config.hs256_secret.as_ref();
        rules::signing(config.signing_algorithm, secret, &chosen.origin("hs256-secret"))?;
        config.lines = SETTINGS.iter().map(|setting| chosen.line(setting, &config)).collect();
        Ok(config)
    }
}

/// For each setting what was found for it, in the table's order.
struct Chosen(Vec<(&'static Setting, Option<Found>)>);

impl Chosen {
    fn from(sources: &Sources, mapping: &Mapping) -> Result<Self, ConfigError> {
        let found = SETTINGS.iter().map(|setting| Ok((setting, sources.find(setting, mapping)?)));
        found.collect::<Result<_, _>>().map(Self)
    }

    fn of(&self, name: &str) -> (&'static Setting, Option<&Found>) {
        let mut those = self.0.iter().filter(|(setting, _)| setting.name == name);
        let (setting, found) = those.next().expect("the code asks for settings that are in the table");
        (setting, found.as_ref())
    }

    fn origin(&self, name: &str) -> Origin {
        self.of(name).1.map_or(Origin::Default, |found| found.origin.clone())
    }

    fn origins(&self) -> Vec<(&'static str, Origin)> {
        self.0.iter().map(|(setting, _)| (setting.name, self.origin(setting.name))).collect()
    }

    /// The value as it was given, understood; `None` where nobody gave one.
    fn given<T>(
        &self,
        name: &str,
        parse: impl Fn(&str) -> value::Parsed<T>,
    ) -> Result<Option<T>, ConfigError> {
        let (setting, found) = self.of(name);
        let Some(found) = found else { return Ok(None) };
        let refuse =
            |problem| ConfigError::Value { setting: setting.name, origin: found.origin.clone(), problem };
        parse(&found.text).map(Some).map_err(refuse)
    }

    /// The value as it was given, or else the default, understood.
    fn typed<T>(&self, name: &str, parse: impl Fn(&str) -> value::Parsed<T>) -> Result<T, ConfigError> {
        let (setting, _) = self.of(name);
        let refuse = |problem| ConfigError::Value { setting: setting.name, origin: Origin::Default, problem };
        match self.given(name, &parse)? {
            Some(value) => Ok(value),
            None => parse(setting.default.text()).map_err(refuse),
        }
    }

    fn span(&self, name: &str, least: &str, most: &str) -> Result<Duration, ConfigError> {
        self.typed(name, |text| value::span(text, least, most))
    }

    fn profile_span(&self, name: &str, least: &str, most: &str) -> Result<Option<Duration>, ConfigError> {
        self.given(name, |text| value::span(text, least, most))
    }

    fn count(&self, name: &str, most: usize) -> Result<NonZeroUsize, ConfigError> {
        let (least, most) = (NonZeroUsize::MIN, NonZeroUsize::new(most).unwrap_or(NonZeroUsize::MAX));
        self.typed(name, |text| value::count(text, least, most))
    }

    /// A profile that has its own name for the HS256 secret says that its tokens are signed so, as they were
    /// before us: HS256 then is the default. Where another algorithm was chosen, that secret is someone
    /// else's affair. Our own name for it says nothing of the kind.
    fn settle_foreign_secret(&mut self) {
        let origin = self.origin("hs256-secret");
        match &origin {
            Origin::Environment(name) | Origin::Dotenv { name, .. } if name != "SPRAG_HS256_SECRET" => {}
            _ => return,
        }
        let hs256 = Algorithm::Hs256.name();
        let algorithm = self.of("signing-algorithm").1.map(|found| found.text.clone());
        let (name, found) = match algorithm {
            None => ("signing-algorithm", Some(Found { text: hs256.to_owned(), origin })),
            Some(chosen) if chosen != hs256 => ("hs256-secret", None),
            Some(_) => return,
        };
        self.0
            .iter_mut()
            .filter(|(setting, _)| setting.name == name)
            .for_each(|place| place.1 = found.clone());
    }

    /// A password is a secret wherever it stands; a URL without one may stand where other settings do.
    fn expect_hidden_password(&self) -> Result<(), ConfigError> {
        let (setting, found) = self.of("database-url");
        let Some(found) = found.filter(|found| has_password(&found.text)) else { return Ok(()) };
        let danger = match found.origin {
            Origin::Flag(_) => "a flag can be read in the list of processes",
            Origin::File { .. } => "a file of settings gets copied about",
            Origin::Environment(_) | Origin::Dotenv { .. } | Origin::Default => return Ok(()),
        };
        let problem = format!(
            "there is a password in it, and {danger}; set {} in the environment or .env",
            setting.env
        );
        Err(ConfigError::Value { setting: setting.name, origin: found.origin.clone(), problem })
    }

    fn config(&self, file: Option<&str>) -> Result<Config, ConfigError> {
        let cores = available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let four = NonZeroUsize::MIN.saturating_add(3);
        let listen = self.typed("listen", value::address)?;
        let public_url = match self.given("public-url", value::public_url)? {
            Some(url) => url,
            None => own_url(listen)?,
        };
        let data_dir = self.typed("data-dir", value::path)?;
        let database = self.given("database-url", value::database)?;
        self.expect_hidden_password()?;
        let audience = self.given("audience", value::audience)?;
        let hash_threads = self.given("hash-threads", |text| {
            value::count(text, NonZeroUsize::MIN, NonZeroUsize::MIN.saturating_add(255))
        })?;
        let sweep_interval = self.span("sweep-interval", "0s", "24h")?;
        let sessions = NonZeroU32::MIN.saturating_add(9_999);
        Ok(Config {
            listen,
            audience: audience.unwrap_or_else(|| public_url.as_str().trim_end_matches('/').to_owned()),
            public_url,
            database: database.unwrap_or_else(|| Database::Sqlite(data_dir.join("sprag.db"))),
            data_dir,
            database_connections: self.count("database-connections", 1000)?,
            database_lanes: self.count("database-lanes", 4)?,
            database_batch: self.typed("database-batch", value::batching)?,
            file: file.map(PathBuf::from),
            profiles: self.typed("profiles", value::profiles)?,
            lifetimes: Lifetimes {
                reuse_interval: self.profile_span("reuse-interval", "0s", "300s")?,
                retry: self.given("retry", value::retry)?,
                access_ttl: self.profile_span("access-ttl", "1s", "24h")?,
                idle_timeout: self.profile_span("idle-timeout", "1s", "3650d")?,
                absolute_lifetime: self.profile_span("absolute-lifetime", "1s", "3650d")?,
            },
            signing_algorithm: self.typed("signing-algorithm", value::algorithm)?,
            hs256_secret: self.given("hs256-secret", |text| Ok(Secret::new(text.to_owned())))?,
            key_ring: self.given("key-ring", value::key_ring)?,
            cors_origins: self.given("cors-origins", value::origins)?.unwrap_or_default(),
            trusted_proxies: self.given("trusted-proxies", value::proxies)?.unwrap_or_default(),
            secure_cookies: self.given("secure-cookies", value::switch)?,
            sessions_per_account: self
                .typed("sessions-per-account", |text| value::count(text, NonZeroU32::MIN, sessions))?,
            has_rate_limits: self.typed("rate-limits", value::switch)?,
            max_connections: self.count("max-connections", 1_000_000)?,
            hash_threads: hash_threads.unwrap_or(cores.min(four)),
            hash_queue: self.count("hash-queue", 10_000)?,
            threads: self
                .typed("threads", |text| value::count(text, 0, 1024))
                .map(|count| NonZeroUsize::new(count).unwrap_or(cores))?,
            keep_ended: self.span("keep-ended", "0s", "3650d")?,
            sweep_interval: (!sweep_interval.is_zero()).then_some(sweep_interval),
            shutdown_grace: self.span("shutdown-grace", "0s", "10m")?,
            log: self.typed("log", value::log_filter)?,
            log_format: self.typed("log-format", value::log_format)?,
            lines: Vec::new(),
            origins: Vec::new(),
            odd_lines: Vec::new(),
        })
    }

    fn line(&self, setting: &'static Setting, config: &Config) -> Line {
        let found = self.of(setting.name).1;
        let value = match (setting.name, found) {
            (_, Some(_)) if setting.is_secret => "(set, hidden)".to_owned(),
            ("public-url", _) => config.issuer().to_owned(),
            ("database-url", _) => config.database.to_string(),
            ("config", _) => {
                config.file.as_ref().map_or("none".to_owned(), |path| path.display().to_string())
            }
            ("audience", _) => config.audience.clone(),
            ("hash-threads", _) => config.hash_threads.to_string(),
            ("threads", _) => config.threads.to_string(),
            (_, Some(found)) => found.text.clone(),
            (_, None) => setting.default.text().to_owned(),
        };
        let origin = found.map_or(Origin::Default, |found| found.origin.clone()).to_string();
        Line { name: setting.name, value, origin }
    }
}

/// The URL under which this machine reaches the address.
fn own_url(listen: SocketAddr) -> Result<Url, ConfigError> {
    Url::parse(&format!("http://{listen}")).map_err(|error| ConfigError::Value {
        setting: "public-url",
        origin: Origin::Default,
        problem: format!("{listen} makes no URL ({error}); set --public-url"),
    })
}
