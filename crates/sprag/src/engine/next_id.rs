//! The key that a new account is known by outside, of the kind that the app's tables have.

use std::sync::{Mutex, PoisonError};

use super::Engine;
use crate::account::Name;
use crate::clock::Timestamp;
use crate::error::{Error, Refusal};
use crate::random::{self, Random};
use crate::session::ProfileId;

/// Which key the app's tables know a new account by: what [`Subject::External`](super::Subject) tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum NextId {
    /// None of its own: it is known by its id here, a UUID.
    #[default]
    Uuid,
    /// 24 hexadecimal digits, as MongoDB makes them: the second, what tells processes apart, a counter.
    ObjectId,
    /// A number above a floor, which a back end that goes on numbering beside it must never reach.
    Integer {
        /// The highest number that is not handed out here.
        floor: u64,
    },
}

/// What makes object ids of one process differ from those of every other, and from each other.
#[derive(Debug, Default)]
pub(super) struct ObjectIds(Mutex<Option<Counting>>);

/// What was drawn when the first was asked for, and how far it has counted.
#[derive(Clone, Copy, Debug)]
struct Counting {
    process: [u8; 5],
    count: u32,
}

impl ObjectIds {
    /// 4 bytes of seconds, 5 of this process, 3 that count from anywhere.
    fn next(&self, random: &dyn Random, now: Timestamp) -> String {
        let mut drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Counting { process, count } = drawn.unwrap_or_else(|| Counting {
            process: random::bytes(random),
            count: u32::from_be_bytes(random::bytes(random)),
        });
        *drawn = Some(Counting { process, count: count.wrapping_add(1) });
        let seconds = now.0.div_euclid(1000).to_be_bytes();
        let bytes = [&seconds[4..], &process, &count.to_be_bytes()[1..]].concat();
        data_encoding::HEXLOWER.encode(&bytes)
    }
}

impl Engine {
    /// The key of a new account with these names, if it gets one of its own.
    ///
    /// A number is spent whatever becomes of the account, so none is asked for where a name is taken already.
    pub(super) async fn next_key(
        &self,
        profile: ProfileId,
        next: NextId,
        names: &[Name],
    ) -> Result<Option<String>, Error> {
        match next {
            NextId::Uuid => Ok(None),
            NextId::ObjectId => Ok(Some(self.object_ids.next(self.random.as_ref(), self.now()))),
            NextId::Integer { floor } => {
                for name in names {
                    if !self.store.alike(name).await?.is_empty() {
                        return Err(Refusal::NameTaken.into());
                    }
                }
                Ok(Some(self.store.next_number(profile, floor).await?.to_string()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::random::SeededRandom;

    #[test]
    fn an_object_id_is_24_digits_that_begin_with_the_second_and_none_comes_twice() {
        let (ids, random) = (ObjectIds::default(), SeededRandom::new(1));
        let made: Vec<String> = (0..1000).map(|_| ids.next(&random, Timestamp(0x65f1_c0ff * 1000))).collect();
        assert!(made.iter().all(|id| id.len() == 24 && id.starts_with("65f1c0ff")), "{made:?}");
        assert!(made.iter().all(|id| id[8..18] == made[0][8..18]), "of one process");
        assert_eq!(made.iter().collect::<BTreeSet<_>>().len(), 1000);
        let other = ObjectIds::default().next(&random, Timestamp(0));
        assert_eq!(&other[..8], "00000000");
        assert_ne!(other[8..18], made[0][8..18], "of another process");
    }
}
