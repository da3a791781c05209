//! Signals for the first process of a container: the system ends that one by none that it does not handle.

use std::thread;

use tokio::signal::unix::{SignalKind, signal};

/// What a shell tells of a process that a signal ended: this, and the signal's number.
const ENDED_BY_SIGNAL: i32 = 128;

/// Lets SIGTERM and SIGINT end a command that is the first process, as they end it anywhere else: at once, whatever it is
/// doing. Not for the server, which handles both and leaves in order.
///
/// Without this, a command that waits for a database in a container can only be killed.
pub(crate) fn ends_at_signals() {
    if std::process::id() != 1 {
        return;
    }
    thread::spawn(|| {
        // Where there are no signals to be had, the command still does its work, and ends with it.
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_io().build() else { return };
        runtime.block_on(async {
            let (terminate, interrupt) = (SignalKind::terminate(), SignalKind::interrupt());
            let (Ok(mut terminated), Ok(mut interrupted)) = (signal(terminate), signal(interrupt)) else {
                return;
            };
            let kind = tokio::select! {
                _ = terminated.recv() => terminate,
                _ = interrupted.recv() => interrupt,
            };
            std::process::exit(ENDED_BY_SIGNAL + kind.as_raw_value());
        });
    });
}
