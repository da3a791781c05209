//! How sessions end by a commit, and which give way to a new one.

use crate::audit::{Event, EventKind};
use crate::clock::Timestamp;
use crate::session::{EndCause, SessionId, SessionKey};

/// Which sessions give way to a new one: first the one whose place it takes, if it has not ended, then the longest unused
/// of those that live, until the new one makes [`most`](Self::most) of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Room {
    /// The session of the same account on the same device whose place the new one takes, if there is one.
    pub replaces: Option<SessionId>,
    /// How many live sessions the account may have, the new one included.
    pub most: u32,
    /// Whether just one session gives way where there are too many: the one that is replaced, or else the longest unused.
    /// The account may have brought more than `most` from the source system, and nobody is logged out by moving.
    pub spares_the_rest: bool,
    /// How they end; what lives is seen at its moment.
    pub ending: Ending,
}

impl Room {
    /// How many sessions may give way, besides the one that is replaced; whether that one lived until then is for the
    /// store to see in the same transaction, or log-ins at one moment would all take the place of one.
    pub(super) fn may_give_way(&self, has_replaced_a_live_one: bool) -> usize {
        match (self.spares_the_rest, has_replaced_a_live_one) {
            (false, _) => usize::MAX,
            (true, true) => 0,
            (true, false) => 1,
        }
    }
}

/// How sessions are ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ending {
    /// Why.
    pub cause: EndCause,
    /// When.
    pub at: Timestamp,
    /// By whom, as seen from here.
    pub ip: Option<String>,
    /// By which program, as it called itself.
    pub user_agent: Option<String>,
    /// What else the journal should say.
    pub note: Option<String>,
}

impl Ending {
    /// The journal's event for one session that ends so.
    #[must_use]
    pub fn event(&self, key: SessionKey) -> Event {
        Event {
            account: key.account,
            at: self.at,
            kind: EventKind::SessionEnded,
            session: Some(key.session),
            cause: Some(self.cause),
            ip: self.ip.clone(),
            user_agent: self.user_agent.clone(),
            note: self.note.clone(),
        }
    }

    /// An ending that nobody asked for in person.
    #[must_use]
    pub fn by_itself(cause: EndCause, at: Timestamp) -> Self {
        Self { cause, at, ip: None, user_agent: None, note: None }
    }

    /// An ending that follows from what `event` tells: the same moment, address and client.
    #[must_use]
    pub fn along_with(event: &Event, cause: EndCause) -> Self {
        Self { cause, at: event.at, ip: event.ip.clone(), user_agent: event.user_agent.clone(), note: None }
    }
}
