//! How long sessions live and are kept, and how many an account may have.

use std::num::NonZeroU32;
use std::time::Duration;

use sprag::policy::{Policy, Retry};

use super::chosen::Chosen;
use super::error::ConfigError;
use super::origin::Origin;
use super::setting::{Fallback, Setting};
use super::value::{self, Parsed};
use crate::duration::spell;
use crate::quoted::quoted;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "reuse-interval",
        env: "SPRAG_REUSE_INTERVAL",
        placeholder: "SPAN",
        help: "How long after a rotation the token just spent is answered again, on every profile (0s to 300s).",
        default: Fallback::Derived("the profile's"),
        is_secret: false,
        right: "10s",
        wrong: "301s",
    },
    Setting {
        name: "retry",
        env: "SPRAG_RETRY",
        placeholder: "answer|refuse",
        help: "What the token just spent gets within the reuse interval, on every profile: answer gives the same successor \
               again, refuse is a 401 that ends nothing.",
        default: Fallback::Derived("the profile's"),
        is_secret: false,
        right: "answer",
        wrong: "yes",
    },
    Setting {
        name: "access-ttl",
        env: "SPRAG_ACCESS_TTL",
        placeholder: "SPAN",
        help: "How long an access token lives, on every profile (1s to 24h).",
        default: Fallback::Derived("the profile's"),
        is_secret: false,
        right: "5m",
        wrong: "25h",
    },
    Setting {
        name: "idle-timeout",
        env: "SPRAG_IDLE_TIMEOUT",
        placeholder: "SPAN",
        help: "How long a session lives without a refresh, on every profile (1s to 3650d).",
        default: Fallback::Derived("the profile's"),
        is_secret: false,
        right: "14d",
        wrong: "0s",
    },
    Setting {
        name: "absolute-lifetime",
        env: "SPRAG_ABSOLUTE_LIFETIME",
        placeholder: "SPAN",
        help: "How long a session lives at all, on every profile (1s to 3650d).",
        default: Fallback::Derived("the profile's"),
        is_secret: false,
        right: "90d",
        wrong: "1 year",
    },
    Setting {
        name: "fresh-for",
        env: "SPRAG_FRESH_FOR",
        placeholder: "SPAN",
        help: "How long ago somebody may have shown who they are, by a log-in or a step-up, for calls that change what they log in \
               with or somebody else's account (1s to 24h).",
        default: Fallback::Value("10m"),
        is_secret: false,
        right: "5m",
        wrong: "0s",
    },
    Setting {
        name: "sessions-per-account",
        env: "SPRAG_SESSIONS_PER_ACCOUNT",
        placeholder: "COUNT",
        help: "How many live sessions one account may have; a log-in beyond it replaces the longest unused (1 to 10000).",
        default: Fallback::Value("100"),
        is_secret: false,
        right: "5",
        wrong: "0",
    },
    Setting {
        name: "keep-ended",
        env: "SPRAG_KEEP_ENDED",
        placeholder: "SPAN",
        help: "How long an ended session is kept, so that its client can be told why it ended (0s to 3650d).",
        default: Fallback::Value("30d"),
        is_secret: false,
        right: "7d",
        wrong: "7w",
    },
    Setting {
        name: "keep-journal",
        env: "SPRAG_KEEP_JOURNAL",
        placeholder: "SPAN",
        help: "How long the journal's entries are kept, by a server that may remove them or by `sprag audit cut` (1s to 3650d, \
               or forever).",
        default: Fallback::Value("forever"),
        is_secret: false,
        right: "400d",
        wrong: "0s",
    },
    Setting {
        name: "sweep-interval",
        env: "SPRAG_SWEEP_INTERVAL",
        placeholder: "SPAN",
        help: "How often sessions that are over are swept away; 0s is never (0s to 24h).",
        default: Fallback::Value("10m"),
        is_secret: false,
        right: "1h",
        wrong: "2d",
    },
];

