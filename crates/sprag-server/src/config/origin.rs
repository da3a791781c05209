//! Where a value came from, and how that is said.

use std::fmt;
use std::path::PathBuf;

use super::dotenv;

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The command line.
    Flag(&'static str),
    /// The process environment, under this name.
    Environment(String),
    /// `.env`.
    Dotenv {
        /// Under this name.
        name: String,
        /// On this line.
        line: usize,
    },
    /// A file with nothing but this secret in it.
    SecretFile {
        /// The file.
        path: PathBuf,
        /// What names it.
        named: Box<Origin>,
    },
    /// A credential that systemd hands over.
    Credential {
        /// Its file.
        path: PathBuf,
    },
    /// The file of settings.
    File {
        /// The file, as it was named.
        path: String,
        /// On this line.
        line: usize,
        /// Under this key.
        key: String,
    },
    /// Nobody set it.
    Default,
}

impl Origin {
    /// How a sentence about the value begins.
    #[must_use]
    pub fn subject(&self, setting: &str) -> String {
        match self {
            Self::Flag(name) => format!("--{name}"),
            Self::Environment(name) => format!("{name} in the environment"),
            Self::Dotenv { name, line } => format!("{name} in {} line {line}", dotenv::NAME),
            Self::SecretFile { path, named } => {
                format!("{}, which {} names", path.display(), named.subject(setting))
            }
            Self::Credential { path } => format!("the credential {}", path.display()),
            Self::File { path, line, key } => format!("{key} in {path} line {line}"),
            Self::Default => format!("the default of {setting}"),
        }
    }

    /// What whoever gave the value calls the place where it stands; `variable` where nobody gave one.
    pub(super) fn called(&self, variable: &str) -> String {
        match self {
            Self::Flag(name) => format!("--{name}"),
            Self::Environment(name) | Self::Dotenv { name, .. } => name.clone(),
            Self::SecretFile { path, .. } => path.display().to_string(),
            Self::Credential { path } => format!("the credential {}", path.display()),
            Self::File { path, key, .. } => format!("{key} in {path}"),
            Self::Default => variable.to_owned(),
        }
    }

    /// How whoever gave the value gives another, by the name that they use; by `variable` where they have none.
    pub(super) fn to_be(&self, variable: &str, value: &str) -> String {
        match self {
            Self::Flag(name) => format!("--{name} {value}"),
            Self::Environment(name) | Self::Dotenv { name, .. } => format!("{name}={value}"),
            Self::File { path, key, .. } => format!("{key} = \"{value}\" in {path}"),
            Self::SecretFile { .. } | Self::Credential { .. } | Self::Default => {
                format!("{variable}={value}")
            }
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => write!(f, "flag --{name}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Dotenv { name, line } if name.starts_with("SPRAG_") => {
                write!(f, "{} line {line}", dotenv::NAME)
            }
            Self::Dotenv { name, line } => write!(f, "{} line {line} ({name})", dotenv::NAME),
            Self::SecretFile { path, named } => write!(f, "{}, by {named}", path.display()),
            Self::Credential { path } => write!(f, "credential {}", path.display()),
            Self::File { path, line, .. } => write!(f, "{path} line {line}"),
            Self::Default => f.write_str("default"),
        }
    }
}

/// A text and where it came from. Not `Debug`, as it may be a secret.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) text: String,
    pub(super) origin: Origin,
}
