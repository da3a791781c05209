//! Who is asking, as far as a request shows.

use crate::audit::{BY_ADMINISTRATOR, Event, EventKind};
use crate::clock::Timestamp;
use crate::prefix::Prefix;
use crate::session::{AccountId, EndCause, SessionKey, ShortHash};
use crate::store::Ending;

/// Who is asking, as far as a request shows: what the journal and the list of sessions tell of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Requester {
    /// The address of the peer, behind whatever proxies are trusted.
    pub ip: Option<String>,
    /// What the client calls itself.
    pub user_agent: Option<String>,
    /// The client instance, hashed by [`hash_instance`](crate::token::hash_instance).
    pub instance: ShortHash,
    /// The instance that the client said it is, by a cookie or a header, so that it is no guess. A device that has none yet gets its cookie
    /// with its session: until then this is not the instance that the session will be of.
    pub named_instance: Option<ShortHash>,
    /// The administrator who does this to somebody's account, where one does: the journal names them.
    pub acting: Option<AccountId>,
    /// Whether the address is that of a peer on this machine or in a private network which nobody has named as a proxy, and
    /// which may be one: then it may speak for many.
    pub may_be_proxy: bool,
    /// The languages that they read, as a browser says (`Accept-Language`); only where a letter may come of the request.
    pub languages: Option<String>,
}

impl Requester {
    /// Nobody in person: what happens by an import or by itself.
    #[must_use]
    pub fn nobody() -> Self {
        Self {
            ip: None,
            user_agent: None,
            instance: [0; 16],
            named_instance: None,
            may_be_proxy: false,
            acting: None,
            languages: None,
        }
    }

    /// The network they come from.
    #[must_use]
    pub fn prefix(&self) -> Prefix {
        Prefix::of(self.ip.as_deref())
    }

    /// How a session ends that this client ends.
    #[must_use]
    pub fn ending(&self, cause: EndCause, at: Timestamp) -> Ending {
        Ending {
            cause,
            at,
            ip: self.ip.clone(),
            user_agent: self.user_agent.clone(),
            note: self.told_by(None),
        }
    }

    /// What the journal adds to an entry: who did it, where that is not the one whose account it is.
    fn told_by(&self, note: Option<String>) -> Option<String> {
        let Some(administrator) = self.acting else { return note };
        let by = format!("{BY_ADMINISTRATOR}{administrator}");
        Some(note.map_or_else(|| by.clone(), |note| format!("{by}: {note}")))
    }

    /// What happened to a session by this client.
    pub(crate) fn event(
        &self,
        key: SessionKey,
        kind: EventKind,
        at: Timestamp,
        note: Option<String>,
    ) -> Event {
        Event { session: Some(key.session), ..self.event_of_account(key.account, kind, at, note) }
    }

    /// What happened to an account by this client.
    pub(crate) fn event_of_account(
        &self,
        account: AccountId,
        kind: EventKind,
        at: Timestamp,
        note: Option<String>,
    ) -> Event {
        let (ip, user_agent) = (self.ip.clone(), self.user_agent.clone());
        Event { account, at, kind, session: None, cause: None, ip, user_agent, note: self.told_by(note) }
    }
}
