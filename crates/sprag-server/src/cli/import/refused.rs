//! The file of what was refused: a JSON object a line, and never a hash or a token.

use std::fs::{File, OpenOptions, Permissions};
use std::io::{BufWriter, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde_json::{Map, Value};

use crate::import::Refusal;

/// Only its owner reads it: it says who is in the system.
const MODE: u32 = 0o600;

/// What such a file begins with.
const BEGINNINGS: [&[u8]; 2] = [b"{\"line\":", b"{\"row\":"];

/// The file while it is written.
pub(super) struct RefusedFile {
    path: PathBuf,
    out: BufWriter<File>,
}

impl RefusedFile {
    /// Makes it, in the place of that of an earlier run; any other file is left alone.
    pub(super) fn create(path: &Path) -> anyhow::Result<Self> {
        let doing = || format!("could not write what is refused into {}", path.display());
        let options = || {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false).mode(MODE);
            options
        };
        let mut file = options().open(path).with_context(doing)?;
        let mut beginning = Vec::new();
        (&mut file).take(8).read_to_end(&mut beginning).with_context(doing)?;
        let is_ours = BEGINNINGS.iter().any(|ours| beginning.starts_with(ours));
        ensure!(
            beginning.is_empty() || is_ours,
            "{} is there already and no list of refused lines; name another file with --refused",
            path.display()
        );
        drop(file);
        let file = OpenOptions::new().write(true).truncate(true).open(path).with_context(doing)?;
        file.set_permissions(Permissions::from_mode(MODE)).with_context(doing)?;
        Ok(Self { path: path.to_owned(), out: BufWriter::new(file) })
    }

    pub(super) fn add(&mut self, refusal: &Refusal) -> anyhow::Result<()> {
        let written = serde_json::to_writer(&mut self.out, &record(refusal)).map_err(std::io::Error::from);
        written.and_then(|()| self.out.write_all(b"\n")).with_context(|| self.doing())
    }

    pub(super) fn finish(mut self) -> anyhow::Result<()> {
        self.out.flush().with_context(|| self.doing())
    }

    fn doing(&self) -> String {
        format!("could not write what is refused into {}", self.path.display())
    }
}

fn record(refusal: &Refusal) -> Map<String, Value> {
    let position = (refusal.position.unit.name().to_owned(), refusal.position.number.into());
    let user = refusal.user.clone().map(|user| ("user".to_owned(), user.into()));
    let reason = ("reason".to_owned(), refusal.reason.as_ref().into());
    [Some(position), user, Some(reason)].into_iter().flatten().collect()
}
