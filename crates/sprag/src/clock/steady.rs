//! A clock that does not believe a jump at once.
//!
//! Whoever sets a clock wrong, by hand or by a bad time server, would end every session (forward) or have every verdict
//! take the present for the past (backward). So the time that is read is compared with a clock that nobody sets: the one
//! that counts since the machine was started, suspended time included. Where the two disagree, the last trusted reading is
//! carried on by the second one, until the first has been steady for a while or somebody says that it is right.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::{Clock, Timestamp};

/// What may come between two clocks without being a jump, in milliseconds: what time servers correct every day.
const JUMP: i64 = 5_000;

/// For how long a clock must be steady after a jump to be believed, in milliseconds.
const STEADY: i64 = 5 * 60 * 1000;

/// After how long a clock that is never steady is taken all the same, in milliseconds: it is the only one there is.
const LONGEST_DOUBT: i64 = 60 * 60 * 1000;

/// How long after the store's last mark a node may start and still take over the doubt that the mark tells of.
const DOUBT_IS_INHERITED_FOR: i64 = 10 * 60 * 1000;

/// Looking at both clocks takes no longer than this, or the process was frozen in between and looks again.
const ONE_LOOK: Duration = Duration::from_millis(500);

/// How often it looks again; a machine that is slower than that is read as it is.
const LOOKS: u32 = 5;

/// How much news waits for somebody to ask for it.
const MAX_NEWS: usize = 32;

/// Counts since the machine was started, suspended time included where the system can (`CLOCK_BOOTTIME`). Nobody sets it.
#[derive(Clone, Copy, Debug, Default)]
pub struct BootClock;

impl BootClock {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const ID: ClockId = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const ID: ClockId = ClockId::Monotonic;

    /// How long ago it began to count.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        let read = clock_gettime(Self::ID);
        let seconds = u64::try_from(read.tv_sec).unwrap_or(0);
        Duration::new(seconds, u32::try_from(read.tv_nsec).unwrap_or(0))
    }
}

impl Clock for BootClock {
    /// Whole milliseconds since it began to count.
    fn now(&self) -> Timestamp {
        Timestamp(super::millis(self.elapsed()))
    }
}

/// A clock whose reading is not believed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Doubt {
    /// How far what is read is ahead of what is told, in milliseconds; negative if behind.
    pub off_by: i64,
    /// Since when, as it is told.
    pub since: Timestamp,
}

/// Why a clock that had jumped was taken for right.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TakenFor {
    /// It was steady for five minutes.
    Steady,
    /// An operator said that it is right.
    Confirmed,
    /// An hour was over, and neither had happened.
    WantOfAnother,
}

/// Something that happened to a clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ClockNews {
    /// It jumped, and is not believed.
    Jumped(Doubt),
    /// It is back where it was expected.
    Returned,
    /// It is believed where it stands now, so many milliseconds from where it was expected.
    Taken {
        /// How far, negative if back.
        by: i64,
        /// Why.
        why: TakenFor,
    },
}

/// Tells what another clock reads, as long as that one does not jump.
#[derive(Debug)]
pub struct SteadyClock {
    wall: Arc<dyn Clock>,
    boot: Arc<dyn Clock>,
    trust: Mutex<Trust>,
}

impl SteadyClock {
    /// A clock that reads `wall` and holds it against this machine's [`BootClock`].
    #[must_use]
    pub fn over(wall: Arc<dyn Clock>) -> Self {
        Self::held_against(wall, Arc::new(BootClock))
    }

    /// A clock that reads `wall` and holds it against `boot`, which nobody sets.
    #[must_use]
    pub fn held_against(wall: Arc<dyn Clock>, boot: Arc<dyn Clock>) -> Self {
        let (read, boots) = look(wall.as_ref(), boot.as_ref());
        let trust = Mutex::new(Trust::beginning(read, boots));
        Self { wall, boot, trust }
    }

