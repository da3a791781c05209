//! A database of a server.

use std::io::Write;
use std::path::PathBuf;
use std::process::Stdio;
use std::thread;

use super::Postgres;
use crate::tools;

/// Where a database is, and a way to look into it that is not the one under test.
#[derive(Clone, Debug)]
pub struct Database {
    name: String,
    port: u16,
    socket_dir: PathBuf,
    psql: PathBuf,
}

impl Database {
    pub(super) fn new(server: &Postgres, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            port: server.port(),
            socket_dir: server.dir().to_path_buf(),
            psql: server.bin("psql"),
        }
    }

    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The address over TCP.
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{}", self.port, self.name)
    }

    /// The address over the Unix socket.
    pub fn socket_url(&self) -> String {
        let dir = self.socket_dir.display().to_string().replace('/', "%2F");
        format!("postgres://postgres@{dir}:{}/{}", self.port, self.name)
    }

    /// Runs SQL and answers what it printed: a row a line, columns parted by `|`.
    ///
    /// # Panics
    /// Where a statement fails.
    #[track_caller]
    pub fn psql(&self, sql: &str) -> String {
        self.try_psql(sql).unwrap_or_else(|said| panic!("psql failed: {said}\nin: {sql}"))
    }

    /// Runs SQL like [`Database::psql`], or answers what psql complained of.
    ///
    /// # Errors
    /// Where there is no connection within ten seconds, or a statement fails.
    pub fn try_psql(&self, sql: &str) -> Result<String, String> {
        let mut psql = tools::command(&self.psql)
            .args(["-X", "-Atq", "-v", "ON_ERROR_STOP=1", "-d", &self.url(), "-f", "-"])
            .env("PGCONNECT_TIMEOUT", "10")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("could not start psql");
        let mut input = psql.stdin.take().expect("psql's input is a pipe");
        let output = thread::scope(|scope| {
            // Beside the reading, since either side may have more to say than a pipe holds. Where psql gives up
            // early, its complaint is the answer.
            scope.spawn(move || drop(input.write_all(sql.as_bytes())));
            psql.wait_with_output().expect("psql ends")
        });
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).trim_end().to_owned());
        }
        Ok(String::from_utf8(output.stdout).expect("psql prints UTF-8").trim_end_matches('\n').to_owned())
    }
}
