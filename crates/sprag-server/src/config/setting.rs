//! What a setting is: name, default, meaning and test together.

use crate::old_names;

/// One setting.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// Its name, which is also its flag's.
    pub name: &'static str,
    /// Its name in the environment and in `.env`.
    pub env: &'static str,
    /// What stands for its value in the help.
    pub placeholder: &'static str,
    /// What it means, and what it may be.
    pub help: &'static str,
    /// What it is where nobody set it.
    pub default: Fallback,
    /// Whether it is shown to nobody, and taken from the environment or `.env` only: a flag can be read in
    /// the list of processes, and a file of settings is committed sooner or later.
    pub is_secret: bool,
    /// A value that is accepted and is not the default; the tests give it by every way there is.
    pub right: &'static str,
    /// A value that is refused; the tests expect a sentence that says where it came from.
    pub wrong: &'static str,
}

/// What a setting is where nobody set it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// This value.
    Value(&'static str),
    /// Something that depends on other settings, on the machine or on the profile, in words.
    Derived(&'static str),
}

impl Fallback {
    /// The value, or the words that say where it comes from.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Value(text) | Self::Derived(text) => text,
        }
    }
}

impl Setting {
    /// Whether a flag sets it.
    #[must_use]
    pub fn has_flag(&self) -> bool {
        !self.is_secret
    }

    /// Whether it may stand in a file that is named: where it is a secret, or may have one in it.
    #[must_use]
    pub fn may_be_in_file(&self) -> bool {
        self.is_secret || matches!(self.name, "database-url" | "mail-url")
    }

    /// The variable that names the file which it stands in, if it may.
    #[must_use]
    pub fn file_env(&self) -> Option<String> {
        self.may_be_in_file().then(|| format!("{}_FILE", self.env))
    }

    /// Its key in `sprag.toml`, if it may stand there: secrets may not, and a file does not name itself.
    #[must_use]
    pub fn file_key(&self) -> Option<String> {
        (!self.is_secret && self.name != "config").then(|| key_of(self.name))
    }

    /// The key in `sprag.toml` that names the file which it stands in, if it may.
    #[must_use]
    pub fn file_key_of_file(&self) -> Option<String> {
        self.may_be_in_file().then(|| format!("{}_file", key_of(self.name)))
    }

    /// What it was called before, if it has been renamed.
    pub(super) fn old_name(&self) -> Option<&'static str> {
        old_names::old(old_names::Kind::Setting, self.name).map(|name| name.old)
    }
}

/// The variable of a setting of that name.
pub(super) fn env_of(name: &str) -> String {
    format!("SPRAG_{}", name.replace('-', "_").to_uppercase())
}

/// The key of a setting of that name in a file.
pub(super) fn key_of(name: &str) -> String {
    name.replace('-', "_")
}
