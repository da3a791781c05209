//! Which profiles are served.

use std::path::PathBuf;

use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};
use super::value::Parsed;
use crate::quoted::quoted;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[Setting {
    name: "profiles",
    env: "SPRAG_PROFILES",
    placeholder: "NAMES",
    help: "The profiles to serve, with commas between them: names of shipped profiles, or paths that end in .toml.",
    default: Fallback::Value("sprag"),
    is_secret: false,
    right: "sprag,./profiles/shop.toml",
    wrong: "sprag,,sprag",
}];

/// A profile, as it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileRef {
    /// One that is shipped with the server, if there is one of that name.
    Shipped(String),
    /// A file.
    File(PathBuf),
}

pub(super) fn from(chosen: &Chosen) -> Result<Vec<ProfileRef>, ConfigError> {
    chosen.typed("profiles", profiles)
}

/// The profiles to serve.
fn profiles(text: &str) -> Parsed<Vec<ProfileRef>> {
    let mut profiles = Vec::new();
    for name in text.split(',').map(str::trim) {
        if name.is_empty() {
            return Err(format!(
                "{} has nothing between two commas; write sprag,express-mongo",
                quoted(text)
            ));
        }
        if name.contains("://") {
            return Err(format!("{} is neither a profile's name nor a path", quoted(name)));
        }
        let profile = if name.ends_with(".toml") || name.contains('/') {
            ProfileRef::File(PathBuf::from(name))
        } else {
            ProfileRef::Shipped(name.to_owned())
        };
        if profiles.contains(&profile) {
            return Err(format!("{} names {} twice", quoted(text), quoted(name)));
        }
        profiles.push(profile);
    }
    Ok(profiles)
}
