//! Signals, and the processes below a process.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const POLL: Duration = Duration::from_millis(5);
const STOP: Duration = Duration::from_secs(10);

/// Waits until the condition holds; panics after `patience`, naming what was waited for.
#[track_caller]
pub(crate) fn wait_until(what: &str, patience: Duration, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < patience, "waited {patience:?} in vain: {what}");
        thread::sleep(POLL);
    }
}

/// Sends a signal; a process that is gone already is fine.
pub(crate) fn send(pid: u32, signal: Signal) {
    match kill_process(pid_of(pid), signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => {}
        Err(error) => panic!("could not send {signal:?} to process {pid}: {error}"),
    }
}

/// Stops a process and those below it, which are answered.
pub(crate) fn stop_with_children(parent: u32) -> Vec<u32> {
    // The parent first, and for certain, so that it starts nobody while its children are counted.
    send(parent, Signal::STOP);
    wait_until("a process to stop", STOP, || stat(parent).is_none_or(|(state, _)| "TZX".contains(state)));
    let children = children(parent);
    children.iter().for_each(|child| send(*child, Signal::STOP));
    children
}

/// The processes whose parent is `parent`.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").expect("/proc is there; the rig needs Linux");
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| stat(*pid).is_some_and(|(_, of)| of == parent))
        .collect()
}

/// Whether the process still runs: a zombie does not.
pub(crate) fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

/// A process's state and its parent. The name before them may hold anything, even spaces and brackets.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

fn pid_of(pid: u32) -> Pid {
    i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id is a small positive number")
}
