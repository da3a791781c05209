//! One key follows another: which moments make that safe.

use std::time::Duration;

use sprag::access::Algorithm;
use sprag::clock::Timestamp;
use sprag::keys::{KeyEntry, KeyRing, Purpose};
use sprag::random::Random;

use crate::profile::Profile;

/// For how long verifiers may go on taking an access token after it has run out, as their clocks differ.
const LEEWAY: Duration = Duration::from_secs(300);

/// How long a key is still accepted once another signs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Spans {
    /// As long as a session may last that was opened just before; then no token of the key is alive, and none
    /// that was spent can come back to a live session. The idle timeout on top is a reserve.
    refresh: Duration,
    /// As long as an access token may last that was made just before, and what verifiers add to it.
    access: Duration,
}

impl Spans {
    pub(super) fn of(profiles: &[Profile]) -> Self {
        let longest = |span: fn(&Profile) -> Duration| profiles.iter().map(span).max().unwrap_or_default();
        let absolute = longest(|profile| profile.policy.absolute_lifetime);
        let idle = longest(|profile| profile.policy.idle_timeout);
        let access = longest(|profile| profile.policy.access_ttl);
        Self { refresh: absolute.saturating_add(idle), access: access.saturating_add(LEEWAY) }
    }
}

/// What a rotation came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Rotated {
    pub(super) purpose: Purpose,
    /// The new key.
    pub(super) id: String,
    pub(super) algorithm: Option<Algorithm>,
    pub(super) signs_from: Timestamp,
    /// The keys it replaces, and when each is refused, in that order.
    pub(super) replaced: Vec<(String, Timestamp)>,
}

/// Adds a key that signs after `after`, and sets when those before it retire.
pub(super) fn rotate(
    ring: &mut KeyRing,
    purpose: Purpose,
    algorithm: Algorithm,
    spans: Spans,
    after: Duration,
    now: Timestamp,
    random: &dyn Random,
) -> Rotated {
    let signs_from = now.plus(after);
    let is_replaced = |key: &KeyEntry| key.purpose == purpose && key.retired_at.is_none_or(|at| at > now);
    let before: Vec<_> = ring.entries().into_iter().filter(is_replaced).collect();
    let (id, span) = match purpose {
        Purpose::Refresh => (ring.add_refresh(random, now, signs_from).to_string(), spans.refresh),
        Purpose::Access => (ring.add_access(algorithm, random, now, signs_from), spans.access),
    };
    for key in &before {
        // One that would begin to sign after the new one has signed nothing by then, and never shall.
        let at = if key.signs_from > signs_from { signs_from } else { signs_from.plus(span) };
        ring.retire(&key.id, at);
    }
    let entries = ring.entries();
    let retirement = |key: &KeyEntry| {
        let entry = entries.iter().find(|entry| entry.purpose == purpose && entry.id == key.id);
        Some((key.id.clone(), entry?.retired_at?))
    };
    let mut replaced: Vec<_> = before.iter().filter_map(retirement).collect();
    replaced.sort_by_key(|(_, at)| *at);
    let algorithm = (purpose == Purpose::Access).then_some(algorithm);
    Rotated { purpose, id, algorithm, signs_from, replaced }
}

#[cfg(test)]
mod tests {
    use sprag::random::SeededRandom;

    use super::*;

    const DAY: Duration = Duration::from_secs(24 * 3600);
    const MINUTE: Duration = Duration::from_secs(60);
    const SPANS: Spans =
        Spans { refresh: Duration::from_secs(37 * 24 * 3600), access: Duration::from_secs(1200) };

    struct Given {
        ring: KeyRing,
        random: SeededRandom,
    }

    fn a_ring() -> Given {
        let random = SeededRandom::new(7);
        let ring = KeyRing::generate(Algorithm::EdDsa, &random, Timestamp(0)).unwrap();
        Given { ring, random }
    }

