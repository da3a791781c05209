//! The real binary on a free port of this machine, in a folder of its own.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::binary::wire::{Answer, Connection, PATIENCE, Request};
use crate::making::asked_to_create;

/// The password of every account that a test makes.
pub const PASSWORD: &str = "a long password for tests";

/// How often a command is put off at most that a busy machine has no time for.
const PUT_OFF: u32 = 20;

/// How often something awaited is looked for.
const LOOK: Duration = Duration::from_millis(3);

/// A folder with a server's data, and what it printed.
pub struct Home {
    folder: TempDir,
    sprag: PathBuf,
    starts: AtomicU32,
}

/// What a command that ran to its end came to.
#[derive(Debug)]
pub struct Ran {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
}

impl Home {
    pub fn new(sprag: impl Into<PathBuf>) -> Self {
        let folder = tempfile::Builder::new().prefix("sprag-test-").tempdir().expect("a folder can be made");
        Self { folder, sprag: sprag.into(), starts: AtomicU32::new(0) }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The data directory; the server makes it.
    pub fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// The binary with nothing inherited, to be run in this folder.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.sprag);
        command.env_clear().current_dir(self.path()).stdin(Stdio::null()).args(args);
        command.arg("--data-dir").arg(self.data()).args(asked_to_create(args));
        command
    }

    /// Runs a command to its end, `input` being what is typed.
    pub fn run(&self, command: Command, input: &str) -> Ran {
        let typed = self.path().join(format!("in-{}", self.starts.fetch_add(1, Ordering::Relaxed)));
        fs::write(&typed, input).expect("the input can be written");
        let mut server = self.spawn(command, File::open(&typed).expect("the input can be read").into());
        let status = server.wait();
        let read = |path: &Path| fs::read_to_string(path).expect("the output can be read");
        Ran { status, stdout: read(&server.stdout), stderr: read(&server.stderr) }
    }

    /// Makes an account with [`PASSWORD`]; again where a busy machine had no answer in time, after which there may be one.
    pub fn create_user(&self, name: &str) {
        let mut was_put_off = false;
        for _ in 0..PUT_OFF {
            let command = self.command(&["user", "create", "--username", name, "--password-stdin"]);
            let ran = self.run(command, PASSWORD);
            if ran.status.success() || was_put_off && ran.stderr.contains("another account has") {
                return;
            }
            assert!(ran.stderr.contains("no answer within"), "{ran:?}");
            was_put_off = true;
        }
        panic!("no account could be made for {name}");
    }

    /// Has the journal verified, as an operator would.
    pub fn verify_journal(&self) {
        let ran = self.run(self.command(&["audit", "verify"]), "");
        assert!(ran.status.success(), "{ran:?}");
    }

    /// Starts a server and waits until it listens.
    pub fn start(&self, flags: &[&str]) -> Server {
        self.start_with(flags, &[])
    }

    /// Starts a server in an environment, and waits until it listens.
    pub fn start_with(&self, flags: &[&str], environment: &[(&str, &str)]) -> Server {
        let mut server = self.begin(flags, environment);
        server.await_address();
        server
    }

    /// Starts a server on another data folder, and waits until it listens.
    pub fn start_in(&self, data: &Path, environment: &[(&str, &str)]) -> Server {
        let mut command = Command::new(&self.sprag);
        command.env_clear().current_dir(self.path()).args(["serve", "--listen", "127.0.0.1:0", "--data-dir"]);
        command.arg(data).envs(environment.iter().copied());
        let mut server = self.spawn(command, Stdio::null());
        server.await_address();
        server
    }

    /// Starts a server, on a port of its own unless one is named, and does not wait for it.
    pub fn begin(&self, flags: &[&str], environment: &[(&str, &str)]) -> Server {
        let mut command = self.command(&["serve"]);
        if !flags.contains(&"--rate-limits") {
            command.args(["--rate-limits", "off"]);
        }
        if !flags.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.args(flags).envs(environment.iter().copied());
        self.spawn(command, Stdio::null())
    }

    /// Starts a command and does not wait for its end.
    pub fn begin_command(&self, args: &[&str]) -> Server {
        self.spawn(self.command(args), Stdio::null())
    }

    fn spawn(&self, mut command: Command, stdin: Stdio) -> Server {
        let number = self.starts.fetch_add(1, Ordering::Relaxed);
        let [stdout, stderr] = ["out", "log"].map(|what| self.path().join(format!("{what}-{number}")));
        let open = |path: &Path| File::create(path).expect("a file for the output can be made");
        command.stdin(stdin).stdout(open(&stdout)).stderr(open(&stderr));
        let child = command.spawn().expect("the binary starts");
        Server { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), stdout, stderr }
    }
}

/// A process that was started here and is stopped here, whatever happens.
pub struct Server {
    child: Child,
    address: SocketAddr,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Server {
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn connect(&self) -> Connection {
        Connection::open(self.address).expect("the server accepts connections")
    }

    /// Asks on a connection of its own.
    pub fn ask(&self, request: &Request) -> Answer {
        self.connect().ask(request).expect("the server answers")
    }

    /// The process's id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw).expect("a process has an id");
        kill_process(id, signal).expect("our own process can be signalled");
    }

    /// Kills it as a power switch would, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().expect("our own process can be killed");
        self.wait();
    }

    /// Stops it in order.
    pub fn stop(mut self) {
        self.signal(Signal::INT);
        let status = self.wait();
        assert!(status.success(), "the server left with {status}:\n{}", self.log());
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        let ended = await_some(|| self.child.try_wait().expect("our own process can be waited for"));
        ended.unwrap_or_else(|| panic!("the process does not end:\n{}", self.log()))
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// What it has printed so far.
    pub fn printed(&self) -> String {
        fs::read_to_string(&self.stdout).unwrap_or_default()
    }

    /// Waits until it listens.
    pub fn await_address(&mut self) {
        let found = await_some(|| {
            let printed = fs::read_to_string(&self.stdout).unwrap_or_default();
            let address = printed.lines().find_map(|line| line.trim().strip_prefix("listening"));
            let address = address.and_then(|rest| rest.trim().strip_prefix("http://")?.parse().ok());
            let ended = self.child.try_wait().expect("our own process can be waited for");
            address.map(Some).or_else(|| ended.map(|_| None))
        });
        match found.flatten() {
            Some(address) => self.address = address,
            None => panic!("the server does not listen:\n{}", self.log()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already; what matters is that it is gone.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().rev().take(20).collect();
            eprintln!("the last the server logged, newest first:\n{}", lines.join("\n"));
        }
    }
}

/// Looks until there is something, for as long as a test may wait.
pub fn await_some<T>(mut look: impl FnMut() -> Option<T>) -> Option<T> {
    let begun = Instant::now();
    loop {
        let found = look();
        if found.is_some() || begun.elapsed() > PATIENCE {
            return found;
        }
        sleep(LOOK);
    }
}
