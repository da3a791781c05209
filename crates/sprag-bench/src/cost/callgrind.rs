//! A server under valgrind's callgrind, and what it counted.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use sprag_testkit::binary::server::{Home, Server};
use tempfile::TempDir;

use super::counts::Counts;

/// Whatever the caller's says, valgrind and its programs are found here.
const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// Valgrind counts each byte that `rep stosb` or `rep movsb` writes as an instruction. The C library uses them for large
/// areas, unless told not to.
const TUNABLES: &str =
    "glibc.cpu.x86_rep_stosb_threshold=1000000000:glibc.cpu.x86_rep_movsb_threshold=1000000000";

/// What the files are called through which valgrind is spoken to, before their number.
const CHANNEL: &str = "channel";

/// What every server under callgrind has in its environment.
pub(crate) const ENVIRONMENT: [(&str, &str); 2] = [("PATH", PATH), ("GLIBC_TUNABLES", TUNABLES)];

/// What the files of counts are called, before their number.
const COUNTS: &str = "counts";

/// A server's binary, ready to be started under callgrind.
pub(crate) struct Callgrind {
    folder: TempDir,
    /// Starts it.
    pub(crate) runner: Home,
    /// Where callgrind's own files go once they are read, if anywhere.
    kept_in: Option<PathBuf>,
}

/// A server that runs under callgrind.
pub(crate) struct Counted<'a> {
    callgrind: &'a Callgrind,
    pub(crate) server: Server,
    /// How often the counts were written.
    dumps: u32,
}

impl Callgrind {
    /// # Errors
    /// Valgrind is not installed.
    pub(crate) fn of(binary: &Path, kept_in: Option<PathBuf>) -> anyhow::Result<Self> {
        for (program, option) in [("valgrind", "--version"), ("vgdb", "--help")] {
            let ran = Command::new(program).arg(option).env("PATH", PATH).output();
            ran.with_context(|| {
                format!("could not run {program}; instructions are counted with valgrind: sudo apt-get install valgrind")
            })?;
        }
        let binary = binary.canonicalize().with_context(|| format!("could not find {}", binary.display()))?;
        let folder =
            tempfile::Builder::new().prefix("sprag-cost-").tempdir().context("could not make a folder")?;
        let wrapper = folder.path().join("under-callgrind");
        let at = |name: &str| quoted(&folder.path().join(name));
        let text = format!(
            "#!/bin/sh\nexec valgrind --tool=callgrind --fair-sched=yes --instr-atstart=no --separate-threads=yes \
             --vgdb-prefix={} --callgrind-out-file={} --log-file={} {} \"$@\"\n",
            at(CHANNEL),
            at(COUNTS),
            at("valgrind.log"),
            quoted(&binary),
        );
        fs::write(&wrapper, text).context("could not write a script")?;
        fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))
            .context("could not make a script runnable")?;
        Ok(Self { runner: Home::new(wrapper), folder, kept_in })
    }

    /// Takes over a server that was started by the runner.
    pub(crate) fn watch(&self, server: Server) -> Counted<'_> {
        Counted { callgrind: self, server, dumps: 0 }
    }
}

