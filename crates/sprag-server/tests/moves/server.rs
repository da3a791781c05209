//! The real binary, served from the folder in which the guide was followed.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use libtest_mimic::Failed;
use serde_json::Value;
use sprag_server::profile::Profile;

pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    pub(crate) fn start(home: &Path) -> Self {
        let mut command = sprag(home, &["serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
        let screen = BufReader::new(child.stdout.take().expect("its output"));
        let address = screen.lines().find_map(|line| {
            line.ok()?.trim().strip_prefix("listening")?.trim().strip_prefix("http://")?.parse().ok()
        });
        Self { child, address: address.expect("it listens") }
    }

    /// The profile that is served: a shipped one.
    pub(crate) fn profile(&self, _home: &Path, name: &str) -> Profile {
        Profile::builtin(name).expect("a shipped profile").expect("a profile that can be read")
    }

    /// Counts the sessions that an operator sees alive.
    pub(crate) fn expect_live_sessions(&self, home: &Path, expected: usize) -> Result<(), Failed> {
        let output = sprag(home, &["session", "list", "--json"]).output()?;
        let listed: Value = serde_json::from_slice(&output.stdout)?;
        let listed = listed.as_array().or_else(|| listed["sessions"].as_array()).map_or(0, Vec::len);
        if listed == expected {
            Ok(())
        } else {
            Err(format!("{listed} sessions live, not {expected}").into())
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have gone by itself; then the test has failed already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sprag(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sprag"));
    command.args(arguments).current_dir(home).env_clear().stdin(Stdio::null());
    command
}
