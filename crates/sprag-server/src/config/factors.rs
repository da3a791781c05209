//! Second factors: when they are asked for.

use std::time::Duration;

use sprag::engine::SecondFactor;
use sprag::passkeys::{Impossible, Passkeys};

use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};
use super::value::Parsed;
use crate::quoted::quoted;
use crate::web_origin;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "passkey-rp-id",
        env: "SPRAG_PASSKEY_RP_ID",
        placeholder: "NAME",
        help: "The name of a host that passkeys are bound to: that of the public URL, or a domain above it.",
        default: Fallback::Derived("the host of public-url, where browsers have passkeys there"),
        is_secret: false,
        right: "localhost",
        wrong: "https://example.org",
    },
    Setting {
        name: "passkey-origins",
        env: "SPRAG_PASSKEY_ORIGINS",
        placeholder: "URLS",
        help: "The origins of other sites and apps whose pages may use the passkeys of this one; commas between them.",
        default: Fallback::Derived("none"),
        is_secret: false,
        right: "https://app.example.com,http://localhost:3000",
        wrong: "*",
    },
    Setting {
        name: "second-factor",
        env: "SPRAG_SECOND_FACTOR",
        placeholder: "optional|required|admins",
        help: "Who must have a second factor, on every profile: optional is nobody, required everybody, admins administrators. Whoever \
               must have one and has none is let in no further than to add one.",
        default: Fallback::Derived("the profile's"),
        is_secret: false,
        right: "admins",
        wrong: "always",
    },
    Setting {
        name: "remember-device",
        env: "SPRAG_REMEMBER_DEVICE",
        placeholder: "SPAN",
        help: "For how long a device on which a second factor was shown is not asked for another one, where its owner wishes so (0s to \
           365d; 0s: always asked).",
        default: Fallback::Value("30d"),
        is_secret: false,
        right: "7d",
        wrong: "2y",
    },
];

/// When second factors are asked for.
#[derive(Clone, Debug)]
pub struct Factors {
    /// Who must have one; `None` leaves each profile its own.
    pub required_of: Option<SecondFactor>,
    /// For how long a device is not asked again; `None` where it is always asked.
    pub remember_for: Option<Duration>,
    /// The name that passkeys are bound to, if somebody has chosen it.
    pub rp_id: Option<String>,
    /// Other sites whose pages may use passkeys.
    pub related_origins: Vec<String>,
}

impl Factors {
    pub(super) fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        let span = chosen.span("remember-device", "0s", "365d")?;
        Ok(Self {
            required_of: chosen.given("second-factor", required_of)?,
            remember_for: (!span.is_zero()).then_some(span),
            rp_id: chosen.given("passkey-rp-id", name_of_host)?,
            related_origins: chosen.given("passkey-origins", origins)?.unwrap_or_default(),
        })
    }

    /// Where passkeys are used, by the public URL of a server that is called so.
    ///
    /// # Errors
    /// There are none at that address; only somebody who has chosen one of these settings need care.
    pub fn passkeys(&self, public_url: &str, service: &str) -> Result<Passkeys, Impossible> {
        Passkeys::new(public_url, self.rp_id.as_deref(), &self.related_origins, service)
    }

    /// Whether somebody has chosen anything of passkeys, so that there must be some.
    #[must_use]
    pub fn wants_passkeys(&self) -> bool {
        self.rp_id.is_some() || !self.related_origins.is_empty()
    }
}

fn name_of_host(text: &str) -> Parsed<String> {
    let is_plain =
        !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    match is_plain {
        true => Ok(text.to_ascii_lowercase()),
        false => {
            Err(format!("{} is no name of a host; write it without a scheme, as example.org", quoted(text)))
        }
    }
}

/// Origins with commas between them, as browsers send them.
fn origins(text: &str) -> Parsed<Vec<String>> {
    text.split(',').map(str::trim).map(origin).collect()
}

/// An Android app has no address: its platform names it by what signs it.
fn origin(text: &str) -> Parsed<String> {
    match text.strip_prefix("android:apk-key-hash:") {
        Some(hash) if is_base64url(hash) => Ok(text.to_owned()),
        Some(_) => Err(format!("{} has no hash of what signs an app; write that in base64url", quoted(text))),
        None => web_origin::named(text),
    }
}

fn is_base64url(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn required_of(text: &str) -> Parsed<SecondFactor> {
    let found = SecondFactor::ALL.iter().find(|(word, _)| *word == text).map(|(_, who)| *who);
    found.ok_or_else(|| format!("{} is none of optional, required, admins", quoted(text)))
}