    /// Compares it with the last that somebody on the same store knew of the time: a clock that is before it has jumped,
    /// and so has one that the others do not believe (`off_by`, as in their [`Doubt`]).
    pub fn carry_on_from(&self, last: Timestamp, off_by: Option<i64>) {
        let (read, boots) = look(self.wall.as_ref(), self.boot.as_ref());
        self.trust().carry_on_from(read, boots, last.0, off_by);
    }

    fn trust(&self) -> MutexGuard<'_, Trust> {
        self.trust.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for SteadyClock {
    fn now(&self) -> Timestamp {
        let (read, boots) = look(self.wall.as_ref(), self.boot.as_ref());
        Timestamp(self.trust().told(read, boots))
    }

    fn doubt(&self) -> Option<Doubt> {
        // A look, so that a jump is known to whoever asks and not only to whoever asks next.
        self.now();
        let trust = self.trust();
        trust.doubted.as_ref().map(|doubted| trust.doubt(doubted))
    }

    fn confirm(&self) {
        let (read, boots) = look(self.wall.as_ref(), self.boot.as_ref());
        let mut trust = self.trust();
        if trust.doubted.is_some() {
            trust.take(read, boots, TakenFor::Confirmed);
        }
    }

    fn news(&self) -> Vec<ClockNews> {
        std::mem::take(&mut self.trust().news)
    }
}

/// Reads both clocks in one moment. A process that is frozen between the two would take the pause for a jump.
fn look(wall: &dyn Clock, boot: &dyn Clock) -> (i64, i64) {
    let mut looks = 0;
    loop {
        let before = boot.now();
        let read = wall.now();
        let after = boot.now();
        looks += 1;
        if after.millis_since(before) <= super::millis(ONE_LOOK) || looks >= LOOKS {
            return (read.0, after.0);
        }
    }
}

/// What is believed. All is in milliseconds, and an *offset* is what a reading is ahead of the clock that nobody sets.
#[derive(Debug)]
struct Trust {
    /// What offsets are compared with. It follows small corrections no more than once in five minutes, or a clock that
    /// runs away in small steps would never have jumped.
    anchor: i64,
    anchored_at: i64,
    /// The offset of the last reading that was believed.
    last: i64,
    doubted: Option<Doubted>,
    news: Vec<ClockNews>,
}

/// A reading that is not believed.
#[derive(Debug)]
struct Doubted {
    offset: i64,
    steady_since: i64,
    since: i64,
}

impl Trust {
    fn beginning(read: i64, boots: i64) -> Self {
        let offset = read.saturating_sub(boots);
        Self { anchor: offset, anchored_at: boots, last: offset, doubted: None, news: Vec::new() }
    }

    /// The time to tell where `read` is read.
    fn told(&mut self, read: i64, boots: i64) -> i64 {
        let offset = read.saturating_sub(boots);
        if self.doubted.is_none() {
            if is_near(offset, self.anchor) {
                if boots.saturating_sub(self.anchored_at) >= STEADY {
                    (self.anchor, self.anchored_at) = (offset, boots);
                }
                self.last = offset;
                return read;
            }
            self.begin_to_doubt(offset, boots);
            return self.carried(boots);
        }
        if is_near(offset, self.anchor) {
            (self.last, self.doubted) = (offset, None);
            self.tell(ClockNews::Returned);
            return read;
        }
        let Some(doubted) = &mut self.doubted else { return read };
        if !is_near(offset, doubted.offset) {
            (doubted.offset, doubted.steady_since) = (offset, boots);
        }
        let why = if boots.saturating_sub(doubted.steady_since) >= STEADY {
            TakenFor::Steady
        } else if boots.saturating_sub(doubted.since) >= LONGEST_DOUBT {
            TakenFor::WantOfAnother
        } else {
            return self.carried(boots);
        };
        self.take(read, boots, why);
        read
    }

    /// The last trusted reading, carried on.
    fn carried(&self, boots: i64) -> i64 {
        self.last.saturating_add(boots)
    }

