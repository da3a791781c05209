//! What is printed: results on standard output, everything about them on standard error.

use std::fmt::Display;
use std::io::{self, Write as _};

use serde::Serialize;

/// Prints a result.
pub(crate) fn say(text: impl Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Prints a result for machines.
pub(crate) fn say_json(record: &impl Serialize) -> anyhow::Result<()> {
    Ok(say(serde_json::to_string_pretty(record)?)?)
}

/// Tells whoever watches something about the result.
pub(crate) fn tell(text: impl Display) {
    // With nobody to read it there is nobody to tell.
    let _ = writeln!(io::stderr(), "{text}");
}
