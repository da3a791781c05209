//! Answers, refusals, and log-ins that came to nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{PoisonError, RwLock};

use sprag::error::refusals::INTERNAL;
use sprag::observe::Count;

use super::exposition::{Exposition, counts};

/// The engine tells these two apart further.
const TOLD_BY_ENGINE: [&str; 2] = ["account_disabled", "credentials_invalid"];

/// Answers, refusals, and log-ins that came to nothing. There are as many of each as there are actions, statuses and codes.
#[derive(Debug, Default)]
pub(super) struct Answers {
    answers: Counts<(&'static str, u16)>,
    refusals: Counts<(&'static str, &'static str)>,
    defects: Count,
    logins: Counts<&'static str>,
}

impl Answers {
    pub(super) fn count(&self, action: &'static str, status: u16, code: Option<&'static str>) {
        self.answers.one((action, status));
        if let Some(code) = code {
            self.refusals.one((action, code));
            if code == INTERNAL.name {
                self.defects.one();
            }
        }
    }

    pub(super) fn login_failed(&self, code: &'static str) {
        if !TOLD_BY_ENGINE.contains(&code) {
            self.logins.one(code);
        }
    }

    pub(super) fn tell(&self, out: &mut Exposition<'_>) -> fmt::Result {
        let answers: Vec<_> = self.answers.all();
        let statuses: Vec<String> = answers.iter().map(|((_, status), _)| status.to_string()).collect();
        let each = answers.iter().zip(&statuses);
        let each = each.map(|(((action, _), count), status)| {
            (vec![("action", *action), ("status", status.as_str())], *count)
        });
        out.counter("requests", "Answers by action and status", each)?;
        let refusals = self.refusals.all().into_iter();
        let each = refusals.map(|((action, code), count)| (vec![("action", action), ("code", code)], count));
        out.counter("refusals", "Refusals and faults by action and code", each)?;
        // Beside its code, so that it is there before the first: what appears at 1 has not risen.
        out.counter("defects", "Requests that were given up because of a defect", counts(self.defects.get()))
    }

    pub(super) fn tell_login_failures(
        &self,
        out: &mut Exposition<'_>,
        by_engine: &[(&'static str, u64)],
    ) -> fmt::Result {
        let mut all: BTreeMap<&'static str, u64> = self.logins.all().into_iter().collect();
        all.extend(by_engine.iter().copied());
        let each = all.into_iter().map(|(reason, count)| (vec![("reason", reason)], count));
        out.counter("login_failures", "Log-ins that came to nothing, by why", each)
    }
}

/// How often each was there, in their order.
#[derive(Debug)]
struct Counts<K>(RwLock<BTreeMap<K, Count>>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(RwLock::new(BTreeMap::new()))
    }
}

impl<K: Ord + Copy> Counts<K> {
    fn one(&self, key: K) {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = known.get(&key) {
            return count.one();
        }
        drop(known);
        self.0.write().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().one();
    }

    fn all(&self) -> Vec<(K, u64)> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().map(|(key, count)| (*key, count.get())).collect()
    }
}
