//! What an engine tells of itself, beside its store.

use std::time::Duration;

use super::{Count, HashingObserved, StoreObserved};

/// Log-ins that failed since the start, by why.
#[derive(Debug, Default)]
pub struct LoginFailures {
    /// Nobody has the name that was typed.
    pub unknown_name: Count,
    /// The password is another one, or the account has none that can be compared.
    pub wrong_password: Count,
    /// The password was right, and the account is disabled.
    pub account_disabled: Count,
}

impl LoginFailures {
    /// Each reason by its name, and how often it was one.
    #[must_use]
    pub fn observed(&self) -> [(&'static str, u64); 3] {
        [
            ("account_disabled", self.account_disabled.get()),
            ("unknown_name", self.unknown_name.get()),
            ("wrong_password", self.wrong_password.get()),
        ]
    }
}

/// Passwords that were looked for among stolen ones since the start, by what came of it.
#[derive(Debug, Default)]
pub struct BreachChecks {
    /// It is known from a breach.
    pub known: Count,
    /// It is not.
    pub unknown: Count,
    /// Nobody could be asked just then.
    pub unavailable: Count,
}

impl BreachChecks {
    /// Each outcome by its name, and how often it was one.
    #[must_use]
    pub fn observed(&self) -> [(&'static str, u64); 3] {
        [
            ("known", self.known.get()),
            ("unavailable", self.unavailable.get()),
            ("unknown", self.unknown.get()),
        ]
    }
}

/// What an engine tells of itself.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct EngineObserved {
    /// Its store.
    pub store: StoreObserved,
    /// The threads that hash passwords.
    pub hashing: HashingObserved,
    /// Log-ins that failed since the start, each reason by its name.
    pub login_failures: Vec<(&'static str, u64)>,
    /// Passwords that were looked for among stolen ones since the start, each outcome by its name; empty where none are.
    pub breach_checks: Vec<(&'static str, u64)>,
    /// What was asked of each budget since the start.
    pub budgets: Vec<BudgetObserved>,
    /// Its mark of life, once it has moved.
    pub mark: Option<MarkObserved>,
    /// How far the clock that is read is ahead of the one that is told, in milliseconds: nothing, unless it has jumped.
    pub clock_off_by: i64,
    /// Whether the store went back in time and nobody has accepted that.
    pub store_went_back: bool,
}

/// What was asked of a budget since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BudgetObserved {
    /// Which.
    pub name: &'static str,
    /// How often something was reserved of it.
    pub reserved: u64,
    /// How often it had no room.
    pub refused: u64,
}

/// A node's mark of life ([`outages`](crate::outages)).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MarkObserved {
    /// How long ago it was moved.
    pub age: Duration,
    /// How often it could not be moved.
    pub failures: u64,
    /// How many outages this node has noted, of its own and of others.
    pub outages: u64,
}
