//! One of the builds that are compared: its binary, its store, and what loads it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use sprag_rig::{Database, Postgres};
use sprag_testkit::binary::server::{Home, Server};

use crate::stage::{Signing, settings};

/// How many connections fill a store.
const FILLING: &str = "64";

/// A build with a store of its own.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    home: Home,
    database: Option<Database>,
    /// The program that loads it, and the words before its options.
    loader: PathBuf,
}

impl Contender {
    /// # Errors
    /// There is no such binary, or nothing that can load it.
    pub(crate) fn new(
        name: &'static str,
        binary: &Path,
        postgres: Option<&Postgres>,
    ) -> anyhow::Result<Self> {
        let binary = binary.canonicalize().ok().filter(|path| path.is_file()).with_context(|| {
            format!("there is no server at {}; build it, or name another", binary.display())
        })?;
        let loader = loader_of(&binary)?;
        let database = postgres.map(Postgres::fresh_database);
        Ok(Self { name, home: Home::new(binary), database, loader })
    }

    pub(crate) fn database(&self) -> Option<&Database> {
        self.database.as_ref()
    }

    /// Starts the server, and waits until it listens.
    pub(crate) fn start(&self, signing: Signing) -> Server {
        let settings = self.settings(signing);
        let settings: Vec<_> = settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.home.start_in(&self.home.data(), &settings)
    }

    /// Makes the store, the keys and `sessions` sessions.
    pub(crate) fn fill(&self, sessions: u64) -> anyhow::Result<()> {
        // The ring is made with ES256 and keeps that key; the HS256 secret, where there is one, signs before it.
        let server = self.start(Signing::Es256);
        let stored = sessions.to_string();
        let mut filling = self.load(&server, Signing::Es256);
        filling.args(["--stored", &stored, "--connections", FILLING, "--duration", "1s", "--warmup", "0s"]);
        let ran = filling.output().context("could not run the generator of load")?;
        ensure!(
            ran.status.success(),
            "the store could not be filled: {}",
            String::from_utf8_lossy(&ran.stderr).trim()
        );
        server.stop();
        Ok(())
    }

    /// The generator that this build has, to be given a number of connections, a duration and so on.
    pub(crate) fn load(&self, server: &Server, signing: Signing) -> Command {
        let mut command = Command::new(&self.loader);
        command.env_clear().current_dir(self.home.path()).stdin(Stdio::null()).envs(self.settings(signing));
        command.args(["load", "--in-store", "--json", "--url", &format!("http://{}", server.address())]);
        command
    }

    fn settings(&self, signing: Signing) -> Vec<(String, String)> {
        settings(&self.home.data(), self.database.as_ref(), signing)
    }
}

/// Builds before `sprag-bench` carry the generator themselves. A build has it beside its server; where it is not there, this
/// program's own will do, as long as both have one schema.
fn loader_of(binary: &Path) -> anyhow::Result<PathBuf> {
    let asked = Command::new(binary).args(["load", "--help"]).env_clear().stdin(Stdio::null()).output();
    let asked = asked.with_context(|| format!("could not run {}", binary.display()))?;
    if asked.status.success() {
        return Ok(binary.to_path_buf());
    }
    let beside = binary.with_file_name("sprag-bench");
    if beside.is_file() {
        Ok(beside)
    } else {
        std::env::current_exe().context("could not learn where this program lies")
    }
}
