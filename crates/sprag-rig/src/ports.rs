//! Ports nobody else uses.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};

/// Below the range that the system hands to outgoing connections, so that a server which is down for a moment finds
/// its port free when it comes back.
const RANGE: std::ops::Range<u16> = 15_000..32_000;
const MAX_TRIES: usize = 1000;

/// A port of 127.0.0.1 that is free now; taken by chance, since other test processes look for one as well.
pub(crate) fn free() -> u16 {
    for _ in 0..MAX_TRIES {
        let random = RandomState::new().build_hasher().finish();
        let port = RANGE.start + (random % u64::from(RANGE.end - RANGE.start)) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no free port on 127.0.0.1 between {} and {}", RANGE.start, RANGE.end);
}
