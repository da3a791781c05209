//! Three nodes with one key ring on one PostgreSQL.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sprag_rig::Database;

use crate::binary::random::Random;
use crate::binary::server::{Home, PASSWORD, Ran, Server, await_some};
use crate::binary::wire::{Connection, Request};

pub const NODES: usize = 3;

/// The data directories of three nodes, what they share, and where each listens, in all its lives.
pub struct Cluster {
    pub database: Database,
    homes: [Home; NODES],
    addresses: [SocketAddr; NODES],
    flags: Vec<String>,
}

impl Cluster {
    /// Starts three nodes, the first of which makes the tables and the key ring.
    pub fn start(sprag: &str, database: Database, flags: &[&str]) -> (Self, [Server; NODES]) {
        let homes = [(); NODES].map(|()| Home::new(sprag));
        let flags = flags.iter().map(|flag| (*flag).to_owned()).collect();
        let cluster = Self { database, homes, addresses: free_addresses(), flags };
        let first = cluster.start_node(0);
        for node in 1..NODES {
            fs::create_dir(cluster.homes[node].data()).expect("the folder can be made");
            cluster.give_ring(0, node);
        }
        let servers = [first, cluster.start_node(1), cluster.start_node(2)];
        (cluster, servers)
    }

    pub fn addresses(&self) -> [SocketAddr; NODES] {
        self.addresses
    }

    /// Starts a node and waits until it listens; again where it was before.
    pub fn start_node(&self, node: usize) -> Server {
        let mut server = self.begin_node(node);
        server.await_address();
        server
    }

    /// Starts a node and does not wait for it.
    pub fn begin_node(&self, node: usize) -> Server {
        let address = self.addresses[node].to_string();
        // A public address that is the same for all: an access token of one is good for the others.
        let mut flags = vec!["--listen", &address, "--public-url", "http://localhost:1"];
        flags.extend(["--sweep-interval", "0s"]);
        flags.extend(self.flags.iter().map(String::as_str));
        let url = self.database.url();
        self.homes[node].begin(&flags, &[("SPRAG_DATABASE_URL", url.as_str())])
    }

    /// Runs a command on a node to its end.
    pub fn run(&self, node: usize, args: &[&str], input: &str) -> Ran {
        let mut command = self.homes[node].command(args);
        command.env("SPRAG_DATABASE_URL", self.database.url());
        self.homes[node].run(command, input)
    }

    /// Runs a command that must do what it was asked for.
    pub fn done(&self, node: usize, args: &[&str], input: &str) -> Ran {
        let ran = self.run(node, args, input);
        assert!(ran.status.success(), "{args:?}: {ran:?}");
        ran
    }

    /// Copies the key ring from one node to another, as `rsync` would: written beside, then renamed.
    pub fn give_ring(&self, from: usize, to: usize) {
        let ring = fs::read(self.ring(from)).expect("the ring can be read");
        let draft = self.ring(to).with_extension("new");
        let mut private = fs::OpenOptions::new();
        private.write(true).create(true).truncate(true).mode(0o600);
        let mut file = private.open(&draft).expect("the copy can be made");
        std::io::Write::write_all(&mut file, &ring).expect("the copy can be written");
        fs::rename(&draft, self.ring(to)).expect("the copy can be renamed");
    }

    pub fn ring(&self, node: usize) -> PathBuf {
        self.homes[node].data().join("keys.json")
    }

    /// Makes the accounts `user-0` to `user-(count - 1)`, the first as an operator would. The others are copies of it
    /// in the database, for a process each and a hash each take their time.
    pub fn create_users(&self, count: u64) {
        let first = ["user", "create", "--username", "user-0", "--password-stdin", "--admin"];
        self.done(0, &first, PASSWORD);
        self.database.psql(&format!(
            "create temporary table made as
                 select gen_random_uuid() as id, 'user-' || number as name from generate_series(1, {count} - 1) as number;
             insert into credential (account_id, kind, id, secret, created_at)
                 select made.id, kind, credential.id, secret, created_at from made, credential;
             insert into account (id, epoch, is_admin, created_at, username)
                 select made.id, 0, false, created_at, made.name from made, account where username = 'user-0';
             insert into identity (kind, value, account_id) select 'username', name, id from made;"
        ));
    }

    /// Has the journal verified, as an operator would.
    pub fn verify_journal(&self) {
        self.done(0, &["audit", "verify"], "");
    }

    /// Waits until every node takes requests; answers how long that took.
    pub fn await_ready(&self) -> Duration {
        let begun = Instant::now();
        let is_ready = |address: &SocketAddr| {
            let answer = Connection::open(*address).and_then(|mut at| at.ask(&Request::get("/readyz")));
            answer.is_ok_and(|answer| answer.status == 200)
        };
        let all = || self.addresses.iter().all(is_ready).then_some(());
        await_some(all).expect("all nodes take requests again");
        begun.elapsed()
    }
}

/// Addresses that are free now, below the ports that the system hands to outgoing connections: a node that is down for
/// a moment finds its own free when it comes back.
fn free_addresses() -> [SocketAddr; NODES] {
    let mut random = Random::new(u64::from(std::process::id()) ^ (random_of_this_call() << 32));
    let mut found = Vec::new();
    while found.len() < NODES {
        let port = u16::try_from(10_000 + random.below(5_000)).expect("a port is a small number");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if !found.contains(&address) && TcpListener::bind(address).is_ok() {
            found.push(address);
        }
    }
    found.try_into().expect("three were looked for")
}

/// Another number at each call.
fn random_of_this_call() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
