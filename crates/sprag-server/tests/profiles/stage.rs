//! Where scenes are played: a server with one profile, started with its variables, and the people of its file.

use std::path::Path;

use sprag::audit::EventKind;
use sprag::engine::{Imported, ImportedUser};
use sprag::session::AccountId;
use sprag::store::Slice;
use sprag_server::config::{Config, ConfigError, Flags, ProfileRef};
use sprag_server::profile::{Profile, Route};
use sprag_server::run::node::load_profiles;

use crate::data::{Data, Setting, Texts};
use crate::people::KNOWN;
use crate::world::{Plan, World};

/// Everybody's password.
pub(crate) const PASSWORD: &str = "ann's battery staple";

/// A server and its profile.
pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) profile: Profile,
    /// What the access tokens are signed with.
    pub(crate) secret: String,
}

/// A profile as it is shipped, with the calls that are off turned on.
pub(crate) fn profile(name: &str) -> Profile {
    let mut profile = shipped(name);
    let off = off(&profile);
    profile.offer(&off);
    profile
}

/// The calls that are off, whatever turns them on.
fn off(profile: &Profile) -> Vec<&'static str> {
    profile.wire.off.iter().map(|route| route.action.name()).collect()
}

fn shipped(name: &str) -> Profile {
    Profile::builtin(name).expect("a shipped profile").unwrap_or_else(|error| panic!("{error}"))
}

/// The line that turns on what is off.
pub(crate) fn everything_on(name: &str) -> Texts {
    let off = off(&shipped(name));
    let line = ("SPRAG_OFFERS".to_owned(), off.join(","));
    if off.is_empty() { Texts::new() } else { Texts::from([line]) }
}

/// What a call is named in tests and snapshots: `post-auth-login`.
pub(crate) fn slug(route: &Route) -> String {
    let words = route.on().to_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "-");
    words.split('-').filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

impl Stage {
    pub(crate) async fn of(name: &str, data: &Data, more: &Texts) -> Self {
        let config = config(name, data, more).unwrap_or_else(|error| panic!("{error}"));
        let shipped = [ProfileRef::Shipped(name.to_owned())];
        let profiles = load_profiles(&shipped, Some(&config));
        let profiles = profiles.unwrap_or_else(|error| panic!("{error:#}"));
        let secret =
            config.tokens.hs256_secret.as_ref().expect("the file gives an HS256 secret").expose().to_owned();
        let profile = profiles[0].clone();
        let hs256_secret = Some(secret.clone());
        let other_origins = config.browsers.cors_origins;
        let stage = Self {
            world: World::planned(Plan {
                profiles,
                hs256_secret,
                other_origins,
                proof_of_work: Some(1),
                ..Plan::default()
            }),
            profile,
            secret,
        };
        stage.let_in(data).await;
        stage
    }

    async fn let_in(&self, data: &Data) {
        let (_, hash) = KNOWN.into_iter().find(|(name, _)| *name == "ann").expect("somebody we know");
        for (name, someone) in &data.people {
            let user = ImportedUser {
                external_id: &someone.external_id,
                username: someone.username.as_deref(),
                email: someone.email.as_deref(),
                password_hash: hash,
                name: someone.name.as_deref(),
                given_name: someone.given_name.as_deref(),
                family_name: someone.family_name.as_deref(),
                role: someone.role.as_deref(),
                is_admin: Some(someone.is_admin),
                ..ImportedUser::default()
            };
            let imported = self
                .world
                .engine
                .imports()
                .user(&self.profile.client_policy(), user)
                .await
                .expect("a store that works");
            assert_eq!(imported, Imported::New, "{name}");
        }
    }

    /// The account of somebody in the profile's file.
    pub(crate) async fn account(&self, data: &Data, name: &str) -> AccountId {
        let someone = data.people.get(name).unwrap_or_else(|| panic!("the file has no people.{name}"));
        let known_by = someone.username.as_deref().or(someone.email.as_deref()).expect("a name");
        self.world.engine.accounts().find(known_by).await.expect("an account").id
    }

    /// Everything that bad input must leave as it was: accounts, sessions, and the journal but for log-ins that failed.
    pub(crate) async fn kept(&self) -> String {
        let store = self.world.seam.store();
        let mut kept = Vec::new();
        for account in store.accounts(Slice::first(1000)).await.expect("a store that works") {
            let sessions = store.of(account.id, Slice::first(1000)).await.expect("a store that works");
            kept.push(format!("{account:?} {sessions:?}"));
        }
        let entries = store.entries(Slice::first(10_000)).await.expect("a store that works");
        let lasting = entries.iter().filter(|entry| entry.event.kind != EventKind::LoginFailed);
        kept.extend(lasting.map(|entry| format!("{:?}", entry.event)));
        kept.join("\n")
    }
}

/// What the variables of the profile's file and some more come to, with the profile's own names for settings.
fn config(name: &str, data: &Data, more: &Texts) -> Result<Config, ConfigError> {
    let mut variables = data.environment.clone();
    variables.extend(more.clone());
    let nowhere = Path::new("/nonexistent");
    Config::resolve_with(&profile(name).environment, Flags::new(), variables, nowhere)
}

/// Whether variables mean what the profile's file says.
pub(crate) fn means(name: &str, data: &Data, setting: &Setting) -> Result<(), String> {
    let shipped = [ProfileRef::Shipped(name.to_owned())];
    let started = config(name, data, &setting.given).map_err(|error| error.to_string()).and_then(|config| {
        let profiles = load_profiles(&shipped, Some(&config));
        profiles.map(|_| config).map_err(|error| format!("{error:#}"))
    });
    let config = match (started, &setting.refused) {
        (Ok(config), None) => config,
        (Err(error), Some(words)) if error.contains(words) => return Ok(()),
        (Ok(_), Some(words)) => return Err(format!("{:?} is taken; expected: {words}", setting.given)),
        (Err(error), _) => return Err(error),
    };
    for (name, expected) in &setting.means {
        let line = config.lines().iter().find(|line| line.name == name.as_str());
        let line = line.ok_or_else(|| format!("there is no setting {name}"))?;
        if line.value != *expected {
            return Err(format!("{name} is {} from {}, not {expected}", line.value, line.origin));
        }
    }
    Ok(())
}
