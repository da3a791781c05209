//! How long an access token lives, and when its client shall ask for the next one.
//!
//! Both are drawn anew for each pair, so that nobody can foresee when somebody refreshes, and a crowd that came at one moment
//! does not come back at one moment. They follow from the policy, the end of the session and the generation of the token that
//! is handed out, never from when the row last rotated.

use std::time::Duration;

use crate::clock::millis;
use crate::policy::Policy;
use crate::session::Generation;

/// How many random bytes an access token's lives take.
pub(super) const LIVES_BYTES: usize = 4;

/// How long an access token lives, and when its client shall refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lives {
    /// Seconds until it expires, at least one.
    pub(super) expires_in: i64,
    /// Seconds until its client shall refresh: before it expires, with time to spare for the way there and back.
    pub(super) refresh_in: i64,
}

impl Lives {
    /// Of the access token beside the refresh token of `generation`, of a session that ends in `session_left` seconds.
    pub(super) fn draw(
        policy: &Policy,
        session_left: i64,
        generation: Generation,
        random: [u8; LIVES_BYTES],
    ) -> Self {
        let [life, more_life, refresh, more_refresh] = random;
        let life =
            shortened(policy.access_ttl, policy.access_jitter_percent, u16::from_be_bytes([life, more_life]));
        // An API that verifies locally knows nothing of the session: its token must not outlive it.
        let expires_in = (millis(life) / 1000).min(session_left).max(1);
        let refresh_in = refresh_in(expires_in, generation, u16::from_be_bytes([refresh, more_refresh]));
        Self { expires_in, refresh_in }
    }
}

/// `ttl` less a share of it, between nothing and `percent`, that `randomness` picks.
fn shortened(ttl: Duration, percent: u8, random: u16) -> Duration {
    let most = ttl * u32::from(percent.min(100)) / 100;
    ttl - most * u32::from(random) / u32::from(u16::MAX)
}

/// The time to spare before a token expires, where it lives for a while; a tenth of a long life is more.
const SPARE_MILLIS: i64 = 5_000;

