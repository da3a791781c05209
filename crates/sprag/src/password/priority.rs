//! How far the hashing threads stand behind those that answer requests.

use thread_priority::{
    NormalThreadSchedulePolicy::Idle, ThreadPriority, ThreadSchedulePolicy::Normal,
    set_thread_priority_and_policy, thread_native_id, thread_schedule_policy,
};

/// How far a stand-in stands behind the threads that answer requests (`nice`): beside one other program it gets a third of a
/// core. It works only where something else keeps all cores busy; with a tenth of one, as by 10, people waited for so long
/// that their log-ins were given up.
const NICENESS: i32 = 3;

/// Has this thread run only where no other wants the core: of Linux's idle class. A thread that is woken takes the core
/// from one of that class at once; from any other, however nice, only milliseconds later. Where the system refuses that, as
/// [`behind`].
pub(super) fn last() {
    if let Err(error) = in_idle_class() {
        tracing::warn!(%error, "password hashing is not in the idle class, so refreshes may wait for it");
        behind();
    }
}

/// Has this thread get a small share of the cores.
pub(super) fn behind() {
    let this_thread = Some(rustix::thread::gettid());
    if let Err(error) = rustix::process::setpriority_process(this_thread, NICENESS) {
        tracing::warn!(%error, "password hashing runs at normal priority: the system refused a lower one");
    }
}

fn in_idle_class() -> Result<(), thread_priority::Error> {
    let entered = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, Normal(Idle));
    // It also sets the niceness, which means nothing in this class, to zero. A server that was started with a higher one may
    // not lower it, which is no harm.
    if thread_schedule_policy()? == Normal(Idle) { Ok(()) } else { entered }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;

    use super::*;

    /// The niceness and the class of this thread, as `/proc` has them (fields 19 and 41).
    fn standing() -> (i32, u32) {
        let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
        let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
        (fields[16].parse().unwrap(), fields[38].parse().unwrap())
    }

    #[test]
    fn hashing_threads_run_only_where_nobody_else_wants_the_core_and_stand_ins_get_a_share() {
        const IDLE_CLASS: u32 = 5;
        let standings = [last as fn(), behind].map(|set| {
            let thread = thread::spawn(move || {
                set();
                standing()
            });
            thread.join().unwrap()
        });
        assert_eq!(standings[0].1, IDLE_CLASS);
        assert_eq!(standings[1], (NICENESS, 0));
    }
}
