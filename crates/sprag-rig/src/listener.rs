//! Starting a program that listens on a port it is told.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use crate::supervisor::Supervisor;
use crate::{ports, process};

const READY: Duration = Duration::from_secs(30);
const MAX_PORTS_TRIED: usize = 5;

/// Starts what `words` says for an address, and waits until it takes connections there.
pub(crate) fn start(
    name: &str,
    supervisor: &Supervisor,
    words: impl Fn(SocketAddr) -> Vec<String>,
) -> SocketAddr {
    for _ in 0..MAX_PORTS_TRIED {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, ports::free()));
        let logged = supervisor.log().len();
        supervisor.start(&words(addr));
        let mut has_ended = false;
        process::wait_until(&format!("{name} to listen"), READY, || {
            has_ended = supervisor.running().is_none();
            has_ended || TcpStream::connect(addr).is_ok()
        });
        if !has_ended {
            return addr;
        }
        // The port was free when it was chosen, which may be over by now.
        let is_taken = supervisor.log()[logged..].to_lowercase().contains("address already in use");
        assert!(is_taken, "{name} did not start; its log ends:\n{}", supervisor.log_tail());
    }
    panic!("{name} found {MAX_PORTS_TRIED} ports in use one after the other");
}
