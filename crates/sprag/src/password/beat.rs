//! Has the kernel look again and again, while a password is hashed, whether another thread waits for that core.
//!
//! A thread of the idle class gives its core at once to one that is woken there. But where two others shared the core and one
//! of them sleeps, the kernel goes by who has had less than its share, and that is the hashing thread: it runs, and the other
//! one waits until the next tick, which is up to four milliseconds, or until something is woken on that core. So something is
//! woken there more often than it ticks, and the hashing thread stays on its core meanwhile, for that to be the right one.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::thread::{CpuSet, sched_getaffinity, sched_getcpu, sched_setaffinity};

/// How long another thread waits at most, and how often something is woken: so seldom that it takes a hundredth of the core.
const EVERY: Duration = Duration::from_micros(250);

/// What wakes on the core of one hashing thread.
pub(super) struct Beat(Arc<Pulse>);

#[derive(Default)]
struct Pulse {
    beats: Mutex<Beats>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
enum Beats {
    #[default]
    Never,
    On(usize),
    NoMore,
}

impl Beat {
    /// Where the system gives no thread for it, hashing goes on without.
    pub(super) fn start() -> Self {
        let pulse = Arc::new(Pulse::default());
        let kept = Arc::clone(&pulse);
        let thread = thread::Builder::new().name("sprag-beat".into()).spawn(move || kept.keep());
        if let Err(error) = thread {
            tracing::warn!(%error, "could not start a thread, so refreshes may wait for passwords that are hashed");
        }
        Self(pulse)
    }

    /// Carries out what takes long, on one core and with a beat there.
    pub(super) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        let cores = sched_getaffinity(None).ok();
        let core = sched_getcpu();
        // Where a thread may not choose its core, the beat may be on another one, which is no harm.
        let stays = cores.is_some() && sched_setaffinity(None, &only(core)).is_ok();
        self.0.set(Beats::On(core));
        let done = work();
        self.0.set(Beats::Never);
        if let (Some(cores), true) = (cores, stays) {
            let _ = sched_setaffinity(None, &cores);
        }
        done
    }
}

impl Drop for Beat {
    fn drop(&mut self) {
        self.0.set(Beats::NoMore);
    }
}

impl Pulse {
    fn set(&self, beats: Beats) {
        *self.locked() = beats;
        self.changed.notify_one();
    }

    /// What the thread does that wakes.
    fn keep(&self) {
        let mut last = None;
        loop {
            let mut beats = self.locked();
            while *beats == Beats::Never {
                beats = self.changed.wait(beats).unwrap_or_else(PoisonError::into_inner);
            }
            let now = *beats;
            drop(beats);
            let Beats::On(core) = now else { return };
            if last.replace(core) != Some(core) {
                let _ = sched_setaffinity(None, &only(core));
            }
            thread::sleep(EVERY);
        }
    }

    fn locked(&self) -> MutexGuard<'_, Beats> {
        self.beats.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    use std::fs;

    use super::*;

    fn cores() -> Vec<usize> {
        let set = sched_getaffinity(None).unwrap();
        (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect()
    }

    /// Where threads of that name may run, as `/proc` has it.
    fn cores_of(name: &str) -> Vec<String> {
        let tasks = fs::read_dir("/proc/self/task").unwrap().flatten().map(|task| task.path());
        let named =
            tasks.filter(|task| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name));
        let statuses = named.filter_map(|task| fs::read_to_string(task.join("status")).ok());
        let told = statuses.filter_map(|status| {
            let line = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
            line.map(|cores| cores.trim().to_owned())
        });
        told.collect()
    }

    #[test]
    fn while_a_password_is_hashed_something_wakes_on_its_core_and_afterwards_it_may_run_on_any() {
        let before = cores();
        let beat = Beat::start();
        let core = beat.during(|| {
            let own = cores();
            assert_eq!(own.len(), 1, "it stays where it is");
            while !cores_of("sprag-beat").contains(&own[0].to_string()) {
                thread::yield_now();
            }
            own[0]
        });
        assert_eq!(cores(), before);
        assert!(before.contains(&core));
        assert_eq!(beat.during(|| 7), 7);
    }
}
