//! A PostgreSQL server.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use rustix::process::Signal;

use crate::supervisor::Supervisor;
use crate::{WoundClock, ports, process, tools};

mod database;
mod standby;
mod tls;

pub use database::Database;
pub use standby::Sync;
pub use tls::{Identity, TlsFiles};

use standby::Stream;

/// What every server has. Losing power is not what these tests are about, and a killed process loses nothing that it
/// has handed to the system; so nothing waits for a disk.
const SETTINGS: [(&str, &str); 11] = [
    ("fsync", "off"),
    ("shared_buffers", "64MB"),
    ("max_connections", "200"),
    ("wal_level", "replica"),
    ("max_wal_senders", "10"),
    ("max_replication_slots", "10"),
    ("wal_keep_size", "512MB"),
    ("hot_standby", "on"),
    // Inside the directory, so that nothing of it stays behind after a crash.
    ("dynamic_shared_memory_type", "mmap"),
    ("log_line_prefix", "%m [%p] "),
    ("wal_retrieve_retry_interval", "200ms"),
];
const READY: Duration = Duration::from_secs(60);
const STOP: Duration = Duration::from_secs(60);
const MAX_PORTS_TRIED: usize = 5;

/// A PostgreSQL server in a temporary directory, gone when this is dropped or the test process ends.
pub struct Postgres {
    bin: PathBuf,
    /// Its name in the log and to a primary.
    name: String,
    port: u16,
    supervisor: Supervisor,
    /// Of a standby: where its changes come from.
    stream: Option<Stream>,
    /// The standbys that commits wait for.
    awaited: Mutex<Vec<String>>,
    /// The clock that it goes by, where that is not the machine's.
    clock: Option<WoundClock>,
}

/// What a server shall have beyond the usual before it starts.
#[derive(Default)]
pub struct Builder {
    settings: Vec<(String, String)>,
    has_wound_clock: bool,
}

impl Builder {
    /// A setting of `postgresql.conf`, over the usual one.
    #[must_use]
    pub fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The server goes by a clock of its own, [`Postgres::clock`].
    #[must_use]
    pub fn with_a_clock_to_wind(mut self) -> Self {
        self.has_wound_clock = true;
        self
    }

    /// Makes a cluster and starts its server.
    pub fn start(self) -> Postgres {
        self.prepared().started()
    }

    /// Makes a cluster, whose server is still to be started.
    fn prepared(self) -> Postgres {
        let mut server = Postgres::in_new_directory();
        server.clock = self.has_wound_clock.then(|| WoundClock::in_folder(server.dir()));
        server
            .run_tool("initdb", &["-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C", "-U", "postgres"]);
        let usual = SETTINGS.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        server.append("postgresql.conf", usual.chain(self.settings));
        server
    }
}

