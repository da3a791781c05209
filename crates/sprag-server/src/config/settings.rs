//! The settings of every feature in one table.
//!
//! The flags, the environment's names, the keys of `sprag.toml`, what `sprag config` prints and
//! `docs/reference/config.md` are all derived from it. Each setting stands with its feature, in the file that reads it:
//! `docs/adding/a-setting.md` says how to add one.

use super::{
    accounts, browsers, factors, file, imported, limits, links, listen, logs, mail, monitoring, pages,
    passwords, places, profiles, proof_of_work, proxies, refresh_limits, risk, sessions, store, tokens,
    webhooks,
};

pub use super::setting::{Fallback, Setting};

/// The settings of every feature, in the order in which they are shown.
const FEATURES: &[&[Setting]] = &[
    listen::SETTINGS,
    proxies::SETTINGS,
    store::SETTINGS,
    file::SETTINGS,
    profiles::SETTINGS,
    sessions::SETTINGS,
    factors::SETTINGS,
    accounts::SETTINGS,
    tokens::SETTINGS,
    browsers::SETTINGS,
    limits::SETTINGS,
    places::SETTINGS,
    risk::SETTINGS,
    refresh_limits::SETTINGS,
    proof_of_work::SETTINGS,
    mail::SETTINGS,
    pages::SETTINGS,
    links::SETTINGS,
    webhooks::SETTINGS,
    passwords::SETTINGS,
    imported::SETTINGS,
    logs::SETTINGS,
    monitoring::SETTINGS,
];

/// Every setting, in the order in which it is shown.
pub const SETTINGS: &[Setting] = &all::<{ count() }>();

const fn count() -> usize {
    let (mut count, mut feature) = (0, 0);
    while feature < FEATURES.len() {
        count += FEATURES[feature].len();
        feature += 1;
    }
    count
}

const fn all<const COUNT: usize>() -> [Setting; COUNT] {
    let mut all = [FEATURES[0][0]; COUNT];
    let (mut at, mut feature) = (0, 0);
    while feature < FEATURES.len() {
        let mut setting = 0;
        while setting < FEATURES[feature].len() {
            all[at] = FEATURES[feature][setting];
            at += 1;
            setting += 1;
        }
        feature += 1;
    }
    all
}

impl Setting {
    /// The setting of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SETTINGS.iter().find(|setting| setting.name == name)
    }
}
