//! One spent token that comes back many times at once, as where fifty tabs wake together and share a cookie.
//!
//! Each return is noted in the session's row, and the row answers sixteen of them. Whoever was under way already, with the same
//! token, retry id and instance, when another of them was noted belongs to that crowd, and is answered as well: nobody in it
//! can have seen the others' answers. Whoever comes once the row has no room is told to stop, as ever, and so is a stranger,
//! who is another instance.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::ratchet::Presented;
use crate::session::SessionKey;

/// Who is bringing which spent token back at this moment, at this node.
#[derive(Debug, Default)]
pub(super) struct Returning(Mutex<BTreeMap<SessionKey, Vec<Crowd>>>);

/// Those who bring the same at the same time.
#[derive(Debug)]
struct Crowd {
    presented: Presented,
    under_way: usize,
    /// How many of them the row has noted so far.
    noted: u64,
}

/// A request's place in it, from when it was judged first until it is answered.
#[derive(Debug)]
pub(super) struct Place<'a> {
    returning: &'a Returning,
    presented: Presented,
    noted_before: u64,
}

impl Returning {
    pub(super) fn join(&self, presented: &Presented) -> Place<'_> {
        let mut all = self.all();
        let crowds = all.entry(presented.key).or_default();
        let noted_before = match crowds.iter_mut().find(|crowd| crowd.presented == *presented) {
            Some(crowd) => {
                crowd.under_way += 1;
                crowd.noted
            }
            None => {
                crowds.push(Crowd { presented: presented.clone(), under_way: 1, noted: 0 });
                0
            }
        };
        Place { returning: self, presented: presented.clone(), noted_before }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<SessionKey, Vec<Crowd>>> {
        // What is behind it is whole at every moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// The row has noted this one.
    pub(super) fn is_noted(&self) {
        self.with(|crowd| crowd.noted += 1);
    }

    /// Whether one of them was noted since this one came.
    pub(super) fn belongs_to_noted(&self) -> bool {
        let mut noted = 0;
        self.with(|crowd| noted = crowd.noted);
        noted > self.noted_before
    }

    fn with(&self, see: impl FnOnce(&mut Crowd)) {
        let mut all = self.returning.all();
        let mut crowds = all.get_mut(&self.presented.key).into_iter().flatten();
        if let Some(crowd) = crowds.find(|crowd| crowd.presented == self.presented) {
            see(crowd);
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.with(|crowd| crowd.under_way -= 1);
        let mut all = self.returning.all();
        let Some(crowds) = all.get_mut(&self.presented.key) else { return };
        crowds.retain(|crowd| crowd.under_way > 0);
        if crowds.is_empty() {
            all.remove(&self.presented.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::session::{AccountId, Generation, ProfileId, SessionId};

    fn presented(instance: u8) -> Presented {
        Presented {
            key: SessionKey { account: AccountId(Uuid::nil()), session: SessionId(Uuid::nil()) },
            profile: ProfileId(1),
            generation: Generation(7),
            secret_hash: [1; 32],
            retry_hash: None,
            instance_hash: [instance; 16],
        }
    }

    #[test]
    fn whoever_was_under_way_when_another_was_noted_belongs_to_that_crowd() {
        let returning = Returning::default();
        let [one, other] = [returning.join(&presented(1)), returning.join(&presented(1))];
        let stranger = returning.join(&presented(2));
        assert!(!other.belongs_to_noted(), "nobody was noted yet");
        one.is_noted();
        drop(one);
        assert!(other.belongs_to_noted());
        assert!(!stranger.belongs_to_noted(), "another instance is nobody of theirs");
        let late = returning.join(&presented(1));
        assert!(!late.belongs_to_noted(), "who comes later is another return");
        drop((other, late, stranger));
        assert!(returning.all().is_empty(), "nothing is kept of those who have gone");
        assert!(!returning.join(&presented(1)).belongs_to_noted());
    }
}