impl Postgres {
    /// A server with the usual settings.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// A server with settings of its own.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The one server of this test process, for tests that are content with a database of their own.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Self::start)
    }

    /// A new, empty database.
    pub fn fresh_database(&self) -> Database {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("fresh_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        // Nobody can be connected to template0, which would make this fail.
        self.psql(&format!("create database {name} template template0"));
        self.database(&name)
    }

    /// A database that is there already; `postgres` always is.
    pub fn database(&self, name: &str) -> Database {
        Database::new(self, name)
    }

    /// Runs SQL in the database `postgres`; see [`Database::psql`].
    pub fn psql(&self, sql: &str) -> String {
        self.database("postgres").psql(sql)
    }

    /// The address of a database over TCP.
    pub fn url(&self, database: &str) -> String {
        self.database(database).url()
    }

    /// The port on 127.0.0.1, and part of the socket's name.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The temporary directory: the socket, the log, and the cluster in `data`.
    pub fn dir(&self) -> &Path {
        self.supervisor.dir()
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        self.supervisor.log()
    }

    /// The clock that the server goes by.
    ///
    /// # Panics
    /// Where it was not started with one of its own.
    pub fn clock(&self) -> &WoundClock {
        self.clock.as_ref().expect("the server was started with a clock to wind")
    }

    /// One of PostgreSQL's programs, such as `pgbench`.
    pub fn bin(&self, program: &str) -> PathBuf {
        let path = self.bin.join(program);
        if path.is_file() { path } else { tools::program(program) }
    }

    /// The postmaster's process id.
    ///
    /// # Panics
    /// Where the server does not run.
    pub fn pid(&self) -> u32 {
        self.supervisor.running().expect("the server does not run")
    }

    /// A crash: the postmaster and every process below it die at once.
    pub fn kill(&self) {
        let postmaster = self.pid();
        let children = process::stop_with_children(postmaster);
        process::send(postmaster, Signal::KILL);
        children.iter().for_each(|child| process::send(*child, Signal::KILL));
        self.supervisor.wait_ended(STOP);
        process::wait_until("the server's processes to die", STOP, || {
            !children.iter().any(|child| process::is_alive(*child))
        });
    }

    /// Stops the server as an operator would: open transactions are rolled back, connections closed.
    pub fn stop_fast(&self) {
        process::send(self.pid(), Signal::INT);
        self.supervisor.wait_ended(STOP);
    }

    /// Starts the server again after [`Postgres::kill`] or [`Postgres::stop_fast`], in the same place.
    pub fn start_again(&self) {
        if let Err(log) = self.try_start() {
            panic!("PostgreSQL did not start again; its log ends:\n{log}");
        }
    }

    /// Stops every process of the server where it stands: connections stay, and nobody answers.
    pub fn freeze(&self) {
        process::stop_with_children(self.pid());
    }

    /// Lets a frozen server go on.
    pub fn thaw(&self) {
        let postmaster = self.pid();
        process::children(postmaster).iter().for_each(|child| process::send(*child, Signal::CONT));
        process::send(postmaster, Signal::CONT);
    }

    /// Changes a setting for good; where the server must be started anew for it, that happens.
    pub fn set(&self, name: &str, value: &str) {
        let loaded = || self.psql("select pg_conf_load_time()");
        let before = loaded();
        let value = value.replace('\'', "''");
        self.psql(&format!("alter system set {name} = '{value}';\nselect pg_reload_conf()"));
        process::wait_until("the settings to be read again", READY, || loaded() != before);
        if self.psql(&format!("select pending_restart from pg_settings where name = '{name}'")) == "t" {
            self.stop_fast();
            self.start_again();
        }
    }

    fn in_new_directory() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("rig_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let supervisor = Supervisor::new("QUIT");
        Self {
            bin: tools::postgres_bin(),
            name,
            port: 0,
            supervisor,
            stream: None,
            awaited: Mutex::default(),
            clock: None,
        }
    }

    fn data(&self) -> PathBuf {
        self.dir().join("data")
    }

    /// Runs a program that fills the data directory, as the user who will own it.
    fn run_tool(&self, name: &str, arguments: &[&str]) {
        let mut words = tools::drop_privileges();
        words.push(self.bin(name).display().to_string());
        let output = tools::command(&words[0])
            .args(&words[1..])
            .args(arguments)
            .arg("-D")
            .arg(self.data())
            .current_dir(self.dir())
            .output()
            .unwrap_or_else(|error| panic!("could not run {name}: {error}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name} failed in {}: {said}", self.dir().display());
    }

    fn append(&self, file: &str, settings: impl IntoIterator<Item = (String, String)>) {
        let path = self.data().join(file);
        let lines: String = settings
            .into_iter()
            .map(|(name, value)| format!("{name} = '{}'\n", value.replace('\'', "''")))
            .collect();
        let mut file = OpenOptions::new().append(true).open(&path).expect("the cluster has its settings");
        file.write_all(lines.as_bytes()).expect("could not write the settings");
    }

    /// Starts the server for the first time. The port was free when it was chosen, which may be over by now.
    fn started(mut self) -> Self {
        for _ in 0..MAX_PORTS_TRIED {
            self.port = ports::free();
            match self.try_start() {
                Ok(()) => return self,
                Err(log) if log.contains("Address already in use") => {}
                Err(log) => panic!("PostgreSQL did not start; its log ends:\n{log}"),
            }
        }
        panic!("PostgreSQL found {MAX_PORTS_TRIED} ports in use one after the other");
    }

    /// Starts the server and waits until it takes connections; or answers the end of its log.
    fn try_start(&self) -> Result<(), String> {
        let environment = self.clock.as_ref().map(WoundClock::environment).into_iter().flatten();
        let clock: Vec<String> = environment.map(|(name, value)| format!("{name}={value}")).collect();
        let server = [
            self.bin("postgres").display().to_string(),
            format!("-D{}", self.data().display()),
            "-clisten_addresses=127.0.0.1".to_owned(),
            format!("-cport={}", self.port),
            format!("-cunix_socket_directories={}", self.dir().display()),
            format!("-ccluster_name={}", self.name),
        ];
        let words = [vec![tools::program("env").display().to_string()], clock, server.to_vec()].concat();
        let pid = self.supervisor.start(&words);
        let mut has_ended = false;
        process::wait_until("PostgreSQL to take connections", READY, || {
            has_ended = self.supervisor.running().is_none();
            has_ended || self.is_ready(pid)
        });
        if has_ended { Err(self.supervisor.log_tail()) } else { Ok(()) }
    }

    /// What `pg_ctl` looks at, too: the postmaster writes its state into the last line of this file.
    fn is_ready(&self, pid: u32) -> bool {
        let text = fs::read_to_string(self.data().join("postmaster.pid")).unwrap_or_default();
        let is_this_one = text.lines().next() == Some(&pid.to_string());
        is_this_one && text.lines().nth(7).is_some_and(|state| state.trim() == "ready")
    }
}