    impl Given {
        fn rotate(&mut self, purpose: Purpose, after: Duration, now: Timestamp) -> Rotated {
            rotate(&mut self.ring, purpose, Algorithm::EdDsa, SPANS, after, now, &self.random)
        }

        fn signing(&self, purpose: Purpose, at: Timestamp) -> String {
            self.ring.signing_id(purpose, at)
        }
    }

    #[test]
    fn the_key_before_signs_until_the_new_one_does_and_is_accepted_until_its_tokens_are_over() {
        let mut given = a_ring();
        let now = Timestamp(0).plus(DAY);
        let rotated = given.rotate(Purpose::Refresh, 10 * MINUTE, now);
        let takes_over = now.plus(10 * MINUTE);
        assert_eq!(rotated.id, "2");
        assert_eq!(rotated.replaced, [("1".to_owned(), takes_over.plus(37 * DAY))]);
        assert_eq!(given.signing(Purpose::Refresh, Timestamp(takes_over.0 - 1)), "1");
        assert_eq!(given.signing(Purpose::Refresh, takes_over), "2");
        assert_eq!(given.ring.entries().iter().filter(|key| key.retired_at.is_some()).count(), 1);
    }

    #[test]
    fn an_access_key_is_replaced_for_as_long_as_its_tokens_last() {
        let mut given = a_ring();
        let first = given.signing(Purpose::Access, Timestamp(0));
        let rotated = given.rotate(Purpose::Access, 10 * MINUTE, Timestamp(0));
        assert_eq!(rotated.replaced, [(first, Timestamp(0).plus(30 * MINUTE))]);
    }

    #[test]
    fn a_second_rotation_takes_over_from_both() {
        let mut given = a_ring();
        given.rotate(Purpose::Refresh, 10 * MINUTE, Timestamp(0));
        let rotated = given.rotate(Purpose::Refresh, 10 * MINUTE, Timestamp(0).plus(5 * MINUTE));
        let until = |minutes: u32| Timestamp(0).plus(37 * DAY + minutes * MINUTE);
        assert_eq!(rotated.replaced, [("1".to_owned(), until(10)), ("2".to_owned(), until(15))]);
        assert_eq!(given.signing(Purpose::Refresh, Timestamp(0).plus(12 * MINUTE)), "2");
        assert_eq!(given.signing(Purpose::Refresh, Timestamp(0).plus(15 * MINUTE)), "3");
    }

    #[test]
    fn a_key_that_waits_longer_than_the_new_one_never_signs() {
        let mut given = a_ring();
        given.rotate(Purpose::Refresh, DAY, Timestamp(0));
        let rotated = given.rotate(Purpose::Refresh, Duration::ZERO, Timestamp(0).plus(MINUTE));
        assert_eq!(rotated.replaced[0], ("2".to_owned(), Timestamp(0).plus(MINUTE)));
        for minutes in [1, 60, 24 * 60, 60 * 24 * 60] {
            assert_eq!(given.signing(Purpose::Refresh, Timestamp(0).plus(minutes * MINUTE)), "3");
        }
    }

    #[test]
    fn a_key_that_has_retired_is_left_alone() {
        let mut given = a_ring();
        given.rotate(Purpose::Access, 10 * MINUTE, Timestamp(0));
        let rotated = given.rotate(Purpose::Access, 10 * MINUTE, Timestamp(0).plus(DAY));
        assert_eq!(rotated.replaced.len(), 1);
    }

    #[test]
    fn the_spans_are_those_of_the_longest_profile() {
        let profiles: Vec<_> =
            crate::profile::builtin_names().map(|name| Profile::builtin(name).unwrap().unwrap()).collect();
        let spans = Spans::of(&profiles);
        for profile in &profiles {
            assert!(spans.refresh >= profile.policy.absolute_lifetime + profile.policy.idle_timeout);
            assert!(spans.access >= profile.policy.access_ttl + LEEWAY);
        }
    }
}
