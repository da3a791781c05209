//! Which other systems are told of events or asked for decisions, and how they know that it is us.

use ipnet::IpNet;
use sprag::audit::{EventKind, Severity};
use sprag::webhook::{Endpoint, SigningSecrets, Wanted};
use std::net::IpAddr;
use url::Url;

use super::chosen::Chosen;
use super::error::ConfigError;
use super::secret::Secret;
use super::setting::{Fallback, Setting};
use super::value::Parsed;
use crate::outgoing;
use crate::quoted::quoted;

/// How many there may be: each is a message for every event that it wants.
const MOST_WEBHOOKS: usize = 8;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "webhooks",
        env: "SPRAG_WEBHOOKS",
        placeholder: "URLS",
        help: "Who is told of what happens: URLs with commas between them, each with the events that it is told of behind it: kinds \
               as session_ended, warning or critical for those and what is worse, or all.",
        default: Fallback::Derived("none"),
        is_secret: false,
        right: "https://app.example.org/in all, https://alarm.example.org/in critical login_failed",
        wrong: "https://app.example.org/in sometimes",
    },
    Setting {
        name: "webhook-secret",
        env: "SPRAG_WEBHOOK_SECRET",
        placeholder: "SECRET",
        help: "What webhooks and hooks are signed with (Standard Webhooks): whsec_ and 24 to 64 bytes in base64; several with blanks \
               between them all sign.",
        default: Fallback::Derived("none"),
        is_secret: true,
        right: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        wrong: "whsec_short",
    },
    Setting {
        name: "hook-networks",
        env: "SPRAG_HOOK_NETWORKS",
        placeholder: "ADDRESSES",
        help: "Networks that webhooks, hooks and a breach-check by URL may reach besides public addresses, and without TLS, as IP \
               addresses and networks with commas between them.",
        default: Fallback::Derived("none"),
        is_secret: false,
        right: "127.0.0.1,10.1.2.0/24,fd00::/8",
        wrong: "app.internal",
    },
];

/// Which other systems are told of events, and how they know that it is us.
#[derive(Clone, Debug)]
pub struct Webhooks {
    /// Who is told of what.
    pub told: Vec<Webhook>,
    /// What requests are signed with.
    pub secrets: Option<SigningSecrets>,
    /// The text of that.
    pub(super) secret: Option<Secret>,
    /// Which networks may be reached besides public addresses.
    pub networks: Vec<IpNet>,
}

/// Another system, and what it is told of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Webhook {
    /// Where.
    pub url: Url,
    /// Of what.
    pub wants: Vec<Wanted>,
}

impl Webhooks {
    pub(super) fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        let told = chosen.given("webhooks", webhooks)?.unwrap_or_default();
        let secret = chosen.given("webhook-secret", |text| Ok(Secret::new(text.to_owned())))?;
        let read = |text: &str| SigningSecrets::read(text).map_err(|error| error.to_string());
        let secrets = chosen.given("webhook-secret", read)?;
        if !told.is_empty() && secrets.is_none() {
            return Err(ConfigError::Together(format!(
                "{} is set, and nothing to sign with; set SPRAG_WEBHOOK_SECRET to what this prints: echo whsec_$(openssl rand -base64 32)",
                chosen.origin("webhooks").subject("webhooks")
            )));
        }
        let networks = chosen.given("hook-networks", networks)?.unwrap_or_default();
        Ok(Self { told, secrets, secret, networks })
    }
}

impl Webhook {
    /// As the library knows it.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        Endpoint { name: self.url.as_str().to_owned(), wants: self.wants.clone() }
    }
}

fn webhooks(text: &str) -> Parsed<Vec<Webhook>> {
    let mut told: Vec<Webhook> = Vec::new();
    for one in text.split(',') {
        let mut words = one.split_whitespace();
        let url = words.next().ok_or("there is nothing between two commas; take one out")?;
        let url = outgoing::target(url)?;
        let wants: Vec<Wanted> = words.map(wanted).collect::<Parsed<_>>()?;
        if wants.is_empty() {
            return Err(format!(
                "it does not say what {} is told of; write all, critical, or kinds of events behind it",
                outgoing::shown(&url)
            ));
        }
        if told.iter().any(|known| known.url == url) {
            return Err(format!(
                "{} stands there twice; name all its events behind one",
                outgoing::shown(&url)
            ));
        }
        told.push(Webhook { url, wants });
    }
    if told.len() > MOST_WEBHOOKS {
        return Err(format!("there are {} of them, and {MOST_WEBHOOKS} are the most", told.len()));
    }
    Ok(told)
}

fn wanted(word: &str) -> Parsed<Wanted> {
    let severity = Severity::ALL.iter().find(|severity| severity.name() == word);
    match (word, severity, EventKind::named(word)) {
        ("all", ..) => Ok(Wanted::Severity(Severity::Notice)),
        (_, Some(severity), _) => Ok(Wanted::Severity(*severity)),
        (_, _, Some(kind)) => Ok(Wanted::Kind(kind)),
        _ => Err(format!(
            "{} is no kind of event; docs/reference/events.md has them, and there are all, warning and critical",
            quoted(word)
        )),
    }
}

fn networks(text: &str) -> Parsed<Vec<IpNet>> {
    let network = |part: &str| {
        let part = part.trim();
        let address = || part.parse::<IpAddr>().ok().map(IpNet::from);
        part.parse::<IpNet>().ok().map(|network| network.trunc()).or_else(address).ok_or_else(|| {
            format!(
                "{} is no IP address and no network; write them like 10.1.2.3 or 10.1.2.0/24",
                quoted(part)
            )
        })
    };
    text.split(',').map(network).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_endpoint_says_what_it_is_told_of() {
        let told =
            webhooks("https://a.example.org/in all, http://b.example.org/ critical login_failed").unwrap();
        assert_eq!(told[0].wants, [Wanted::Severity(Severity::Notice)]);
        assert_eq!(
            told[1].wants,
            [Wanted::Severity(Severity::Critical), Wanted::Kind(EventKind::LoginFailed)]
        );
        for text in [
            "",
            "https://a.example.org/in",
            "https://a.example.org/in all,",
            "https://a.example.org/in all,https://a.example.org/in critical",
            "ftp://a.example.org/in all",
        ] {
            assert!(webhooks(text).is_err(), "{text}");
        }
    }

    #[test]
    fn networks_are_addresses_and_ranges() {
        let named = networks("127.0.0.1, 10.1.2.7/24,fd00::/8").unwrap();
        let named: Vec<String> = named.iter().map(ToString::to_string).collect();
        assert_eq!(named, ["127.0.0.1/32", "10.1.2.0/24", "fd00::/8"]);
        assert!(networks("app.internal").is_err());
    }
}
