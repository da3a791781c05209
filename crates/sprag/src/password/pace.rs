//! How long a comparison takes on this machine, told before a hash is taken that would keep a hashing thread too long.

use std::fmt;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use tokio::sync::{Mutex, MutexGuard};

use super::memory::Memory;
use super::work::Work;
use crate::error::Fault;

/// The most of one core's time that a hash may take which an import brings unasked: half of the slot in which a failure is
/// answered (`moment.rs`), so that it is answered like any other on a machine that is twice as busy, too.
pub(super) const MOST_UNASKED: Duration = Duration::from_millis(500);

/// A cheap sample is taken again until so much time has gone into it, and the fastest counts: whatever else the machine does
/// only makes it slower.
const SAMPLING: Duration = Duration::from_millis(60);

/// A hash whose comparison takes too much of this machine's time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slow {
    work: Work,
    takes: Duration,
}

impl Slow {
    /// That this work takes so long, if that is too long.
    pub(super) fn of(work: Work, takes: Duration) -> Option<Self> {
        (takes > MOST_UNASKED).then_some(Self { work, takes })
    }

    /// How much of one core's time it takes here.
    #[must_use]
    pub fn takes(&self) -> Duration {
        self.takes
    }
}

/// As a sentence begins that goes on with what to do: "bcrypt with cost 15 takes 2.9 s of this machine's time, ...".
impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (takes, most) = (self.takes.as_secs_f64(), MOST_UNASKED.as_secs_f64());
        write!(
            f,
            "{} takes {takes:.1} s of this machine's time, and {most:.1} s is the most unasked",
            self.work
        )
    }
}

/// What each sample took. There are a few dozen of them at most, whatever an import brings.
#[derive(Debug, Default)]
pub(super) struct Pace(Mutex<Vec<(Work, Duration)>>);

impl Pace {
    /// How long this work takes, from the sample that stands for it; `measure` takes the sample where it is new.
    ///
    /// One sample is taken at a time, so that they are no flood for the hashing threads.
    pub(super) async fn of(
        &self,
        work: Work,
        measure: impl AsyncFnOnce(Work) -> Result<Duration, Fault>,
    ) -> Result<Duration, Fault> {
        let (sample, times, parts) = work.sample();
        let mut known: MutexGuard<'_, Vec<_>> = self.0.lock().await;
        let took = match known.iter().find(|(known, _)| *known == sample) {
            Some((_, took)) => *took,
            None => {
                let took = measure(sample).await?;
                known.push((sample, took));
                took
            }
        };
        Ok(took * times / parts)
    }
}

/// How much of its thread's time this work takes.
pub(super) fn measured(work: Work, memory: &mut Memory) -> Result<Duration, Fault> {
    let (mut fastest, mut all) = (Duration::MAX, Duration::ZERO);
    while all < SAMPLING {
        let before = thread_time();
        let mut output = vec![0; work.output_bytes()];
        work.run(b"a password", b"nobody's salt...", &mut output, memory)?;
        let took = thread_time().saturating_sub(before).max(Duration::from_nanos(1));
        (fastest, all) = (fastest.min(took), all + took);
    }
    Ok(fastest)
}

/// The time that this thread has run, which no other program's work is part of.
fn thread_time() -> Duration {
    clock_gettime(ClockId::ThreadCPUTime).try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::super::work::Digest;
    use std::future::ready;

    use super::*;

    /// Whether it is too slow where its sample takes so many milliseconds.
    async fn slow(work: Work, sample_millis: u64) -> Option<Slow> {
        let takes = Pace::default().of(work, async |_| Ok(Duration::from_millis(sample_millis))).await;
        Slow::of(work, takes.unwrap())
    }

    #[tokio::test]
    async fn the_dearest_hashes_are_not_computed_to_learn_what_they_cost() {
        for cost in [9, 15, 31, u32::MAX] {
            assert_eq!(Work::Bcrypt { cost }.sample().0, Work::Bcrypt { cost: 8 }, "bcrypt {cost}");
        }
        let pbkdf2 = |iterations| Work::Pbkdf2 { digest: Digest::Sha256, iterations };
        let (sample, ..) = pbkdf2(NonZeroU32::MAX).sample();
        assert_eq!(sample, pbkdf2(NonZeroU32::new(20_000).unwrap()));
    }

    #[tokio::test]
    async fn what_a_hash_costs_follows_from_the_sample_of_its_kind() {
        assert_eq!(slow(Work::Bcrypt { cost: 12 }, 20).await, None, "16 x 20 ms");
        assert_eq!(slow(Work::Bcrypt { cost: 4 }, 2000).await, None, "a sixteenth");
        let told = slow(Work::Bcrypt { cost: 15 }, 20).await.unwrap();
        assert_eq!(told.takes(), Duration::from_millis(128 * 20));
        let sentence = told.to_string();
        assert!(sentence.starts_with("bcrypt with cost 15 takes 2.6 s of this machine's time"), "{sentence}");
        let iterations = NonZeroU32::new(1_000_000).unwrap();
        let django = Work::Pbkdf2 { digest: Digest::Sha256, iterations };
        assert_eq!(slow(django, 4).await, None);
        let told = slow(django, 12).await.unwrap().to_string();
        assert!(told.starts_with("PBKDF2 with SHA-256 and 1000000 iterations takes 0.6 s"), "{told}");
        let scrypt = Work::Scrypt { log_n: 17, r: 8, p: 3 };
        assert!(slow(scrypt, 166).await.is_none() && slow(scrypt, 170).await.is_some());
    }

    #[tokio::test]
    async fn each_kind_is_measured_once() {
        let (pace, mut measured) = (Pace::default(), 0);
        for cost in [10, 12, 12, 13, 15] {
            let measure = |_| {
                measured += 1;
                ready(Ok(Duration::from_millis(20)))
            };
            pace.of(Work::Bcrypt { cost }, measure).await.unwrap();
        }
        assert_eq!(measured, 1);
    }
}
