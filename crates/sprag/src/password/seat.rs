//! Where a hashing thread sits, and how its attendant hands it what is to be hashed and takes what came of it.
//!
//! A hashing thread stops whenever another wants its core, and whatever lock it holds then is held for as long. So it shares
//! none with threads that answer requests: its attendant, which is of their priority, takes what is next from the queue, and
//! answers.
//!
//! And the attendant has the kernel look again and again who waits for the core. A thread of the idle class gives it at
//! once to one that is woken there. But where two others shared the core and one of them sleeps, the kernel goes by who has had
//! less than its share, and that is the hashing thread: the other one waits until the next tick, which is up to four
//! milliseconds, or until something is woken on that core. So the attendant wakes there more often than it ticks, and the
//! hashing thread stays on its core meanwhile, for that to be the right one.

use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// How long another thread waits at most, and how often the attendant wakes: so seldom that it takes a hundredth of the core.
const EVERY: Duration = Duration::from_micros(250);

/// A hashing thread that waits longer than this has nothing to do.
const IDLE: Duration = Duration::from_secs(1);

/// Who waits for no moment looks again after so long.
const LONG: Duration = Duration::from_secs(3600);

/// Where one thing at a time is worked on.
pub(super) struct Seat<W, D> {
    turn: Mutex<Hand<W, D>>,
    changed: Condvar,
}

enum Hand<W, D> {
    Free,
    Handed(W),
    /// It is worked on, on that core.
    Works(usize),
    Done(D),
    Closed,
}

impl<W, D> Seat<W, D> {
    pub(super) fn free() -> Self {
        Self { turn: Mutex::new(Hand::Free), changed: Condvar::new() }
    }

    /// For the attendant: has it done, waking on that core meanwhile.
    pub(super) fn have_done(&self, work: W) -> D {
        self.set(Hand::Handed(work));
        let (mut turn, mut own_core) = (self.locked(), None);
        loop {
            match mem::replace(&mut *turn, Hand::Free) {
                Hand::Done(done) => return done,
                other => *turn = other,
            }
            if let Hand::Works(core) = *turn
                && own_core.replace(core) != Some(core)
            {
                // Where it may not choose its core, it wakes on another, which is no harm.
                let _ = sched_setaffinity(None, &only(core));
            }
            let waited = self.changed.wait_timeout(turn, EVERY);
            turn = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// For the hashing thread: what it is handed, and the core that it is to stay on meanwhile; calls `idles` once where that takes
    /// longer than a second. `None` once the seat is closed.
    pub(super) fn take(&self, idles: impl FnOnce()) -> Option<(W, usize)> {
        let (mut turn, mut idles) = (self.locked(), Some(idles));
        loop {
            match mem::replace(&mut *turn, Hand::Free) {
                Hand::Handed(work) => {
                    let core = sched_getcpu();
                    *turn = Hand::Works(core);
                    return Some((work, core));
                }
                Hand::Closed => return None,
                other => *turn = other,
            }
            let span = if idles.is_some() { IDLE } else { LONG };
            let (waited, outcome) =
                self.changed.wait_timeout(turn, span).unwrap_or_else(PoisonError::into_inner);
            turn = waited;
            if outcome.timed_out()
                && matches!(*turn, Hand::Free)
                && let Some(idles) = idles.take()
            {
                drop(turn);
                idles();
                turn = self.locked();
            }
        }
    }

    /// For the hashing thread: this came of it.
    pub(super) fn done(&self, done: D) {
        self.set(Hand::Done(done));
    }

    /// For the attendant: nothing more is handed over.
    pub(super) fn close(&self) {
        self.set(Hand::Closed);
    }

    fn set(&self, turn: Hand<W, D>) {
        *self.locked() = turn;
        self.changed.notify_all();
    }

    fn locked(&self) -> MutexGuard<'_, Hand<W, D>> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does something on that core and no other.
pub(super) fn on_core<T>(core: usize, work: impl FnOnce() -> T) -> T {
    let cores = sched_getaffinity(None).ok();
    // Where a thread may not choose its core, the attendant wakes on another, which is no harm.
    let stays = sched_setaffinity(None, &only(core)).is_ok();
    let done = work();
    if let (Some(cores), true) = (cores, stays) {
        let _ = sched_setaffinity(None, &cores);
    }
    done
}

fn only(core: usize) -> CpuSet {
    let mut set = CpuSet::new();
    if core < CpuSet::MAX_CPU {
        set.set(core);
    }
    set
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    fn cores() -> Vec<usize> {
        let set = sched_getaffinity(None).unwrap();
        (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect()
    }

    #[test]
    fn an_attendant_wakes_on_the_core_where_a_password_is_hashed_and_the_hash_stays_there() {
        let seat = Arc::new(Seat::free());
        let hashing = Arc::clone(&seat);
        let hashing = thread::spawn(move || {
            let before = cores();
            let mut done = 0;
            while let Some((number, core)) = hashing.take(|| ()) {
                let own = on_core(core, || {
                    thread::yield_now();
                    cores()
                });
                done += number;
                hashing.done((own, core));
            }
            assert_eq!(cores(), before, "afterwards it may run on any");
            done
        });
        for number in 1..=3 {
            let (own, core) = seat.have_done(number);
            assert_eq!(own, [core]);
        }
        seat.close();
        assert_eq!(hashing.join().unwrap(), 6);
    }

    #[test]
    fn the_attendant_follows_to_the_core_and_waits_for_what_takes_long() {
        let seat = Arc::new(Seat::free());
        let (hashing, (told, tell)) = (Arc::clone(&seat), std::sync::mpsc::channel());
        let attendant = thread::spawn(move || {
            told.send(rustix::thread::gettid()).unwrap();
            let done = seat.have_done("a password");
            (done, cores())
        });
        let attendant_id = tell.recv().unwrap();
        let (work, core) = hashing.take(|| ()).unwrap();
        let follows = || {
            let set = sched_getaffinity(Some(attendant_id)).unwrap();
            set.count() == 1 && set.is_set(core)
        };
        while !follows() {
            thread::yield_now();
        }
        hashing.done(work.len());
        assert_eq!(attendant.join().unwrap(), (10, vec![core]));
    }

    #[test]
    fn who_has_nothing_to_do_for_long_gives_back_what_it_holds_once() {
        let seat: Seat<(), ()> = Seat::free();
        thread::scope(|scope| {
            let hashing = scope.spawn(|| {
                let mut rests = 0;
                assert!(
                    seat.take(|| {
                        rests += 1;
                        seat.close();
                    })
                    .is_none()
                );
                rests
            });
            assert_eq!(hashing.join().unwrap(), 1);
        });
    }
}
