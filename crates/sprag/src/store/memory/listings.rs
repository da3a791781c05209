//! Looking for several accounts at once.

use super::Tables;
use crate::account::{Account, Name};
use crate::clock::Timestamp;
use crate::one_time::OneTimeToken;
use crate::outbox::Queued;
use crate::session::AccountId;
use crate::store::{Kept, KeptMessage, KeptToken, Slice};

impl Tables {
    pub(super) fn names_beginning(&self, beginning: &Name, slice: &Slice<String>) -> Vec<(Name, AccountId)> {
        let found = self.names.iter().filter(|(name, _)| {
            name.begins_with(beginning) && slice.after.as_ref().is_none_or(|after| name.value > *after)
        });
        let mut found: Vec<_> = found.map(|(name, id)| (name.clone(), *id)).collect();
        found.sort_by(|(one, _), (other, _)| one.value.cmp(&other.value));
        found.truncate(slice.limit as usize);
        found
    }

    pub(super) fn accounts_among(&self, ids: &[AccountId]) -> Vec<Account> {
        let rows = ids.iter().filter_map(|id| self.rows.get(id));
        rows.filter_map(|rows| rows.account.clone()).collect()
    }

    pub(super) fn erasures_due(&self, now: Timestamp, limit: u32) -> Vec<AccountId> {
        let accounts = self.rows.values().filter_map(|rows| rows.account.as_ref());
        let due =
            accounts.filter_map(|account| Some((account.erase_at.filter(|at| *at <= now)?, account.id)));
        let mut due: Vec<_> = due.collect();
        due.sort_unstable();
        due.into_iter().map(|(_, id)| id).take(limit as usize).collect()
    }

    pub(super) fn kept(&self, account: AccountId) -> Kept {
        let Some(rows) = self.rows.get(&account) else { return Kept::default() };
        let token = |token: &OneTimeToken| KeptToken {
            made_at: token.made_at,
            expires_at: token.expires_at,
            purpose: token.purpose,
        };
        let message = |message: &Queued| KeptMessage {
            made_at: message.made_at,
            settled_at: message.settled_at,
            kind: message.kind,
        };
        let mut kept = Kept {
            credentials: rows.credentials.keys().map(|id| id.kind.name().to_owned()).collect(),
            tokens: rows.tokens.values().map(token).collect(),
            messages: rows.messages.values().map(message).collect(),
        };
        kept.credentials.sort_unstable();
        kept.tokens.sort_unstable();
        kept.messages.sort_unstable();
        kept
    }
}
