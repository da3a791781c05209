//! Comparing passwords so that a failure takes equally long, whatever it was compared with.

use std::sync::Mutex;

use super::stored::Stored;
use super::work::{TODAY, Work};
use super::{Match, Password};
use crate::error::Fault;

/// Compares passwords with stored hashes, and remembers which of them were the costliest.
///
/// An account that was imported has another hash than one that was made here, and an unknown name has none. So that
/// time does not tell them apart (T31), every comparison that does not match does the same work: today's Argon2id,
/// and the costliest other work that any stored hash has asked for since the process started. What the comparison
/// itself did counts. One that matches does only its own work: whoever knows the password may know what it is
/// compared with.
#[derive(Default)]
pub(super) struct Comparer {
    /// One is all there is to remember; a restart forgets it until the next such hash is compared.
    costliest: Mutex<Option<Work>>,
}

/// What a comparison came to, and the work it did.
pub(super) struct Compared {
    pub(super) outcome: Match,
    pub(super) work: Vec<Work>,
}

impl Comparer {
    pub(super) fn compare(&self, password: &Password, stored: Option<&str>) -> Result<Compared, Fault> {
        let stored = stored
            .map(Stored::parse)
            .transpose()
            .map_err(|unusable| Fault::internal("read a stored password hash", unusable))?;
        let own = stored.as_ref().map(|stored| stored.work);
        let costliest = self.meet(own);
        let matched = stored.map(|stored| stored.matches(password.0.as_bytes())).transpose()?;
        if let (Some(true), Some(own)) = (matched, own) {
            let outcome = if own == TODAY { Match::Yes } else { Match::Outdated };
            return Ok(Compared { outcome, work: vec![own] });
        }
        let owed = owed(own, costliest);
        for work in &owed {
            work.spend(password.0.as_bytes())?;
        }
        Ok(Compared { outcome: Match::No, work: own.into_iter().chain(owed).collect() })
    }

    /// Takes note of a stored hash's work, and answers with the costliest so far that is not today's.
    fn meet(&self, work: Option<Work>) -> Option<Work> {
        let mut costliest = self.costliest.lock().expect("no holder of this lock panics");
        let legacy = work.filter(|work| *work != TODAY);
        *costliest = costliest.into_iter().chain(legacy).max_by_key(|work| work.nanoseconds());
        *costliest
    }
}

/// What a comparison that did not match still has to do for its time, after its own work.
fn owed(own: Option<Work>, costliest: Option<Work>) -> Vec<Work> {
    let todays = Some(TODAY).filter(|_| own != Some(TODAY));
    let legacy = match (own.filter(|own| *own != TODAY), costliest) {
        // Where it did cheaper work than the costliest, the difference.
        (Some(own), Some(costliest)) => costliest.beyond(own),
        (_, costliest) => costliest,
    };
    todays.into_iter().chain(legacy).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The first three are hashes of the same password, the last is of none.
    const PASSWORD: &str = "correct horse battery staple";
    const BCRYPT_4: &str = "$2b$04$WUwWdfR/kOeISZK8gRW1qehO34T7syXU4cskKcDMaUxAdQt41mu/.";
    const PBKDF2_1000: &str = "pbkdf2:sha256:1000$gAy9V74UCLKjrQid$03d679c37c59d6d6146de6c4a2466d02690bf51c462c7f2dc297ee2db707b994";
    const ARGON2_OTHER: &str =
        "$argon2id$v=19$m=64,t=2,p=2$7jqNz+H7EvOzILayoxnIvQ$XbRwpkuhCmUmd5PMukIOZp5J0vSJ9fS1xKLrLcCM8nU";
    const PBKDF2_4000: &str = "pbkdf2_sha256$4000$some salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const OURS: &str =
        "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdCE$aXQgbWF0Y2hlcyBubyBwYXNzd29yZCBhdCBhbGwhISE";
    const BOMB: &str = "$2b$31$WUwWdfR/kOeISZK8gRW1qehO34T7syXU4cskKcDMaUxAdQt41mu/.";

    fn compare(comparer: &Comparer, password: &str, stored: Option<&str>) -> (Match, Vec<Work>) {
        let Compared { outcome, mut work } =
            comparer.compare(&Password::typed(password).unwrap(), stored).unwrap();
        work.sort_by_key(|work| work.nanoseconds());
        (outcome, work)
    }

    fn fail(comparer: &Comparer, stored: Option<&str>) -> Vec<Work> {
        let (outcome, work) = compare(comparer, "wrong", stored);
        assert_eq!(outcome, Match::No);
        work
    }

    fn nanoseconds(work: &[Work]) -> u64 {
        work.iter().map(|work| work.nanoseconds()).sum()
    }

    #[test]
    fn t31_with_our_hashes_only_a_failure_costs_one_argon2id() {
        let comparer = Comparer::default();
        assert_eq!(fail(&comparer, None), [TODAY]);
        assert_eq!(fail(&comparer, Some(OURS)), [TODAY]);
        assert_eq!(fail(&comparer, None), [TODAY]);
    }

    #[test]
    fn t31_once_an_imported_hash_was_met_every_failure_does_its_work_too() {
        let comparer = Comparer::default();
        let all = vec![Work::Bcrypt { cost: 4 }, TODAY];
        assert_eq!(fail(&comparer, Some(BCRYPT_4)), all, "by the imported hash itself");
        assert_eq!(fail(&comparer, Some(OURS)), all, "by a hash made here");
        assert_eq!(fail(&comparer, None), all, "by an unknown name");
    }

    #[test]
    fn t31_a_success_costs_its_own_work_only_and_is_remembered() {
        let comparer = Comparer::default();
        let own = Work::Bcrypt { cost: 4 };
        assert_eq!(compare(&comparer, PASSWORD, Some(BCRYPT_4)), (Match::Outdated, vec![own]));
        assert_eq!(fail(&comparer, None), [own, TODAY]);
    }

    #[test]
    fn t31_a_cheaper_imported_hash_makes_up_the_difference() {
        let comparer = Comparer::default();
        let whole = nanoseconds(&fail(&comparer, Some(PBKDF2_4000)));
        assert_eq!(nanoseconds(&fail(&comparer, Some(PBKDF2_1000))), whole, "to the iteration");
        let by_bcrypt = nanoseconds(&fail(&comparer, Some(BCRYPT_4)));
        assert!(whole - by_bcrypt < 1000, "but for a part of an iteration");
        assert_eq!(nanoseconds(&fail(&comparer, None)), whole);
    }

    #[test]
    fn t31_the_costliest_is_remembered_not_the_latest() {
        let comparer = Comparer::default();
        for stored in [PBKDF2_1000, BCRYPT_4, PBKDF2_1000, ARGON2_OTHER] {
            fail(&comparer, Some(stored));
        }
        assert_eq!(fail(&comparer, None), [Work::Bcrypt { cost: 4 }, TODAY]);
    }

    #[test]
    fn t29_a_bomb_is_neither_tried_nor_remembered() {
        let comparer = Comparer::default();
        assert!(comparer.compare(&Password::typed("password").unwrap(), Some(BOMB)).is_err());
        assert_eq!(fail(&comparer, None), [TODAY]);
    }

    #[test]
    fn argon2id_with_other_parameters_is_outdated() {
        let (outcome, work) = compare(&Comparer::default(), PASSWORD, Some(ARGON2_OTHER));
        assert_eq!((outcome, work.len()), (Match::Outdated, 1));
    }
}