    fn carry_on_from(&mut self, read: i64, boots: i64, last: i64, off_by: Option<i64>) {
        let shared = off_by.map(|off_by| read.saturating_sub(off_by));
        let is_shared = |told: &i64| (-JUMP..=DOUBT_IS_INHERITED_FOR).contains(&told.saturating_sub(last));
        let told = match shared.filter(is_shared) {
            Some(told) => told,
            None if read < last.saturating_sub(JUMP) => last,
            None => return,
        };
        let offset = read.saturating_sub(boots);
        self.last = told.saturating_sub(boots);
        (self.anchor, self.anchored_at) = (self.last, boots);
        if is_near(offset, self.last) {
            return;
        }
        self.begin_to_doubt(offset, boots);
    }

    fn begin_to_doubt(&mut self, offset: i64, boots: i64) {
        let doubted = Doubted { offset, steady_since: boots, since: boots };
        let doubt = self.doubt(&doubted);
        self.doubted = Some(doubted);
        self.tell(ClockNews::Jumped(doubt));
    }

    fn doubt(&self, doubted: &Doubted) -> Doubt {
        Doubt {
            off_by: doubted.offset.saturating_sub(self.last),
            since: Timestamp(self.carried(doubted.since)),
        }
    }

    fn take(&mut self, read: i64, boots: i64, why: TakenFor) {
        let offset = read.saturating_sub(boots);
        let by = offset.saturating_sub(self.last);
        self.believe(offset, boots);
        self.tell(ClockNews::Taken { by, why });
    }

    fn believe(&mut self, offset: i64, boots: i64) {
        (self.anchor, self.anchored_at, self.last) = (offset, boots, offset);
        self.doubted = None;
    }

