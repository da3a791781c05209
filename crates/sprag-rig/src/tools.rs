//! Where the servers' programs are, and as whom they run.

#![expect(
    clippy::disallowed_methods,
    reason = "a test names its programs in the environment; no configuration here"
)]

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The line that installs every server the tests start.
pub const INSTALL: &str = "sudo apt-get install postgresql pgbouncer nginx haproxy prometheus";

/// Names the directory of PostgreSQL's programs where it is not the one `pg_config` tells.
pub const PG_BIN: &str = "SPRAG_TEST_PG_BIN";

/// Where the system's programs lie, whatever the caller's `PATH` says; a plain user's often lacks the last two.
const SYSTEM: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// The directory of PostgreSQL's programs: what [`PG_BIN`] names, else what `pg_config` tells, else the newest of
/// Debian's.
///
/// # Panics
/// Where no server is installed.
pub fn postgres_bin() -> PathBuf {
    if let Some(named) = env::var_os(PG_BIN) {
        let named = PathBuf::from(named);
        assert!(has_server(&named), "{PG_BIN} names {}, which holds no initdb and postgres", named.display());
        return named;
    }
    told_by_pg_config()
        .into_iter()
        .chain(debian_bins())
        .find(|bin| has_server(bin))
        .unwrap_or_else(|| missing("the PostgreSQL server"))
}

/// A program by its name, from `PATH` or from where the system keeps its servers.
///
/// # Panics
/// Where it is not installed.
pub fn program(name: &str) -> PathBuf {
    find(name).unwrap_or_else(|| missing(name))
}

/// A program by its name, where it is installed.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .chain(SYSTEM.map(PathBuf::from))
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// Puts a program elsewhere, to be run from there. Another process writes it: what this one has open for writing, a child that
/// another thread starts at that moment has open too until it runs its program, and the system runs nothing that somebody has
/// open for writing ("Text file busy").
///
/// # Panics
/// Where it cannot be copied.
pub fn copy_program(from: &Path, to: &Path) {
    let copied = Command::new("cp").args([from, to]).status().expect("cp runs");
    assert!(copied.success(), "{} cannot be put to {}", from.display(), to.display());
}

/// Writes a shell script that everybody may run, as [`copy_program`] puts a program elsewhere.
///
/// # Panics
/// Where it cannot be written.
pub fn write_script(path: &Path, text: &str) {
    let mut writes = Command::new("sh");
    writes.args(["-c", "printf %s \"$2\" >\"$1\" && chmod 755 \"$1\"", "sh"]).arg(path).arg(text);
    let written = writes.status().expect("sh runs");
    assert!(written.success(), "{} cannot be written", path.display());
}

/// The library that gives a process another time.
///
/// # Panics
/// Where it is not installed.
pub fn faketime() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").into_iter().flatten().filter_map(Result::ok);
    let mut libraries = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    libraries.find(|library| library.exists()).unwrap_or_else(|| {
        panic!("libfaketime is not installed, and this test needs it; run: sudo apt-get install faketime")
    })
}

/// A command in a clean environment: no `PGOPTIONS` or locale of the caller's decides what a test sees.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(env::split_paths(&path).chain(SYSTEM.map(PathBuf::from)));
    command.env_clear().env("LC_ALL", "C").env("PATH", path.expect("folders out of PATH fit into one"));
    command
}

/// The user that servers run as: `None` is the one who runs the tests.
pub(crate) fn unprivileged() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").expect("could not read /etc/passwd");
    let ids = ["postgres", "nobody"].iter().find_map(|name| ids_of(&users, name));
    Some(
        ids.expect(
            "the tests run as root, and /etc/passwd has neither postgres nor nobody to run servers as",
        ),
    )
}

/// What goes before a program's words to run it as [`unprivileged`] says.
pub(crate) fn drop_privileges() -> Vec<String> {
    let Some((user, group)) = unprivileged() else { return Vec::new() };
    let setpriv = program("setpriv").display().to_string();
    vec![setpriv, format!("--reuid={user}"), format!("--regid={group}"), "--clear-groups".to_owned()]
}

fn ids_of(users: &str, name: &str) -> Option<(u32, u32)> {
    let mut fields = users.lines().find(|line| line.split(':').next() == Some(name))?.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

fn has_server(bin: &Path) -> bool {
    bin.join("initdb").is_file() && bin.join("postgres").is_file()
}

fn told_by_pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
}

/// Debian's directories, the newest version first.
fn debian_bins() -> Vec<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions: Vec<u32> =
        versions.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable();
    versions.iter().rev().map(|version| format!("/usr/lib/postgresql/{version}/bin").into()).collect()
}

fn missing(what: &str) -> ! {
    panic!("{what} is not installed, and this test starts it; run: {INSTALL}")
}

#[cfg(test)]
mod tests {
    use super::{ids_of, program};

    #[test]
    #[should_panic(expected = "no-such-server is not installed, and this test starts it; run: \
                    sudo apt-get install postgresql pgbouncer nginx haproxy prometheus")]
    fn a_missing_server_says_what_installs_it() {
        program("no-such-server");
    }

    #[test]
    fn a_user_is_found_by_the_whole_name() {
        let users = "nobody2:x:7:7::/:/bin/sh\nnobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin\n";
        assert_eq!(ids_of(users, "nobody"), Some((65534, 65533)));
        assert_eq!(ids_of(users, "postgres"), None);
    }
}
