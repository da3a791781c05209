//! What a log-in does besides that it opens a session.

use super::{Engine, Requester, grace, risk};
use crate::account::Account;
use crate::audit::Event;
use crate::clock::Timestamp;
use crate::news;
use crate::risk::Risk;
use crate::session::SessionKey;
use crate::store::Step;

impl Engine {
    /// The owner is told of a log-in where it is news, and an account that was to be
    /// erased is kept. With it, what the journal says.
    pub(super) fn along_with_login(
        &self,
        account: &Account,
        risk: Option<&Risk>,
        requester: &Requester,
        key: SessionKey,
        now: Timestamp,
    ) -> (Vec<Step>, Vec<Event>) {
        let is_news = risk.is_some_and(news::is_news);
        let mut along = if is_news { self.news(account, requester, now) } else { Vec::new() };
        let mut events = risk::events(risk, requester, key, now);
        if account.erase_at.is_some() {
            along.extend(grace::calling_off());
            events.push(grace::called_off(requester, account.id, now));
        }
        (along, events)
    }
}