impl Counted<'_> {
    /// Counts from now on.
    pub(crate) fn begin(&self) -> anyhow::Result<()> {
        self.tell("instrumentation on").map(drop)
    }

    /// Forgets what was counted.
    pub(crate) fn forget(&self) -> anyhow::Result<()> {
        self.tell("zero").map(drop)
    }

    /// What was counted since counts were last taken or forgotten.
    pub(crate) fn take(&mut self) -> anyhow::Result<Counts> {
        let names = self.thread_names()?;
        self.tell("dump")?;
        self.dumps += 1;
        let Callgrind { folder, kept_in, .. } = self.callgrind;
        let counts = dumped(folder.path(), self.dumps, &names, kept_in.as_deref())?;
        ensure!(counts.total() > 0, "callgrind has written no counts; {}", self.log());
        Ok(counts)
    }

    /// What the threads are called that valgrind numbers.
    fn thread_names(&self) -> anyhow::Result<BTreeMap<u32, String>> {
        let told = self.tell("v.info scheduler")?;
        let ids = told.lines().filter_map(|line| {
            let (number, rest) = line.strip_prefix("Thread ")?.split_once(':')?;
            let (_, id) = rest.split_once("(lwpid ")?;
            Some((number.parse().ok()?, id.trim_end_matches(')').to_owned()))
        });
        let tasks = Path::new("/proc").join(self.server.id().to_string()).join("task");
        let name =
            |id: &str| fs::read_to_string(tasks.join(id).join("comm")).unwrap_or_default().trim().to_owned();
        Ok(ids.map(|(number, id)| (number, name(&id))).collect())
    }

    /// Has valgrind carry out a command of its own, and gives back what it says.
    fn tell(&self, command: &str) -> anyhow::Result<String> {
        let channel = self.callgrind.folder.path().join(CHANNEL);
        let told = Command::new("vgdb")
            .env("PATH", PATH)
            .arg(format!("--vgdb-prefix={}", channel.display()))
            .arg(format!("--pid={}", self.server.id()))
            .args(command.split(' '))
            .output()
            .context("could not run vgdb, which comes with valgrind")?;
        if !told.status.success() {
            let said = String::from_utf8_lossy(&told.stderr);
            bail!("valgrind does not carry out {command:?}: {}; {}", said.trim(), self.log());
        }
        Ok(String::from_utf8_lossy(&told.stdout).into_owned())
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.callgrind.folder.path().join("valgrind.log")).unwrap_or_default();
        format!("its log says:\n{log}")
    }
}

/// What stands in the files of a dump, which go: the next server numbers its dumps anew, may have fewer threads, and would be
/// charged with what this one left.
fn dumped(
    folder: &Path,
    number: u32,
    names: &BTreeMap<u32, String>,
    kept_in: Option<&Path>,
) -> anyhow::Result<Counts> {
    let prefix = format!("{COUNTS}.{number}-");
    let mut counts = Counts::default();
    for entry in fs::read_dir(folder).context("could not look for the counts")? {
        let path = entry.context("could not look for the counts")?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(thread) = name.strip_prefix(&prefix).and_then(|number| number.parse().ok()) else {
            continue;
        };
        let text = fs::read_to_string(&path).with_context(|| format!("could not read {}", path.display()))?;
        if let (Some(kept_in), Some(name)) = (kept_in, path.file_name()) {
            let kept = kept_in.join(name);
            fs::copy(&path, &kept).with_context(|| format!("could not write {}", kept.display()))?;
        }
        fs::remove_file(&path).with_context(|| format!("could not remove {}", path.display()))?;
        let name = if thread == 1 { "main" } else { names.get(&thread).map_or("", String::as_str) };
        counts.add(name, &text);
    }
    Ok(counts)
}

/// A path as one word of a shell.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_counted_is_not_counted_again_for_the_next_one() {
        let folder = TempDir::new().unwrap();
        let names = BTreeMap::from([(13, "sprag-hash".to_owned())]);
        let dump = |thread, instructions| {
            let text = format!("fn=(1) work\n1 {instructions}\n");
            fs::write(folder.path().join(format!("{COUNTS}.1-{thread}")), text).unwrap();
        };
        dump("02", 700);
        dump("13", 90_000);
        let counts = dumped(folder.path(), 1, &names, None).unwrap();
        assert_eq!((counts.total(), counts.hashing()), (90_700, 90_000));
        dump("02", 800);
        assert_eq!(dumped(folder.path(), 1, &BTreeMap::new(), None).unwrap().total(), 800);
    }

    #[test]
    fn a_path_is_one_word_of_a_shell_whatever_is_in_it() {
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
