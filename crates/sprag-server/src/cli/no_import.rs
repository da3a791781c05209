//! What the import commands say in a build that was made without the feature `import`.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::bail;

use crate::config::Sources;
use crate::profile::ImportKind;

/// Whatever was asked for.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// This build imports nothing
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _rest: Vec<OsString>,
}

pub(super) fn run(kind: ImportKind, _args: &Args, _sources: &Sources) -> anyhow::Result<ExitCode> {
    bail!(
        "this build of sprag imports no {}, since it was made without the feature `import`; take a release, or build with \
         cargo build -p sprag-server --features import",
        kind.name()
    )
}
