//! Nothing stays behind: not after a drop, and not after the test process was killed.

#![expect(clippy::unwrap_used, reason = "these are tests")]
#![expect(
    clippy::disallowed_methods,
    reason = "a test starts itself once more, and says so in the environment"
)]

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use sprag_rig::Postgres;

/// Set for the process that starts a server and is killed.
const IS_HOLDER: &str = "SPRAG_RIG_IS_HOLDER";
const PATIENCE: Duration = Duration::from_secs(30);

fn wait_until_gone(dir: &Path, pid: u32) {
    let begun = Instant::now();
    while dir.exists() || PathBuf::from(format!("/proc/{pid}")).exists() {
        assert!(begun.elapsed() < PATIENCE, "{} or process {pid} stayed behind", dir.display());
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_drop_takes_the_directory_along() {
    let server = Postgres::start();
    let (dir, pid) = (server.dir().to_path_buf(), server.pid());
    drop(server);
    assert!(!dir.exists());
    wait_until_gone(&dir, pid);
}

#[test]
fn a_frozen_server_goes_as_well() {
    let server = Postgres::start();
    let (dir, pid) = (server.dir().to_path_buf(), server.pid());
    server.freeze();
    drop(server);
    wait_until_gone(&dir, pid);
}

#[test]
fn a_crashed_server_leaves_no_shared_memory() {
    let server = Postgres::start();
    let noted = std::fs::read_to_string(server.dir().join("data/postmaster.pid")).unwrap();
    let segment = noted.lines().nth(6).and_then(|line| line.split_whitespace().last()).unwrap().to_owned();
    assert!(segments().contains(&segment), "{segment} in {:?}", segments());
    server.kill();
    assert!(segments().contains(&segment), "a crash leaves it to the next start");
    drop(server);
    assert!(!segments().contains(&segment));
}

/// The numbers of the system's segments of shared memory.
fn segments() -> Vec<String> {
    let text = std::fs::read_to_string("/proc/sysvipc/shm").unwrap();
    text.lines().filter_map(|line| line.split_whitespace().nth(1).map(str::to_owned)).collect()
}

#[test]
fn a_killed_test_process_leaves_nothing() {
    let mut holder = Command::new(env::current_exe().unwrap())
        .args(["--exact", "holds_a_server_until_it_is_killed", "--nocapture"])
        .env(IS_HOLDER, "yes")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let told = BufReader::new(holder.stdout.take().unwrap())
        .lines()
        .map(Result::unwrap)
        .find_map(|line| line.split_once("holds ").map(|(_, rest)| rest.to_owned()))
        .unwrap();
    let (pid, dir) = told.split_once(' ').unwrap();
    assert!(Path::new(dir).exists());
    holder.kill().unwrap();
    holder.wait().unwrap();
    wait_until_gone(Path::new(dir), pid.parse().unwrap());
}

/// What the test above kills. By itself, it looks at the static that nobody drops.
#[test]
fn holds_a_server_until_it_is_killed() {
    let server = Postgres::shared();
    assert_eq!(server.psql("select 1"), "1");
    if env::var_os(IS_HOLDER).is_some() {
        println!("holds {} {}", server.pid(), server.dir().display());
        // The other process keeps this open, and is the one to end the wait.
        drop(std::io::stdin().read_line(&mut String::new()));
    }
}
