//! How many sessions live, and how many each account has, as a sweep passes them in the order of their keys.

use crate::session::AccountId;

/// How many live sessions an account of each bucket has at most; one bucket more takes those that have more.
pub const SESSIONS_PER_ACCOUNT: [u64; 9] = [1, 2, 3, 5, 10, 20, 50, 100, 1_000];

const BUCKETS: usize = SESSIONS_PER_ACCOUNT.len() + 1;

/// Live sessions of one slice, or of slices that follow one another.
///
/// An account's rows may begin in one slice and end in the next, so the first and the last account stay open until
/// somebody says that there is no more ([`histogram`](Self::histogram)).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LiveSessions {
    /// The first account that has any, and how many.
    first: Option<(AccountId, u64)>,
    /// The last one, where it is another.
    last: Option<(AccountId, u64)>,
    /// Those in between.
    between: [u64; BUCKETS],
}

/// How many accounts have how many live sessions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SessionHistogram {
    /// How many sessions live.
    pub sessions: u64,
    /// How many accounts have any.
    pub accounts: u64,
    /// How many accounts have so many as [`SESSIONS_PER_ACCOUNT`] says at the same place at most, and more than at the
    /// place before; at the end, those that have more than all of them.
    pub buckets: [u64; BUCKETS],
}

impl LiveSessions {
    /// Counts a live session of that account, which is the last one's or a later one's.
    pub fn add(&mut self, account: AccountId) {
        self.add_all((account, 1));
    }

    /// These, and those of the slice after.
    #[must_use]
    pub fn then(mut self, next: Self) -> Self {
        if let Some(first) = next.first {
            self.add_all(first);
        }
        if next.last.is_some() {
            self.close_last();
            for (bucket, accounts) in self.between.iter_mut().zip(next.between) {
                *bucket += accounts;
            }
            self.last = next.last;
        }
        self
    }

    /// What it comes to, where no more follows.
    #[must_use]
    pub fn histogram(self, sessions: u64) -> SessionHistogram {
        let mut buckets = self.between;
        for (_, live) in [self.first, self.last].into_iter().flatten() {
            buckets[bucket_of(live)] += 1;
        }
        SessionHistogram { sessions, accounts: buckets.iter().sum(), buckets }
    }

    fn add_all(&mut self, (account, live): (AccountId, u64)) {
        let open = if self.last.is_some() { &mut self.last } else { &mut self.first };
        match open {
            Some((last, count)) if *last == account => *count += live,
            None => *open = Some((account, live)),
            Some(_) => {
                self.close_last();
                self.last = Some((account, live));
            }
        }
    }

    /// Nothing more comes of the last account.
    fn close_last(&mut self) {
        if let Some((_, live)) = self.last.take() {
            self.between[bucket_of(live)] += 1;
        }
    }
}

impl SessionHistogram {
    /// Each bucket: how many sessions at most, none where there is no bound, and how many accounts.
    pub fn by_bucket(&self) -> impl Iterator<Item = (Option<u64>, u64)> {
        let bounds = SESSIONS_PER_ACCOUNT.into_iter().map(Some).chain([None]);
        bounds.zip(self.buckets)
    }
}

fn bucket_of(live: u64) -> usize {
    SESSIONS_PER_ACCOUNT.partition_point(|most| *most < live)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    /// Sessions of accounts with so many each, however they are cut into slices.
    fn counted(accounts: &[u64], slice: usize) -> SessionHistogram {
        let rows: Vec<AccountId> = accounts
            .iter()
            .enumerate()
            .flat_map(|(id, live)| (0..*live).map(move |_| AccountId(Uuid::from_u128(id as u128))))
            .collect();
        let slices = rows.chunks(slice).map(|rows| {
            let mut live = LiveSessions::default();
            rows.iter().for_each(|account| live.add(*account));
            live
        });
        slices.fold(LiveSessions::default(), LiveSessions::then).histogram(rows.len() as u64)
    }

    #[test]
    fn an_account_whose_sessions_lie_in_several_slices_is_counted_once() {
        let accounts = [1, 3, 0, 12, 1, 101, 5, 6, 1001, 2];
        let expected =
            SessionHistogram { sessions: 1132, accounts: 9, buckets: [2, 1, 1, 1, 1, 1, 0, 0, 1, 1] };
        for slice in [1, 2, 3, 7, 100, 1132, 5000] {
            assert_eq!(counted(&accounts, slice), expected, "slices of {slice}");
        }
        assert_eq!(counted(&[], 3), SessionHistogram::default());
    }
}
