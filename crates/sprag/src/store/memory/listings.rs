//! Looking for several accounts at once.

use super::Tables;
use crate::account::{Account, Name};
use crate::session::AccountId;
use crate::store::Slice;

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
}