/// A whole second at which a token that lives for `expires_in` shall be replaced.
///
/// A crowd that logs in at nine o'clock is spread over nearly a whole life by its first refresh, so that from then on somebody
/// comes in every minute; the later ones keep it spread, and cost fewer refreshes. A life of one second has no whole second
/// before its end: such a token is due at once.
fn refresh_in(expires_in: i64, generation: Generation, random: u16) -> i64 {
    let life = expires_in.saturating_mul(1000);
    let latest = life - (life / 10).max(SPARE_MILLIS.min(life / 3));
    let earliest = if generation == Generation(0) { latest / 10 } else { latest / 6 * 5 };
    let drawn = earliest + (latest - earliest).saturating_mul(i64::from(random)) / i64::from(u16::MAX);
    (drawn / 1000).max(1).min(expires_in - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{DrawnAhead, SeededRandom};

    const LATER: Generation = Generation(1);

    #[test]
    fn jitter_only_shortens_and_by_no_more_than_it_may() {
        let ttl = Duration::from_secs(900);
        assert_eq!(shortened(ttl, 10, 0), ttl);
        assert_eq!(shortened(ttl, 10, u16::MAX), Duration::from_secs(810));
        assert_eq!(shortened(ttl, 0, u16::MAX), ttl);
    }

    #[test]
    fn a_refresh_is_due_before_the_token_expires_with_time_to_spare() {
        let due = |life, generation| [0, u16::MAX].map(|random| refresh_in(life, generation, random));
        for (life, first, later) in [
            (86_400, [7_776, 77_760], [64_800, 77_760]),
            (900, [81, 810], [675, 810]),
            (60, [5, 54], [45, 54]),
            (30, [2, 25], [20, 25]),
            (10, [1, 6], [5, 6]),
            (3, [1, 2], [1, 2]),
            (2, [1, 1], [1, 1]),
            (1, [0, 0], [0, 0]),
        ] {
            assert_eq!(due(life, Generation(0)), first, "{life} s after a log-in");
            assert_eq!(due(life, LATER), later, "{life} s after a refresh");
        }
    }

    #[test]
    fn no_life_of_whole_seconds_lets_a_client_come_late_or_again_and_again() {
        for life in 1..=86_400 {
            for random in [0, 1, u16::MAX / 2, u16::MAX] {
                for generation in [Generation(0), LATER] {
                    let due = refresh_in(life, generation, random);
                    assert!(due < life, "{life} s: due after {due} s");
                    assert!(due >= 1 || life == 1, "{life} s: due after {due} s");
                }
            }
        }
    }

    /// A client of the simulation: it asks for the next pair when it was told to.
    struct Crowd {
        refreshes_by_minute: Vec<u32>,
        second_by_minute: Vec<u32>,
    }

    /// 50,000 sessions, opened within one second, and what each of their clients does for an hour.
    fn crowd(policy: &Policy, seed: u64) -> Crowd {
        const PEOPLE: i64 = 50_000;
        const HOUR: i64 = 3_600;
        const SESSION_LEFT: i64 = 7 * 24 * HOUR;
        let (random, drawn) = (SeededRandom::new(seed), DrawnAhead::<LIVES_BYTES>::default());
        let mut crowd = Crowd { refreshes_by_minute: vec![0; 60], second_by_minute: vec![0; 60] };
        for person in 0..PEOPLE {
            let mut at_millis = person * 1000 / PEOPLE;
            for generation in 0.. {
                let lives = Lives::draw(policy, SESSION_LEFT, Generation(generation), drawn.next(&random));
                at_millis += lives.refresh_in * 1000;
                let Some(minute) = usize::try_from(at_millis / 60_000).ok().filter(|minute| *minute < 60)
                else {
                    break;
                };
                crowd.refreshes_by_minute[minute] += 1;
                crowd.second_by_minute[minute] += u32::from(generation == 1);
            }
        }
        crowd
    }

    /// The busiest minute's refreshes, in hundredths of the mean's.
    fn peak_percent(minutes: &[u32]) -> u64 {
        let sum: u64 = minutes.iter().copied().map(u64::from).sum();
        u64::from(*minutes.iter().max().unwrap()) * 100 * minutes.len() as u64 / sum
    }

    #[test]
    fn fifty_thousand_who_log_in_within_a_second_come_back_spread_over_the_second_life_of_their_tokens() {
        let policy = Policy::default();
        let life = usize::try_from(policy.access_ttl.as_secs() / 60).unwrap();
        for seed in [1, 2, 3] {
            let crowd = crowd(&policy, seed);
            // Whoever refreshes in the quarter of an hour in which the second tokens live.
            let quarter = &crowd.refreshes_by_minute[life..2 * life];
            assert!(peak_percent(quarter) <= 150, "{seed}: {} % {quarter:?}", peak_percent(quarter));
            // The second refreshes alone, over all the minutes that have any.
            let second = &crowd.second_by_minute;
            let from = second.iter().position(|many| *many > 0).unwrap();
            let to = second.iter().rposition(|many| *many > 0).unwrap();
            let second = &second[from..=to];
            assert!(peak_percent(second) <= 150, "{seed}: {} % {second:?}", peak_percent(second));
            // And nobody's first minute is worse than that.
            let mean = quarter.iter().sum::<u32>() / u32::try_from(life).unwrap();
            let peak = *crowd.refreshes_by_minute.iter().max().unwrap();
            assert!(peak * 2 <= mean * 3, "{seed}: {peak} a minute, {mean} on average");
        }
    }

    #[test]
    fn when_to_refresh_tells_nothing_of_when_the_row_rotated() {
        // A pair of a rotation, of a retry and of an unchanged token are drawn from the same: generation 1 is all there is to see.
        let policy = Policy::default();
        let drawn = |generation| Lives::draw(&policy, 1_000_000, Generation(generation), [1, 2, 3, 4]);
        for generation in [2, 3, 1_000_000] {
            assert_eq!(drawn(generation), drawn(1));
        }
    }
}
