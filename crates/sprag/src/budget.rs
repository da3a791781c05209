//! Budgets: what each of them is for, how much it holds, and the arithmetic of it.

use std::time::Duration;

use crate::clock::{Timestamp, millis};

/// How much a budget holds, and how fast it comes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rate {
    /// How many may be reserved at once, at least one.
    pub burst: u32,
    /// In which time one of them comes back, at least a millisecond.
    pub interval: Duration,
}

/// How one of the wanted budgets stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BudgetState {
    /// Whether there was room for the reservation.
    pub had_room: bool,
    /// When the budget is whole again, as it stands now; never before the present moment, nor later than a full burst takes.
    pub due: Timestamp,
}

macro_rules! budgets {
    ($($(#[doc = $doc:literal])* $budget:ident: $name:literal, $burst:literal, $seconds:literal, $is_by_network:literal;)*) => {
        /// A limit by name.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub enum Budget {
            $($(#[doc = $doc])* $budget,)*
        }

        impl Budget {
            /// Every budget, in the order in which they are shown.
            pub const ALL: &[Self] = &[$(Self::$budget),*];

            /// The stable name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$budget => $name,)*
                }
            }

            /// How much it holds unless somebody sets another rate.
            #[must_use]
            pub fn usual(self) -> Rate {
                match self {
                    $(Self::$budget => Rate { burst: $burst, interval: Duration::from_secs($seconds) },)*
                }
            }

            /// Whether it holds also where nobody limits anything: what it guards is short enough to be guessed.
            #[must_use]
            pub fn always_holds(self) -> bool {
                self == Self::FactorAccount
            }

            /// Whether each network has one, which may be told whoever asks from there.
            #[must_use]
            pub fn is_by_network(self) -> bool {
                match self {
                    $(Self::$budget => $is_by_network,)*
                }
            }
        }
    };
}

budgets! {
    /// Guesses of strangers at one account, whatever spelling names it.
    LoginAccount: "login.account", 10, 60, false;
    /// Log-ins from one network.
    LoginPrefix: "login.prefix", 60, 1, true;
    /// Failures of one device that the account has logged in from; a success makes it whole.
    LoginDevice: "login.device", 10, 86_400, false;
    /// Log-ins on devices that the account has logged in from, right or wrong, all together.
    LoginKnown: "login.known", 60, 1, false;
    /// Accounts made from one network by whoever comes.
    RegisterPrefix: "register.prefix", 20, 30, true;
    /// Letters to one address, whoever asks for them and whether anybody has it.
    MailAddress: "mail.address", 5, 600, false;
    /// Letters that are asked for from one network.
    MailPrefix: "mail.prefix", 30, 10, true;
    /// Codes of a second factor at one account, whoever tries them; a right one gives its try back. Logging in again does not make
    /// it whole, and it holds where no other does.
    FactorAccount: "factor.account", 10, 60, false;
}

/// A refusal by a budget: which, and when to come again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Spent {
    /// The budget that has no room for the longest time.
    pub budget: Budget,
    /// How long until it has.
    pub wait: Duration,
}

impl Rate {
    /// How long it takes until all of a burst has come back.
    #[must_use]
    pub fn span(&self) -> Duration {
        self.interval.saturating_mul(self.burst)
    }

    /// The rate of a budget for whoever reserves several at once: never more than its burst, or nothing would ever be reserved.
    #[must_use]
    pub(crate) fn several(&self, at_once: u32) -> Self {
        let at_once = at_once.clamp(1, self.burst.max(1));
        Self { burst: self.burst / at_once, interval: self.interval.saturating_mul(at_once) }
    }

    /// When the budget is whole again once one more is reserved; where there is no room, when it is as it stands.
    pub(crate) fn reserve(&self, due: Option<Timestamp>, now: Timestamp) -> BudgetState {
        let full = now.plus(self.span());
        let due = due.map_or(now, |due| due.clamp(now, full));
        let next = due.plus(self.interval);
        if next <= full {
            BudgetState { had_room: true, due: next }
        } else {
            BudgetState { had_room: false, due }
        }
    }

    /// How many there is room for at a moment, where the budget is whole again when it is `due`.
    #[must_use]
    pub fn remaining(&self, due: Timestamp, now: Timestamp) -> u32 {
        let room = now.plus(self.span()).millis_since(due.max(now)).max(0);
        u32::try_from(room / millis(self.interval).max(1)).unwrap_or(u32::MAX).min(self.burst)
    }

    /// How long it takes until there is room for one; nothing where there is.
    #[must_use]
    pub fn wait(&self, due: Timestamp, now: Timestamp) -> Duration {
        let missing = due.plus(self.interval).millis_since(now.plus(self.span()));
        Duration::from_millis(u64::try_from(missing).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const RATE: Rate = Rate { burst: 3, interval: Duration::from_secs(60) };

    fn after(seconds: u64) -> Timestamp {
        NOW.plus(Duration::from_secs(seconds))
    }

    #[test]
    fn a_budget_has_one_name_and_its_place() {
        for (place, budget) in Budget::ALL.iter().enumerate() {
            assert_eq!(*budget as usize, place, "{}", budget.name());
            assert!(Budget::ALL[..place].iter().all(|other| other.name() != budget.name()));
        }
    }

    #[test]
    fn a_burst_is_had_at_once_and_then_one_per_interval() {
        let mut due = None;
        for left in [2, 1, 0] {
            let standing = RATE.reserve(due, NOW);
            assert!(standing.had_room);
            assert_eq!(RATE.remaining(standing.due, NOW), left);
            due = Some(standing.due);
        }
        let refused = RATE.reserve(due, after(59));
        assert_eq!(refused, BudgetState { had_room: false, due: after(180) });
        assert_eq!(RATE.wait(refused.due, after(59)), Duration::from_secs(1));
        let one_more = RATE.reserve(due, after(60));
        assert_eq!(one_more, BudgetState { had_room: true, due: after(240) });
        assert_eq!(RATE.wait(one_more.due, after(60)), Duration::from_secs(60));
    }

    #[test]
    fn several_at_once_are_as_many_one_after_the_other() {
        let rate = Rate { burst: 10, ..RATE };
        let (three, mut due) = (rate.several(3), None);
        for reserved in 1..=3 {
            let standing = three.reserve(due, NOW);
            assert_eq!((standing.had_room, standing.due), (true, after(180 * reserved)));
            assert_eq!(rate.remaining(standing.due, NOW), 10 - 3 * u32::try_from(reserved).unwrap());
            due = Some(standing.due);
        }
        assert!(!three.reserve(due, NOW).had_room);
        assert!(rate.reserve(due, NOW).had_room, "one is left");
        assert!(rate.several(1000).reserve(None, NOW).had_room, "all of it, where that is less");
    }

    #[test]
    fn a_budget_whose_time_has_passed_is_whole() {
        assert_eq!(RATE.reserve(Some(after(0)), after(500)), RATE.reserve(None, after(500)));
        assert_eq!(RATE.remaining(after(0), after(500)), 3);
        assert_eq!(RATE.wait(after(0), after(500)), Duration::ZERO);
    }

    #[test]
    fn a_stored_time_is_never_taken_as_later_than_a_full_burst() {
        let refused = RATE.reserve(Some(after(1_000_000)), NOW);
        assert_eq!(refused, BudgetState { had_room: false, due: after(180) });
        assert_eq!(RATE.wait(refused.due, NOW), Duration::from_secs(60));
    }
}
