//! The file of what was refused, or taken without a password: a JSON object a line, and never a hash or a token.

use std::fs::{File, Permissions};
use std::io::{BufWriter, Read as _, Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail, ensure};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde_json::{Map, Value};

use sprag_import::{Fate, Remark};

/// Only its owner reads it: it says who is in the system.
const MODE: u32 = 0o600;

/// How a user was taken whose password cannot be verified.
const WITHOUT_PASSWORD: &str = "without a password";

/// How a record was taken that has something odd in it, which nobody needs.
const WITH_SOMETHING_LEFT_OUT: &str = "with something left out";

/// How a user was taken who shares a name with another.
const WITHOUT_NAME: &str = "without a name";

/// What such a file begins with.
const BEGINNINGS: [&[u8]; 2] = [b"{\"line\":", b"{\"row\":"];

/// The file while it is written.
pub(super) struct RefusedFile {
    path: PathBuf,
    out: BufWriter<File>,
}

impl RefusedFile {
    /// Makes it, in the place of that of an earlier run; any other file is left alone.
    ///
    /// All is done with the one handle: whoever may write into the folder could put another file under the name between
    /// two steps, and a link could lead anywhere.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let doing = || format!("could not write what is refused into {}", path.display());
        // A pipe would keep whoever opens it waiting.
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut file = match rustix::fs::open(path, flags, Mode::from_raw_mode(MODE)) {
            Ok(file) => File::from(file),
            Err(Errno::LOOP) => {
                bail!("{} is a link, and links are not followed; name a file with --refused", path.display())
            }
            Err(error) => return Err(std::io::Error::from(error)).with_context(doing),
        };
        let is_file = file.metadata().with_context(doing)?.is_file();
        ensure!(is_file, "{} is no ordinary file; name another with --refused", path.display());
        let mut beginning = Vec::new();
        (&mut file).take(8).read_to_end(&mut beginning).with_context(doing)?;
        let is_ours = BEGINNINGS.iter().any(|ours| beginning.starts_with(ours));
        ensure!(
            beginning.is_empty() || is_ours,
            "{} is there already and no list of refused lines; name another file with --refused",
            path.display()
        );
        file.set_permissions(Permissions::from_mode(MODE)).with_context(doing)?;
        file.set_len(0).and_then(|()| file.rewind()).with_context(doing)?;
        Ok(Self { path: path.to_owned(), out: BufWriter::new(file) })
    }

    pub(super) fn add(&mut self, remark: &Remark) -> anyhow::Result<()> {
        let written = serde_json::to_writer(&mut self.out, &record(remark)).map_err(std::io::Error::from);
        written.and_then(|()| self.out.write_all(b"\n")).with_context(|| self.doing())
    }

    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.out.flush().with_context(|| self.doing())
    }

    fn doing(&self) -> String {
        format!("could not write what is refused into {}", self.path.display())
    }
}

fn record(remark: &Remark) -> Map<String, Value> {
    let position = (remark.position.unit.name().to_owned(), remark.position.number.into());
    let user = remark.user.clone().map(|user| ("user".to_owned(), user.into()));
    let taken = match remark.fate {
        Fate::Refused => None,
        Fate::WithoutPassword => Some(WITHOUT_PASSWORD),
        Fate::WithoutName => Some(WITHOUT_NAME),
        Fate::LeftOut => Some(WITH_SOMETHING_LEFT_OUT),
    };
    let taken = taken.map(|how| ("taken".to_owned(), how.into()));
    let reason = ("reason".to_owned(), remark.reason.as_ref().into());
    let kept_by = remark.kept_by.clone().map(|by| ("kept_by".to_owned(), by.into()));
    let name = remark.name.clone().map(|name| ("name".to_owned(), name.into()));
    [Some(position), user, taken, Some(reason), name, kept_by].into_iter().flatten().collect()
}
