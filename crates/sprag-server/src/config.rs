//! The configuration: flag over environment over `.env` over file over default, resolved once.
//!
//! Each feature has a file here with its settings, what they come to, and how they are read; [`settings`] collects the
//! tables, and [`Config`] what they come to. [`Sources`] reads what was given. Nothing outside this module reads the
//! environment.
//!
//! Whoever serves profiles resolves in two steps, because a profile may bring names of its own for settings:
//! [`Sources::from_process`], then [`Sources::profiles`], then [`Sources::resolve`] with the profiles' names.

mod accounts;
mod browsers;
mod chosen;
mod dotenv;
mod error;
mod factors;
mod file;
mod imported;
mod limits;
mod links;
mod listen;
mod logs;
mod mail;
mod mapping;
mod monitoring;
mod origin;
mod pages;
mod passwords;
mod places;
mod profiles;
mod proof_of_work;
mod proxies;
mod reference;
mod refresh_limits;
mod risk;
mod secret;
mod secret_files;
mod sessions;
mod setting;
pub mod settings;
mod sources;
mod store;
mod tokens;
mod value;
mod webhooks;

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;
use sprag::policy::Policy;

pub use crate::duration::spell;
pub use accounts::Accounts;
pub use browsers::Browsers;
pub use error::ConfigError;
pub use factors::Factors;
pub use imported::Imported;
pub use limits::Limits;
pub use links::AppLinks;
pub(crate) use links::TOKEN as TOKEN_IN_LINK;
pub use listen::Listen;
pub(crate) use listen::share_of;
pub use logs::{LogFormat, Logs};
pub use mail::{Mail, MailUrl, Smtp, SmtpTls};
pub use monitoring::Monitoring;
pub use origin::Origin;
pub use pages::{Color, Pages};
pub use passwords::{BreachCheck, Passwords};
pub use places::Places;
pub use profiles::ProfileRef;
pub use reference::{DEFAULTS, args, flags, reference, table};
pub use risk::Risk;
pub use secret::Secret;
pub use sessions::{Lifetimes, Sessions};
pub use sources::{Flags, Sources};
pub use store::{Database, Store};
pub use tokens::Tokens;
pub use webhooks::{Webhook, Webhooks};

use crate::edge::proxies::Proxies;
use crate::edge::refresh_limits::RefreshRates;
use chosen::Chosen;
use mapping::Mapping;
use settings::{SETTINGS, Setting};

