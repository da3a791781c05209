//! Whether clients are limited in how often they may ask, and how often that is.

use std::time::Duration;

use sprag::budget::{Budget, Rate};
use sprag::limits::Rates;

use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};
use super::value::{self, Parsed};
use crate::duration;
use crate::quoted::quoted;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "rate-limits",
        env: "SPRAG_RATE_LIMITS",
        placeholder: "on|off",
        help: "Whether this server limits how often somebody may try: on or off.",
        default: Fallback::Value("on"),
        is_secret: false,
        right: "off",
        wrong: "false",
    },
    Setting {
        name: "limit-login-account",
        env: "SPRAG_LIMIT_LOGIN_ACCOUNT",
        placeholder: "RATE",
        help: "How many wrong passwords strangers may try at one account, at once and then per time.",
        default: Fallback::Value("10, 1/1m"),
        is_secret: false,
        right: "5, 1/5m",
        wrong: "10 per minute",
    },
    Setting {
        name: "limit-login-prefix",
        env: "SPRAG_LIMIT_LOGIN_PREFIX",
        placeholder: "RATE",
        help: "How many log-ins, right or wrong, may come from one network, 24 bits of an IPv4 address or 64 of an IPv6 one, at \
               once and then per time.",
        default: Fallback::Value("60, 1/1s"),
        is_secret: false,
        right: "200, 10/1s",
        wrong: "0, 1/1s",
    },
    Setting {
        name: "limit-login-device",
        env: "SPRAG_LIMIT_LOGIN_DEVICE",
        placeholder: "RATE",
        help: "How many wrong passwords in a row may be tried on a device that the account has logged in from, before it counts \
               as a stranger's; and how many more per time.",
        default: Fallback::Value("10, 1/1d"),
        is_secret: false,
        right: "20, 1/1h",
        wrong: "10, 1/0s",
    },
    Setting {
        name: "limit-login-known",
        env: "SPRAG_LIMIT_LOGIN_KNOWN",
        placeholder: "RATE",
        help: "How many log-ins, right or wrong, may come from all devices together that the account has logged in from, before \
               they count as strangers'; at once and then per time.",
        default: Fallback::Value("60, 1/1s"),
        is_secret: false,
        right: "200, 10/1s",
        wrong: "60 per second",
    },
    Setting {
        name: "limit-register-prefix",
        env: "SPRAG_LIMIT_REGISTER_PREFIX",
        placeholder: "RATE",
        help: "How many accounts may be made from one network where whoever comes may make them, at once and then per time.",
        default: Fallback::Value("20, 1/30s"),
        is_secret: false,
        right: "5, 1/10m",
        wrong: "5, 0/10m",
    },
    Setting {
        name: "limit-mail-address",
        env: "SPRAG_LIMIT_MAIL_ADDRESS",
        placeholder: "RATE",
        help: "How many letters may be asked for to one address, whether anybody here has it or not, at once and then per time.",
        default: Fallback::Value("5, 1/10m"),
        is_secret: false,
        right: "3, 1/1h",
        wrong: "5 per hour",
    },
    Setting {
        name: "limit-mail-prefix",
        env: "SPRAG_LIMIT_MAIL_PREFIX",
        placeholder: "RATE",
        help: "How many letters may be asked for from one network, at once and then per time.",
        default: Fallback::Value("30, 1/10s"),
        is_secret: false,
        right: "10, 1/1m",
        wrong: "30, 0/10s",
    },
    Setting {
        name: "limit-factor-account",
        env: "SPRAG_LIMIT_FACTOR_ACCOUNT",
        placeholder: "RATE",
        help: "How many codes of a second factor may be tried at one account, at once and then per time; also where rate-limits is \
               off.",
        default: Fallback::Value("10, 1/1m"),
        is_secret: false,
        right: "5, 1/5m",
        wrong: "10 codes",
    },
    Setting {
        name: "known-devices",
        env: "SPRAG_KNOWN_DEVICES",
        placeholder: "on|off",
        help: "Whether accounts know the devices that they have logged in from, by a cookie, so that strangers who guess lock \
               nobody out: on or off.",
        default: Fallback::Value("on"),
        is_secret: false,
        right: "off",
        wrong: "yes",
    },
];

/// How often somebody may try.
#[derive(Clone, Debug)]
pub struct Limits {
    /// How much each budget holds.
    pub rates: Rates,
    /// Whether accounts know the devices that they have logged in from.
    pub knows_devices: bool,
}

impl Limits {
    pub(super) fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        let is_on = chosen.typed("rate-limits", value::switch)?;
        let mut rates = if is_on { Rates::default() } else { Rates::off() };
        for budget in Budget::ALL {
            rates = rates.with(*budget, chosen.typed(setting_of(*budget), rate)?);
        }
        Ok(Self { rates, knows_devices: chosen.typed("known-devices", value::switch)? })
    }
}

/// The setting that says how much a budget holds.
fn setting_of(budget: Budget) -> &'static str {
    match budget {
        Budget::LoginAccount => "limit-login-account",
        Budget::LoginPrefix => "limit-login-prefix",
        Budget::LoginDevice => "limit-login-device",
        Budget::LoginKnown => "limit-login-known",
        Budget::RegisterPrefix => "limit-register-prefix",
        Budget::MailAddress => "limit-mail-address",
        Budget::MailPrefix => "limit-mail-prefix",
        Budget::FactorAccount => "limit-factor-account",
    }
}

/// The most that a budget holds, and comes back at once.
const MOST: u32 = 1_000_000;

/// A rate as people write it: how many at once, and how many come back in which time.
pub(super) fn rate(text: &str) -> Parsed<Rate> {
    let wrong = || {
        format!(
            "{} is no rate; write how many at once, a comma, and how many more in which time, as \"10, 1/1m\"",
            quoted(text)
        )
    };
    let (burst, again) = text.split_once(',').ok_or_else(wrong)?;
    let (count, span) = again.trim().split_once('/').ok_or_else(wrong)?;
    let burst = value::count(burst.trim(), 1, MOST)?;
    let count = value::count(count.trim(), 1, MOST)?;
    let span = duration::parse(span.trim())?;
    let interval = span / count;
    if interval < Duration::from_millis(1) || interval.saturating_mul(burst) > duration::MAX_DURATION {
        return Err(format!(
            "{} is out of bounds: at most 1000 come back in a second, and all of them within ten years",
            quoted(text)
        ));
    }
    Ok(Rate { burst, interval })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_how_many_at_once_and_how_many_per_time() {
        let read = |text| rate(text).map(|rate| (rate.burst, rate.interval.as_millis()));
        assert_eq!(read("10, 1/1m"), Ok((10, 60_000)));
        assert_eq!(read("3000,300/1s"), Ok((3000, 3)));
        assert_eq!(read(" 1 , 5 / 1h "), Ok((1, 720_000)));
        for text in
            ["", "10", "10, 1", "10/1m", "10, 1/1", "0, 1/1m", "1, 0/1m", "1, 2000/1s", "1, 1/0s", "9, 1/1w"]
        {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_usual_is_the_default_of_its_setting() {
        for budget in Budget::ALL {
            let name = setting_of(*budget);
            let setting = SETTINGS.iter().find(|setting| setting.name == name).expect(name);
            assert_eq!(rate(setting.default.text()), Ok(budget.usual()), "{name}");
        }
    }
}