    fn tell(&mut self, news: ClockNews) {
        if self.news.len() < MAX_NEWS {
            self.news.push(news);
        }
    }
}

fn is_near(one: i64, other: i64) -> bool {
    one.saturating_sub(other).saturating_abs() <= JUMP
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::HandClock;

    const NOON: Timestamp = Timestamp(1_782_907_200_000);
    const HOUR: Duration = Duration::from_secs(3600);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A clock, what it reads and what it holds that against.
    struct Given {
        wall: Arc<HandClock>,
        boot: Arc<HandClock>,
        steady: SteadyClock,
    }

    fn given() -> Given {
        let (wall, boot) = (Arc::new(HandClock::at(NOON)), Arc::new(HandClock::at(Timestamp(5_000))));
        let steady = SteadyClock::held_against(Arc::clone(&wall) as _, Arc::clone(&boot) as _);
        Given { wall, boot, steady }
    }

    impl Given {
        fn passes(&self, span: Duration) {
            self.wall.wind(span);
            self.boot.wind(span);
        }

        /// So much passes, and somebody looks every second as a running server does.
        fn passes_watched(&self, span: Duration) {
            for _ in 0..span.as_secs() {
                self.passes(seconds(1));
                self.steady.now();
            }
        }

        fn is(&self, after_noon: Duration) -> bool {
            self.steady.now() == NOON.plus(after_noon)
        }
    }

    #[test]
    fn a_jump_there_and_back_is_never_told() {
        let given = given();
        given.passes(seconds(60));
        given.wall.wind(40 * 24 * HOUR);
        assert!(given.is(seconds(60)));
        let doubt = given.steady.doubt().unwrap();
        assert_eq!((doubt.off_by, doubt.since), (40 * 24 * 3_600_000, NOON.plus(seconds(60))));
        given.passes_watched(seconds(8));
        assert!(given.is(seconds(68)), "it goes on meanwhile");
        given.wall.wind_back(40 * 24 * HOUR);
        assert!(given.is(seconds(68)));
        assert_eq!(given.steady.doubt(), None);
        assert_eq!(given.steady.news(), [ClockNews::Jumped(doubt), ClockNews::Returned]);
    }

    #[test]
    fn a_clock_that_stays_where_it_jumped_to_is_believed_after_five_minutes() {
        for is_back in [false, true] {
            let given = given();
            if is_back {
                given.wall.wind_back(HOUR)
            } else {
                given.wall.wind(HOUR)
            }
            assert!(given.is(seconds(0)));
            given.passes_watched(seconds(299));
            assert!(given.is(seconds(299)));
            given.passes_watched(seconds(1));
            assert_eq!(given.steady.now(), given.wall.now());
            let by = if is_back { -3_600_000 } else { 3_600_000 };
            assert_eq!(given.steady.news()[1..], [ClockNews::Taken { by, why: TakenFor::Steady }]);
        }
    }

    #[test]
    fn a_clock_that_never_rests_is_taken_after_an_hour() {
        let given = given();
        for step in 0..3600 {
            assert!(step == 0 || given.is(seconds(step)), "after {step} s");
            if step % 60 == 0 {
                given.wall.wind(seconds(7));
            }
            given.passes_watched(seconds(1));
        }
        given.passes_watched(seconds(1));
        assert_eq!(given.steady.now(), given.wall.now());
        let taken = given.steady.news().pop().unwrap();
        assert!(matches!(taken, ClockNews::Taken { why: TakenFor::WantOfAnother, .. }), "{taken:?}");
    }

    #[test]
    fn an_operator_confirms_a_jump_and_nothing_else() {
        let given = given();
        given.steady.confirm();
        assert_eq!(given.steady.news(), [], "there was nothing to confirm");
        given.wall.wind(HOUR);
        assert!(given.is(seconds(0)));
        given.steady.confirm();
        assert!(given.is(HOUR));
        given.wall.wind(HOUR);
        assert!(given.is(HOUR), "the next jump is another one");
    }

    #[test]
    fn what_time_servers_correct_every_day_is_followed_and_running_away_in_small_steps_is_not() {
        let given = given();
        given.wall.wind(seconds(4));
        assert!(given.is(seconds(4)));
        given.passes_watched(seconds(300));
        given.wall.wind_back(seconds(4));
        assert!(given.is(seconds(300)));
        for _ in 0..10 {
            given.wall.wind(seconds(1));
            given.steady.now();
        }
        assert!(given.steady.doubt().is_some());
    }

    #[test]
    fn a_clock_before_the_last_mark_is_not_believed_and_one_long_after_it_is() {
        let given = given();
        given.steady.carry_on_from(NOON.minus(HOUR), None);
        assert!(given.is(seconds(0)) && given.steady.doubt().is_none());
        given.steady.carry_on_from(NOON.plus(HOUR), None);
        assert!(given.is(HOUR));
        assert_eq!(given.steady.doubt().unwrap().off_by, -3_600_000);
        given.passes(seconds(10));
        assert!(given.is(HOUR + seconds(10)));
    }

    #[test]
    fn a_restart_in_the_middle_of_a_jump_goes_on_doubting_it() {
        let (given, days) = (given(), 40 * 24 * HOUR);
        given.wall.wind(days + seconds(10));
        let off_by = i64::try_from(days.as_millis()).unwrap();
        given.steady.now();
        let restarted = SteadyClock::held_against(Arc::clone(&given.wall) as _, Arc::clone(&given.boot) as _);
        restarted.carry_on_from(NOON, Some(off_by));
        assert_eq!(restarted.now(), NOON.plus(seconds(10)));
        given.wall.wind_back(days);
        assert_eq!(restarted.now(), NOON.plus(seconds(10)));
        assert_eq!(restarted.doubt(), None);
        let mended = SteadyClock::held_against(Arc::clone(&given.wall) as _, Arc::clone(&given.boot) as _);
        mended.carry_on_from(NOON, Some(off_by));
        assert_eq!(mended.doubt(), None, "the clock was mended while nobody ran");
    }

    #[test]
    fn the_clock_that_nobody_sets_goes_forward() {
        let first = BootClock.elapsed();
        assert!(BootClock.elapsed() >= first && !first.is_zero());
    }
}