/// Everything that can be set, as it is in force.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the server is reached, and how much it takes on at once.
    pub listen: Listen,
    /// The proxies that are believed about where a request comes from.
    pub trusted_proxies: Proxies,
    /// Where sessions, accounts and keys are kept.
    pub store: Store,
    /// The file of settings that was read.
    pub file: Option<PathBuf>,
    /// The profiles to serve; one at least, none twice.
    pub profiles: Vec<ProfileRef>,
    /// How long sessions live and are kept, and how many an account may have.
    pub sessions: Sessions,
    /// When second factors are asked for.
    pub factors: Factors,
    /// How letters leave, and from whom.
    pub mail: Mail,
    /// Where the server's own pages are, and what they look like.
    pub pages: Pages,
    /// To which pages of the app the links of letters lead.
    pub links: AppLinks,
    /// Which other systems are told of events, and how they know that it is us.
    pub webhooks: Webhooks,
    /// How accounts are made, and which calls that are off by default are on.
    pub accounts: Accounts,
    /// How access tokens are signed, and for whom they are.
    pub tokens: Tokens,
    /// What browsers may do.
    pub browsers: Browsers,
    /// How often somebody may try.
    pub limits: Limits,
    /// Where places are read, and which are let in.
    pub places: Places,
    /// How log-ins are weighed that are unlike those before them.
    pub risk: Risk,
    /// How often sessions and networks may refresh; `None` where that is not limited.
    pub refresh_rates: Option<RefreshRates>,
    /// How many zeros a challenge asks for whose solution buys a try; `None` where there are no challenges.
    pub proof_of_work: Option<u8>,
    /// How many passwords are hashed at once, and how many wait.
    pub passwords: Passwords,
    /// Secrets of the systems that users were imported from.
    pub imported: Imported,
    /// What is logged, and how.
    pub logs: Logs,
    /// What is watched, and by whom.
    pub monitoring: Monitoring,
    lines: Vec<Line>,
    origins: Vec<(&'static str, Origin)>,
    odd_lines: Vec<usize>,
    old_names: Vec<String>,
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

    /// The settings that come to something else than they did, by name.
    #[must_use]
    pub(crate) fn changed_since(&self, before: &Self) -> Vec<&'static str> {
        let secret = |config: &Self, name| match name {
            "key-ring" => config.tokens.key_ring.as_ref().map(|secret| secret.expose().to_owned()),
            "hs256-secret" => config.tokens.hs256_secret.as_ref().map(|secret| secret.expose().to_owned()),
            "webhook-secret" => config.webhooks.secret.as_ref().map(|secret| secret.expose().to_owned()),
            _ => None,
        };
        let pairs = self.lines.iter().zip(&before.lines);
        let changed = pairs.filter(|(line, old)| {
            line.value != old.value
                || secret(self, line.name) != secret(before, line.name)
                || (line.name == "database-url" && self.store.database != before.store.database)
        });
        changed.map(|(line, _)| line.name).collect()
    }

    /// Whether nobody set the setting of that name.
    #[must_use]
    pub fn is_default(&self, name: &str) -> bool {
        *self.origin(name) == Origin::Default
    }

    /// Where the value of the setting of that name came from.
    pub(crate) fn origin(&self, name: &str) -> &Origin {
        origin_in(&self.origins, name)
    }

    /// Where the setting of that name stands, called as whoever set it calls it: a profile may have a name of its own for it.
    pub(crate) fn called(&self, name: &str) -> String {
        let (variable, origin) = self.named(name);
        origin.called(variable)
    }

    /// What sets it to something else, called likewise.
    pub(crate) fn to_be(&self, name: &str, value: impl Display) -> String {
        let (variable, origin) = self.named(name);
        origin.to_be(variable, &value.to_string())
    }

    /// Our own name of a setting, and where it came from. That of the algorithm may be where the secret is, whose name said
    /// what it is for.
    fn named<'a>(&'a self, name: &'a str) -> (&'a str, &'a Origin) {
        let variable =
            SETTINGS.iter().find(|setting| setting.name == name).map_or(name, |setting| setting.env);
        let origin = self.origin(name);
        let is_secrets = name == "signing-algorithm" && origin == self.origin("hs256-secret");
        (variable, if is_secrets { &Origin::Default } else { origin })
    }

    /// What is to be told of lines in `.env` that nothing was taken from, in a sentence that repeats none of them.
    #[must_use]
    pub fn left_out(&self) -> Option<String> {
        dotenv::left_out(&self.odd_lines)
    }

    /// A sentence for each name that was given and has been replaced by another.
    #[must_use]
    pub fn old_names(&self) -> &[String] {
        &self.old_names
    }

    /// Adds what is to be said of names in profiles.
    pub(crate) fn add_old_names(&mut self, told: impl IntoIterator<Item = String>) {
        self.old_names.extend(told);
    }

    /// The issuer of our tokens: the public URL without a slash at its end.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.listen.issuer()
    }

    /// The profile's policy with what was set for every profile in its place.
    ///
    /// # Errors
    ///
    /// Lifetimes that contradict each other once both are taken together.
    pub fn over(&self, profile: &str, policy: Policy) -> Result<Policy, ConfigError> {
        self.sessions.lifetimes.over(profile, policy, |name| self.origin(name))
    }

    /// Takes note of the address that was bound. Where port 0 was asked for and nobody set a public URL, this
    /// is when the URL is known, and the audience with it.
    pub fn bound_to(&mut self, address: SocketAddr) {
        self.listen.address = address;
        if !self.is_default("public-url") || self.listen.public_url.set_port(Some(address.port())).is_err() {
            return;
        }
        let issuer = self.issuer().to_owned();
        if self.is_default("audience") {
            self.tokens.audience.clone_from(&issuer);
        }
        for line in &mut self.lines {
            match line.name {
                "public-url" => line.value.clone_from(&issuer),
                "audience" => line.value.clone_from(&self.tokens.audience),
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
        profiles::from(&self.chosen(&Mapping::default())?)
    }

    /// Understands everything that was given; `mapping` as in [`Config::resolve_with`].
    ///
    /// # Errors
    ///
    /// As [`Config::resolve`].
    pub fn resolve(&self, mapping: &[(String, String)]) -> Result<Config, ConfigError> {
        let mut chosen = self.chosen(&Mapping::new(mapping)?)?;
        tokens::settle_foreign_secret(&mut chosen);
        let mut config = self.collect(&chosen)?;
        let origins = &config.origins;
        config.sessions.lifetimes.in_order("", |name| origin_in(origins, name))?;
        config.listen.check(&chosen.origin("public-url"))?;
        config.tokens.check(&chosen.origin("hs256-secret"), &chosen.origin("signing-algorithm"))?;
        config.lines = SETTINGS.iter().map(|setting| line(setting, &chosen, &config)).collect();
        Ok(config)
    }

    /// Where the server of these settings listens, and where that came from. Nothing else is understood, and so nothing else
    /// can be wrong; `mapping` as in [`Config::resolve_with`].
    ///
    /// # Errors
    ///
    /// As [`Config::resolve`].
    pub fn listen_address(&self, mapping: &[(String, String)]) -> Result<(SocketAddr, Origin), ConfigError> {
        let chosen = self.chosen(&Mapping::new(mapping)?)?;
        Ok((chosen.typed("listen", listen::address)?, chosen.origin("listen")))
    }

    fn chosen(&self, mapping: &Mapping) -> Result<Chosen, ConfigError> {
        let found = SETTINGS.iter().map(|setting| Ok((setting, self.find(setting, mapping)?)));
        found.collect::<Result<_, _>>().map(Chosen)
    }

    fn collect(&self, chosen: &Chosen) -> Result<Config, ConfigError> {
        let listen = Listen::from(chosen)?;
        Ok(Config {
            trusted_proxies: proxies::from(chosen)?,
            store: Store::from(chosen)?,
            file: self.file_path().map(PathBuf::from),
            profiles: profiles::from(chosen)?,
            sessions: Sessions::from(chosen)?,
            factors: Factors::from(chosen)?,
            accounts: Accounts::from(chosen)?,
            tokens: Tokens::from(chosen, listen.issuer())?,
            browsers: Browsers::from(chosen)?,
            limits: Limits::from(chosen)?,
            places: Places::from(chosen)?,
            risk: Risk::from(chosen)?,
            refresh_rates: refresh_limits::from(chosen)?,
            proof_of_work: proof_of_work::from(chosen)?,
            passwords: Passwords::from(chosen)?,
            imported: Imported::from(chosen)?,
            logs: Logs::from(chosen)?,
            monitoring: Monitoring::from(chosen)?,
            mail: Mail::from(chosen, &listen)?,
            pages: Pages::from(chosen)?,
            links: AppLinks::from(chosen)?,
            webhooks: Webhooks::from(chosen)?,
            listen,
            lines: Vec::new(),
            origins: chosen.origins(),
            odd_lines: self.odd_lines().to_vec(),
            old_names: self.old_names(),
        })
    }
}

fn origin_in<'a>(origins: &'a [(&'static str, Origin)], name: &str) -> &'a Origin {
    let mut those = origins.iter().filter(|(setting, _)| *setting == name);
    those.next().map_or(&Origin::Default, |(_, origin)| origin)
}

/// A setting's line: the text that was given, or what it comes to where that says more.
fn line(setting: &'static Setting, chosen: &Chosen, config: &Config) -> Line {
    let found = chosen.of(setting.name).1;
    let value = match (setting.name, found) {
        (_, Some(_)) if setting.is_secret => "(set, hidden)".to_owned(),
        ("public-url", _) => config.issuer().to_owned(),
        ("database-url", _) => config.store.database.to_string(),
        ("config", _) => config.file.as_ref().map_or("none".to_owned(), |path| path.display().to_string()),
        ("mail-url", _) => config.mail.url.to_string(),
        ("mail-from", _) => config.mail.from.to_string(),
        ("service-name", _) => config.mail.service.clone(),
        ("audience", _) => config.tokens.audience.clone(),
        ("hash-threads", _) => config.passwords.hash_threads.to_string(),
        ("max-connections-per-network", _) => config.listen.max_connections_per_network.to_string(),
        ("threads", _) => config.listen.threads.to_string(),
        (_, Some(found)) => found.text.clone(),
        (_, None) => setting.default.text().to_owned(),
    };
    Line { name: setting.name, value, origin: chosen.origin(setting.name).to_string() }
}
