//! The server under attack, and how it is reached.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context as _;
use sprag_testkit::binary::server::{Home, Server};
use tokio::net::{TcpSocket, TcpStream};

/// How many kibibytes the server may hold, whoever attacks it.
const MOST_MIB: u64 = 200;

/// A server is started anew for each attack.
pub(super) struct Target {
    sprag: String,
    pub(super) lasts: Duration,
    pub(super) connections: usize,
}

/// One server, started for one attack.
pub(super) struct Started {
    pub(super) server: Server,
    pub(super) home: Home,
}

impl Target {
    pub(super) fn new(sprag: &str, lasts: Duration, connections: usize) -> Self {
        Self { sprag: sprag.to_owned(), lasts, connections }
    }

    /// Where the server's binary lies.
    pub(super) fn sprag(&self) -> &str {
        &self.sprag
    }

    pub(super) fn start(&self) -> Started {
        self.start_with(&[])
    }

    /// Starts one with the limits that are usual.
    pub(super) fn start_limited(&self) -> Started {
        self.start_with(&["--rate-limits", "on"])
    }

    fn start_with(&self, flags: &[&str]) -> Started {
        let home = Home::new(&self.sprag);
        Started { server: home.start(flags), home }
    }
}

impl Started {
    pub(super) fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// The most memory that it has held so far, as a figure with its bound.
    pub(super) fn memory(&self) -> anyhow::Result<super::Figure> {
        let memory = crate::load::memory::Memory::of(self.server.id())?;
        let mib = memory.peak_bytes / (1024 * 1024);
        let what = format!("memory at most {mib} MiB (promised: {MOST_MIB})");
        Ok(super::Figure { what, is_within: mib <= MOST_MIB })
    }
}

/// An address of the attacker with this number, of so many networks.
pub(super) fn attacker(number: usize, networks: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 1, u8::try_from(number % networks).unwrap_or(0), 1)
}

/// Connects from an address of this machine; `is_small` leaves the system little room for what is not read.
pub(super) async fn connect(from: Ipv4Addr, to: SocketAddr, is_small: bool) -> anyhow::Result<TcpStream> {
    let socket =
        TcpSocket::new_v4().context("could not open a socket; allow more open files (ulimit -n 20000)")?;
    if is_small {
        socket.set_recv_buffer_size(2048)?;
    }
    socket.bind((from, 0).into())?;
    Ok(socket.connect(to).await?)
}
