//! What values must hold together: order of lifetimes, and combinations that are not safe.

use std::time::Duration;

use sprag::policy::Policy;

use super::error::ConfigError;
use super::settings::Setting;
use super::sources::Origin;
use super::{Config, Lifetimes, Secret};
use sprag::access::Algorithm;

impl Config {
    /// The profile's policy with what was set for every profile in its place.
    ///
    /// # Errors
    ///
    /// Lifetimes that contradict each other once both are taken together.
    pub fn over(&self, profile: &str, mut policy: Policy) -> Result<Policy, ConfigError> {
        let given = self.lifetimes;
        policy.reuse_interval = given.reuse_interval.unwrap_or(policy.reuse_interval);
        policy.retry = given.retry.unwrap_or(policy.retry);
        policy.access_ttl = given.access_ttl.unwrap_or(policy.access_ttl);
        policy.idle_timeout = given.idle_timeout.unwrap_or(policy.idle_timeout);
        policy.absolute_lifetime = given.absolute_lifetime.unwrap_or(policy.absolute_lifetime);
        let all = Lifetimes {
            reuse_interval: Some(policy.reuse_interval),
            retry: Some(policy.retry),
            access_ttl: Some(policy.access_ttl),
            idle_timeout: Some(policy.idle_timeout),
            absolute_lifetime: Some(policy.absolute_lifetime),
        };
        all.in_order(&format!("on the profile {profile}, "), |name| self.origin(name))?;
        Ok(policy)
    }
}

impl Lifetimes {
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

/// A span as a setting would be written.
#[must_use]
pub fn spell(span: Duration) -> String {
    let seconds = span.as_secs();
    let (size, unit) = match seconds {
        0 => (1, 's'),
        _ if seconds.is_multiple_of(86_400) => (86_400, 'd'),
        _ if seconds.is_multiple_of(3600) => (3600, 'h'),
        _ if seconds.is_multiple_of(60) => (60, 'm'),
        _ => (1, 's'),
    };
    format!("{}{unit}", seconds / size)
}

/// Refuses to be reached from elsewhere under a URL that only works here.
pub(super) fn reachable(config: &Config, public_url: &Origin) -> Result<(), ConfigError> {
    let address = config.listen.ip();
    if *public_url != Origin::Default || address.is_loopback() {
        return Ok(());
    }
    Err(ConfigError::Together(format!(
        "listening on {} serves other machines, and they need a URL that is not http; set --public-url https://… \
         to the URL clients use, or --public-url http://localhost:{} if only this machine reaches it",
        config.listen,
        config.listen.port()
    )))
}

/// Refuses an HS256 secret without HS256, and one that cannot be relied on.
pub(super) fn signing(
    algorithm: Algorithm,
    secret: Option<&Secret>,
    origin: &Origin,
) -> Result<(), ConfigError> {
    match (algorithm, secret) {
        (Algorithm::Hs256, Some(secret)) => match super::secret::weakness(secret.expose()) {
            Some(problem) => {
                Err(ConfigError::Value { setting: "hs256-secret", origin: origin.clone(), problem })
            }
            None => Ok(()),
        },
        (_, Some(_)) => Err(ConfigError::Together(format!(
            "{} is a secret for HS256, and tokens are signed with {}; remove it, or set \
             SPRAG_SIGNING_ALGORITHM=HS256",
            origin.subject("hs256-secret"),
            algorithm.name()
        ))),
        // HS256 too: then the key ring has a secret of its own.
        (_, None) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_spelled_in_the_largest_unit_that_fits() {
        for text in ["0s", "30s", "90s", "15m", "36h", "7d"] {
            assert_eq!(super::super::value::duration(text).map(spell).as_deref(), Some(text));
        }
    }
}
