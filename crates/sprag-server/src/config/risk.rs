//! How log-ins are weighed that are unlike those before them.

use std::path::PathBuf;

use sprag::risk::RiskPolicy;

use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};
use super::value::{self, Parsed};

/// The most that a reason adds.
const MOST_WEIGHT: u32 = 1000;

/// The highest threshold: more than all reasons together come to.
const MOST_SUM: u32 = 10_000;

macro_rules! weight {
    ($name:literal, $env:literal, $help:literal, $default:literal) => {
        Setting {
            name: $name,
            env: $env,
            placeholder: "WEIGHT",
            help: concat!(
                "What it adds to a log-in's risk ",
                $help,
                " (0 to 1000; 0: it is not looked for)."
            ),
            default: Fallback::Value($default),
            is_secret: false,
            right: "7",
            wrong: "1001",
        }
    };
}

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "risk-notify",
        env: "SPRAG_RISK_NOTIFY",
        placeholder: "SUM|off",
        help: "From which risk on the journal warns of a log-in (1 to 10000), or off.",
        default: Fallback::Value("40"),
        is_secret: false,
        right: "50",
        wrong: "0",
    },
    Setting {
        name: "risk-second-factor",
        env: "SPRAG_RISK_SECOND_FACTOR",
        placeholder: "SUM|off",
        help: "From which risk on a log-in needs a second factor (1 to 10000), or off; of an account that has none, the code of a \
               letter, where letters are sent to an address that is confirmed, and else no session opens.",
        default: Fallback::Value("off"),
        is_secret: false,
        right: "60",
        wrong: "often",
    },
    Setting {
        name: "risk-refuse",
        env: "SPRAG_RISK_REFUSE",
        placeholder: "SUM|off",
        help: "From which risk on no session opens though the password is right (1 to 10000), or off.",
        default: Fallback::Value("off"),
        is_secret: false,
        right: "100",
        wrong: "-1",
    },
    weight!(
        "risk-new-device",
        "SPRAG_RISK_NEW_DEVICE",
        "that the account has not logged in from this device before",
        "20"
    ),
    weight!(
        "risk-new-country",
        "SPRAG_RISK_NEW_COUNTRY",
        "that the account has not logged in from this country before",
        "30"
    ),
    weight!(
        "risk-impossible-travel",
        "SPRAG_RISK_IMPOSSIBLE_TRAVEL",
        "that nobody travels so fast from where the last log-in was",
        "50"
    ),
    weight!(
        "risk-failures-before",
        "SPRAG_RISK_FAILURES_BEFORE",
        "that log-ins to the account failed in the hour before",
        "20"
    ),
    weight!(
        "risk-listed-address",
        "SPRAG_RISK_LISTED_ADDRESS",
        "that its address is on the list of risk-addresses",
        "40"
    ),
    weight!(
        "risk-breached-password",
        "SPRAG_RISK_BREACHED_PASSWORD",
        "that the password is known from a breach, by breach-check",
        "20"
    ),
    Setting {
        name: "risk-failures",
        env: "SPRAG_RISK_FAILURES",
        placeholder: "COUNT",
        help: "How many log-ins to an account must have failed in the hour before for that to count (1 to 1000).",
        default: Fallback::Value("5"),
        is_secret: false,
        right: "3",
        wrong: "0",
    },
    Setting {
        name: "risk-speed",
        env: "SPRAG_RISK_SPEED",
        placeholder: "KM/H",
        help: "How fast people travel between two log-ins, in kilometres an hour (100 to 100000).",
        default: Fallback::Value("1000"),
        is_secret: false,
        right: "900",
        wrong: "99",
    },
    Setting {
        name: "risk-addresses",
        env: "SPRAG_RISK_ADDRESSES",
        placeholder: "FILE",
        help: "A file of addresses and networks to beware of, one a line; what follows # is for people. It is read again when it \
               changes.",
        default: Fallback::Derived("none"),
        is_secret: false,
        right: "/etc/sprag/addresses",
        wrong: "",
    },
];

/// How log-ins are weighed.
#[derive(Clone, Debug)]
pub struct Risk {
    /// What each reason adds, and what is done about the sum.
    pub policy: RiskPolicy,
    /// The file of addresses to beware of.
    pub addresses: Option<PathBuf>,
}

impl Risk {
    pub(super) fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        let weight = |name: &str| chosen.typed(name, |text| value::count(text, 0, MOST_WEIGHT));
        let threshold = |name: &str| chosen.typed(name, threshold);
        let policy = RiskPolicy {
            new_device: weight("risk-new-device")?,
            new_country: weight("risk-new-country")?,
            impossible_travel: weight("risk-impossible-travel")?,
            failures_before: weight("risk-failures-before")?,
            listed_address: weight("risk-listed-address")?,
            breached_password: weight("risk-breached-password")?,
            failures: chosen.typed("risk-failures", |text| value::count(text, 1, 1000))?,
            speed_kmh: chosen.typed("risk-speed", |text| value::count(text, 100, 100_000))?,
            notify: threshold("risk-notify")?,
            second_factor: threshold("risk-second-factor")?,
            refuse: threshold("risk-refuse")?,
        };
        let addresses = chosen.given("risk-addresses", |text| value::file(text, "/etc/sprag/addresses"))?;
        Ok(Self { policy, addresses })
    }
}

fn threshold(text: &str) -> Parsed<Option<u32>> {
    if text == "off" {
        return Ok(None);
    }
    value::count(text, 1, MOST_SUM).map(Some).map_err(|wrong| format!("{wrong}; or off"))
}
