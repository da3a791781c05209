//! What a running server reads again at SIGHUP: the key ring's file, those of places and addresses, and what is logged. The
//! rest it goes on with as it began, and says what of it has changed.

use std::sync::Arc;

use tokio::task::spawn_blocking;

use crate::config::{Config, Flags, Sources};
use crate::places::Places;
use crate::profile::Profile;
use crate::run::logs::Filter;
use crate::run::node::resolve;
use crate::run::ring_file::RingSource;
use crate::run::ring_watch::{Looked, RingWatch};

/// What a server began with.
pub(crate) struct Given {
    /// The flags: they stay as they are, as the environment does.
    pub(crate) flags: Flags,
    /// What was set.
    pub(crate) config: Config,
    /// What was served.
    pub(crate) profiles: Vec<Profile>,
    /// What is logged.
    pub(crate) filter: Filter,
}

impl Given {
    /// Reads everything again, puts in force what can be, and says in one line what came of it.
    pub(crate) async fn reload(&mut self, ring: Option<&RingWatch>, places: &Arc<Places>) {
        let places = Arc::clone(places);
        // What comes of it, it says itself; a defect in it stops nothing here.
        let _ = spawn_blocking(move || places.look()).await;
        let ring = match ring {
            Some(ring) => keys(ring.look().await).to_owned(),
            None => format!("the key ring {} stays", RingSource::of(&self.config)),
        };
        // A file of settings may be a pipe that nobody writes to, which nothing else should wait for.
        let flags = self.flags.clone();
        let found = spawn_blocking(|| Sources::from_process(flags)).await;
        let found = found.map_err(anyhow::Error::from).and_then(|found| Ok(found?));
        let (config, profiles) = match found.and_then(|sources| resolve(&sources)) {
            Ok(found) => found,
            Err(error) => {
                let error = format!("{error:#}");
                tracing::error!(
                    error,
                    "SIGHUP: {ring}; the settings cannot be used as they stand now, so those before stay in force, and a \
                     restart would fail: mend them"
                );
                return;
            }
        };
        let log = match self.log_as(&config) {
            Ok(said) => said,
            Err(error) => format!("what is logged stays as it is ({error:#})"),
        };
        let waiting = self.waiting(&config, &profiles);
        if waiting.is_empty() {
            tracing::info!("SIGHUP: {ring}; {log}; nothing else has changed");
        } else {
            let waiting = waiting.join(", ");
            tracing::warn!("SIGHUP: {ring}; {log}; changed, and in force only after a restart: {waiting}");
        }
    }

    fn log_as(&mut self, config: &Config) -> anyhow::Result<String> {
        if config.logs.filter == self.config.logs.filter {
            return Ok("the log filter has not changed".to_owned());
        }
        self.filter.change(config)?;
        self.config.logs.filter.clone_from(&config.logs.filter);
        Ok(format!("the log filter is {} now", config.logs.filter))
    }

    /// What has changed and cannot be put in force, by name.
    fn waiting(&self, config: &Config, profiles: &[Profile]) -> Vec<String> {
        let mut changed: Vec<_> = config.changed_since(&self.config).into_iter().map(str::to_owned).collect();
        changed.retain(|name| name != "log");
        let of = |name: &str| self.profiles.iter().find(|profile| profile.name == name);
        let other =
            profiles.iter().filter(|profile| of(&profile.name).is_some_and(|before| before != *profile));
        changed.extend(other.map(|profile| format!("the profile {}", profile.name)));
        changed
    }
}

fn keys(looked: Looked) -> &'static str {
    match looked {
        Looked::Same => "the key ring has not changed",
        Looked::Gone => {
            "the key ring's file is GONE, the one before stays in force, and a restart would fail: put it back"
        }
        Looked::Changed => "the key ring was read again",
        Looked::Refused => "the key ring has changed and stays out, as said above",
    }
}
