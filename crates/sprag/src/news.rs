//! News for the owner of an account: which entries of its journal they are told of, and in what words of ours.

use serde::{Deserialize, Serialize};

use crate::audit::{Event, EventKind};
use crate::clock::Timestamp;
use crate::risk::{Decision, Reason, Risk};
use crate::session::EndCause;

/// What an owner is told of.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewsKind {
    /// A log-in from a new device or country, or one that is otherwise unlike those before it.
    Login,
    /// A session ended because somebody else had its token.
    Reuse,
    /// The password was changed.
    Password,
}

impl NewsKind {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::Login, Self::Reuse, Self::Password];

    /// Its name, which is also that of its words.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Login => "news_login",
            Self::Reuse => "news_reuse",
            Self::Password => "news_password",
        }
    }

    /// What an entry of the journal is to the account's owner, if it is news.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        match (event.kind, event.cause) {
            (EventKind::SessionOpened, _) => {
                let risk: Risk = event.note.as_deref()?.parse().ok()?;
                is_news(&risk).then_some(Self::Login)
            }
            (EventKind::SessionEnded, Some(EndCause::Reuse | EndCause::Lockstep)) => Some(Self::Reuse),
            (EventKind::PasswordChanged, _) => Some(Self::Password),
            _ => None,
        }
    }
}

/// Whether an owner is told of such a log-in.
#[must_use]
pub fn is_news(risk: &Risk) -> bool {
    let is_new = |reason| matches!(reason, Reason::NewDevice | Reason::NewCountry);
    risk.decision >= Decision::Notify || risk.reasons.iter().any(|found| is_new(found.reason))
}

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct News {
    /// What.
    pub kind: NewsKind,
    /// When.
    pub at: Timestamp,
    /// With what, as people would call it.
    pub device: Option<String>,
    /// In which place.
    pub place: Option<String>,
    /// From which address.
    pub ip: Option<String>,
    /// Whether an administrator did it: with what, and from where, is theirs and is not told.
    #[serde(default)]
    pub is_by_administrator: bool,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::NOBODY;

    fn event(kind: EventKind, cause: Option<EndCause>, note: Option<&str>) -> Event {
        let note = note.map(str::to_owned);
        Event {
            account: NOBODY,
            at: Timestamp(0),
            kind,
            session: None,
            cause,
            ip: None,
            user_agent: None,
            note,
        }
    }

    #[test]
    fn what_an_owner_is_told_of() {
        let of = |kind, cause, note| NewsKind::of(&event(kind, cause, note));
        let (opened, ended) = (EventKind::SessionOpened, EventKind::SessionEnded);
        assert_eq!(of(opened, None, None), None, "a familiar log-in");
        assert_eq!(of(opened, None, Some("risk 20 (allow): new_device 20")), Some(NewsKind::Login));
        assert_eq!(of(opened, None, Some("risk 30 (allow): new_country 30 (AU)")), Some(NewsKind::Login));
        let failures = "risk 20 (allow): failures_before 20 (7 in the hour before)";
        assert_eq!(of(opened, None, Some(failures)), None);
        assert_eq!(of(opened, None, Some("risk 40 (notify): listed_address 40")), Some(NewsKind::Login));
        assert_eq!(of(ended, Some(EndCause::Reuse), None), Some(NewsKind::Reuse));
        assert_eq!(of(ended, Some(EndCause::Logout), None), None);
        assert_eq!(of(EventKind::PasswordChanged, None, None), Some(NewsKind::Password));
        assert_eq!(of(EventKind::RiskyLogin, None, None), None, "told with the session");
    }
}
