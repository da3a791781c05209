//! PgBouncer in front of a server.

use std::net::{Ipv4Addr, SocketAddr};

use crate::listener;
use crate::postgres::Postgres;
use crate::supervisor::Supervisor;
use crate::tools;

/// PgBouncer in transaction mode: each transaction may run on another of a few connections to the server.
pub struct PgBouncer {
    addr: SocketAddr,
    /// Held for its end: it stops the program.
    _supervisor: Supervisor,
}

impl PgBouncer {
    /// Stands before this server, with so many connections to it for each database.
    pub fn start(server: &Postgres, pool_size: usize) -> Self {
        Self::start_with(server, pool_size, &[])
    }

    /// Starts a pooler with settings of its own in the section `[pgbouncer]`.
    pub fn start_with(server: &Postgres, pool_size: usize, settings: &[(&str, &str)]) -> Self {
        let program = tools::program("pgbouncer").display().to_string();
        // It has no state to keep, and stopping it gently means another signal with each version.
        let supervisor = Supervisor::new("KILL");
        let addr = listener::start("PgBouncer", &supervisor, |addr| {
            let file = supervisor.write("pgbouncer.ini", &settings_file(server, pool_size, addr, settings));
            vec![program.clone(), file.display().to_string()]
        });
        Self { addr, _supervisor: supervisor }
    }

    /// Where it listens.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The address of a database by way of this.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres@{}/{database}", self.addr)
    }
}

fn settings_file(server: &Postgres, pool_size: usize, addr: SocketAddr, settings: &[(&str, &str)]) -> String {
    let more: String = settings.iter().map(|(name, value)| format!("{name} = {value}\n")).collect();
    format!(
        "[databases]\n\
         * = host={} port={} user=postgres\n\
         [pgbouncer]\n\
         listen_addr = {}\n\
         listen_port = {}\n\
         unix_socket_dir =\n\
         auth_type = any\n\
         pool_mode = transaction\n\
         default_pool_size = {pool_size}\n\
         max_client_conn = 1000\n\
         {more}",
        Ipv4Addr::LOCALHOST,
        server.port(),
        addr.ip(),
        addr.port(),
    )
}