/// How long sessions live and are kept, and how many an account may have.
#[derive(Clone, Debug)]
pub struct Sessions {
    /// What was set for every profile.
    pub lifetimes: Lifetimes,
    /// How long ago somebody may have shown who they are for what wants that fresh.
    pub fresh_for: Duration,
    /// How many live sessions one account may have.
    pub per_account: NonZeroU32,
    /// How long an ended session is kept, so that its client can be told why.
    pub keep_ended: Duration,
    /// How long the journal's entries are kept; `None` is for ever.
    pub keep_journal: Option<Duration>,
    /// How often sessions that are over are swept away; `None` is never.
    pub sweep_interval: Option<Duration>,
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

impl Sessions {
    pub(super) fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        let most = NonZeroU32::MIN.saturating_add(9_999);
        let per_account =
            chosen.typed("sessions-per-account", |text| value::count(text, NonZeroU32::MIN, most))?;
        let sweep_interval = chosen.span("sweep-interval", "0s", "24h")?;
        Ok(Self {
            lifetimes: Lifetimes::from(chosen)?,
            fresh_for: chosen.span("fresh-for", "1s", "24h")?,
            per_account,
            keep_journal: chosen.typed("keep-journal", kept)?,
            keep_ended: chosen.span("keep-ended", "0s", "3650d")?,
            sweep_interval: (!sweep_interval.is_zero()).then_some(sweep_interval),
        })
    }
}

impl Lifetimes {
    fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        Ok(Self {
            reuse_interval: chosen.profile_span("reuse-interval", "0s", "300s")?,
            retry: chosen.given("retry", retry)?,
            access_ttl: chosen.profile_span("access-ttl", "1s", "24h")?,
            idle_timeout: chosen.profile_span("idle-timeout", "1s", "3650d")?,
            absolute_lifetime: chosen.profile_span("absolute-lifetime", "1s", "3650d")?,
        })
    }

    /// The policy of the profile of that name with what was set for every profile in its place.
    pub(super) fn over<'a>(
        &self,
        profile: &str,
        mut policy: Policy,
        origin: impl Fn(&str) -> &'a Origin,
    ) -> Result<Policy, ConfigError> {
        policy.reuse_interval = self.reuse_interval.unwrap_or(policy.reuse_interval);
        policy.retry = self.retry.unwrap_or(policy.retry);
        policy.access_ttl = self.access_ttl.unwrap_or(policy.access_ttl);
        policy.idle_timeout = self.idle_timeout.unwrap_or(policy.idle_timeout);
        policy.absolute_lifetime = self.absolute_lifetime.unwrap_or(policy.absolute_lifetime);
        let all = Self {
            reuse_interval: Some(policy.reuse_interval),
            retry: Some(policy.retry),
            access_ttl: Some(policy.access_ttl),
            idle_timeout: Some(policy.idle_timeout),
            absolute_lifetime: Some(policy.absolute_lifetime),
        };
        all.in_order(&format!("on the profile {profile}, "), origin)?;
        Ok(policy)
    }

    /// Refuses an access token that outlives its session, and an idle timeout that never comes.
    pub(super) fn in_order<'a>(
        &self,
        place: &str,
        origin: impl Fn(&str) -> &'a Origin,
    ) -> Result<(), ConfigError> {
        let access = ("access-ttl", self.access_ttl);
        let idle = ("idle-timeout", self.idle_timeout);
        let absolute = ("absolute-lifetime", self.absolute_lifetime);
        let from = |name| match origin(name) {
            Origin::Default => "the profile's own".to_owned(),
            given => given.subject(name),
        };
        for ((short, shorter), (long, longer)) in [(access, idle), (access, absolute), (idle, absolute)] {
            if let (Some(shorter), Some(longer)) = (shorter, longer)
                && shorter > longer
            {
                let variable = Setting::named(long).map_or(long, |setting| setting.env);
                return Err(ConfigError::Together(format!(
                    "{place}{short} is {} ({}) and {long} is {} ({}); make {short} the same or shorter, or {long} the \
                     same or longer, as {variable}={}",
                    spell(shorter),
                    from(short),
                    spell(longer),
                    from(long),
                    spell(shorter)
                )));
            }
        }
        Ok(())
    }
}

/// How long something is kept, if not for ever.
fn kept(text: &str) -> Parsed<Option<Duration>> {
    match text {
        "forever" => Ok(None),
        _ => value::span(text, "1s", "3650d").map(Some),
    }
}

/// What the token just spent gets.
fn retry(text: &str) -> Parsed<Retry> {
    match text {
        "answer" => Ok(Retry::Answer),
        "refuse" => Ok(Retry::Refuse),
        _ => Err(format!("{} is neither answer nor refuse", quoted(text))),
    }
}
