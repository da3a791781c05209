//! How accounts are made, and which of the calls that are off by default are on.

use std::time::Duration;

use sprag::engine::Confirmation;

use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};
use super::value::Parsed;
use crate::name_lists::ListFile;
use crate::profile::{ID_KINDS, IdKind, MAX_FLOOR, Registration};
use crate::quoted::quoted;

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[
    Setting {
        name: "offers",
        env: "SPRAG_OFFERS",
        placeholder: "ACTIONS",
        help: "Which of the calls that are off by default are on, on every profile that has them, with commas between them, \
               as register,me,password; sprag profile list says what each profile has.",
        default: Fallback::Derived("the profile's"),
        is_secret: false,
        right: "register,me",
        wrong: "register,,me",
    },
    Setting {
        name: "registration",
        env: "SPRAG_REGISTRATION",
        placeholder: "open|invite|admin|closed",
        help: "Who may register an account, on every profile: open is anybody, invite whoever shows an invitation, admin an \
               administrator for others, closed nobody.",
        default: Fallback::Derived("the profile's"),
        is_secret: false,
        right: "open",
        wrong: "nobody",
    },
    Setting {
        name: "email-confirmation",
        env: "SPRAG_EMAIL_CONFIRMATION",
        placeholder: "off|asked|required",
        help: "Whether whoever registers confirms their address by the link of a letter, on every profile: off, asked (they log in all \
               the same), or required (no session before, and nothing tells whether an address has an account).",
        default: Fallback::Derived("the profile's"),
        is_secret: false,
        right: "asked",
        wrong: "on",
    },
    Setting {
        name: "reserved-names",
        env: "SPRAG_RESERVED_NAMES",
        placeholder: "FILE",
        help: "A file of user names, one a line, that nobody registers, in place of the list that this build brings; none is no \
               list. Administrators may give any name.",
        default: Fallback::Derived("a list of this build's"),
        is_secret: false,
        right: "./reserved-names.txt",
        wrong: "",
    },
    Setting {
        name: "disposable-domains",
        env: "SPRAG_DISPOSABLE_DOMAINS",
        placeholder: "FILE",
        help: "A file of mail domains, one a line, under which nobody registers an address, in place of the list that this build \
               brings of providers whose addresses are thrown away; none is no list. Administrators may give any address.",
        default: Fallback::Derived("a list of this build's"),
        is_secret: false,
        right: "none",
        wrong: "",
    },
    Setting {
        name: "deletion-grace",
        env: "SPRAG_DELETION_GRACE",
        placeholder: "SPAN",
        help: "How long an account stays whose owner wants it deleted (1m to 90d); a log-in in that time keeps it.",
        default: Fallback::Value("14d"),
        is_secret: false,
        right: "30d",
        wrong: "91d",
    },
    Setting {
        name: "next-id",
        env: "SPRAG_NEXT_ID",
        placeholder: "uuid|objectid|integer",
        help: "Which key a new account gets that other systems know it by, on every profile: uuid is its id here, objectid as \
               MongoDB makes them, integer a number above next-id-floor.",
        default: Fallback::Derived("the profile's"),
        is_secret: false,
        right: "objectid",
        wrong: "serial",
    },
    Setting {
        name: "next-id-floor",
        env: "SPRAG_NEXT_ID_FLOOR",
        placeholder: "NUMBER",
        help: "Above which number the keys of new accounts begin where they are integers (1 to 9000000000000000); choose one \
               that the back end beside this server, which goes on numbering, never reaches.",
        default: Fallback::Derived("the profile's"),
        is_secret: false,
        right: "1000000",
        wrong: "0",
    },
];

/// How accounts are made; `None` leaves each profile its own.
#[derive(Clone, Debug)]
pub struct Accounts {
    /// The actions whose optional routes are on.
    pub offers: Option<Vec<String>>,
    /// Who may register.
    pub registration: Option<Registration>,
    /// Whether whoever registers confirms their address.
    pub confirmation: Option<Confirmation>,
    /// Which user names nobody registers.
    pub reserved_names: ListFile,
    /// Under which domains nobody registers an address.
    pub disposable_domains: ListFile,
    /// How long an account stays whose owner wants it deleted.
    pub deletion_grace: Duration,
    /// Which kind of key a new account gets.
    pub next_id: Option<IdKind>,
    /// Above which number its key is, where that is a number.
    pub next_id_floor: Option<u64>,
}

impl Accounts {
    pub(super) fn from(chosen: &Chosen) -> Result<Self, ConfigError> {
        Ok(Self {
            offers: chosen.given("offers", actions)?,
            registration: chosen.given("registration", registration)?,
            confirmation: chosen.given("email-confirmation", confirmation)?,
            reserved_names: chosen.given("reserved-names", list)?.unwrap_or_default(),
            disposable_domains: chosen.given("disposable-domains", list)?.unwrap_or_default(),
            deletion_grace: chosen.span("deletion-grace", "1m", "90d")?,
            next_id: chosen.given("next-id", kind)?,
            next_id_floor: chosen.given("next-id-floor", floor)?,
        })
    }
}

/// Actions with commas between them. Which there are, the profiles know.
fn actions(text: &str) -> Parsed<Vec<String>> {
    let mut actions = Vec::new();
    for name in text.split(',').map(str::trim) {
        if name.is_empty() {
            return Err(format!("{} has nothing between two commas; write register,me", quoted(text)));
        }
        actions.push(name.to_owned());
    }
    Ok(actions)
}

fn registration(text: &str) -> Parsed<Registration> {
    let found = Registration::ALL.iter().find(|(word, _)| *word == text);
    let found = found.map(|(_, registration)| *registration);
    found.ok_or_else(|| format!("{} is none of open, invite, admin, closed", quoted(text)))
}

fn list(text: &str) -> Parsed<ListFile> {
    match text {
        "" => Err("it is empty; name a file, or write none".to_owned()),
        "none" => Ok(ListFile::None),
        path => Ok(ListFile::File(path.into())),
    }
}

fn confirmation(text: &str) -> Parsed<Confirmation> {
    match text {
        "off" => Ok(Confirmation::Off),
        "asked" => Ok(Confirmation::Asked),
        "required" => Ok(Confirmation::Required),
        _ => Err(format!("{} is none of off, asked, required", quoted(text))),
    }
}

fn kind(text: &str) -> Parsed<IdKind> {
    let found = ID_KINDS.iter().find(|(word, _)| *word == text);
    found.map(|(_, kind)| *kind).ok_or_else(|| format!("{} is none of uuid, objectid, integer", quoted(text)))
}

fn floor(text: &str) -> Parsed<u64> {
    let floor = text.parse().ok().filter(|floor| (1..=MAX_FLOOR).contains(floor));
    floor.ok_or_else(|| format!("{} is not a whole number from 1 to {MAX_FLOOR}", quoted(text)))
}
