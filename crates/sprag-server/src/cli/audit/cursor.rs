//! How far an export has come.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, bail};
use sprag::audit::Entry;
use sprag::clock::Timestamp;
use sprag::session::AccountId;

/// Behind which entry, by time, an export goes on, and behind which checkpoint, cut and erasure. It names an account and a moment
/// and nothing else of it, and whoever alters it alters only what they get.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cursor {
    pub(super) entry: (Timestamp, AccountId, u64),
    pub(super) checkpoint: u64,
    pub(super) cut: u64,
    pub(super) erasure: u64,
}

impl Cursor {
    /// Where an entry stands.
    pub(super) fn place(entry: &Entry) -> (Timestamp, AccountId, u64) {
        (entry.event.at, entry.event.account, entry.number)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { entry: (at, account, number), checkpoint, cut, erasure } = self;
        write!(f, "1:{}:{account}:{number}:{checkpoint}:{cut}:{erasure}", at.0)
    }
}

impl FromStr for Cursor {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        const WHAT: &str =
            "this is no cursor of `sprag audit export`: one stands in the last line of each export";
        let parts: Vec<&str> = text.trim().split(':').collect();
        let ["1", at, account, number, checkpoint, cut, erasure] = parts[..] else { bail!(WHAT) };
        Ok(Self {
            entry: (
                Timestamp(at.parse().context(WHAT)?),
                account.parse().ok().context(WHAT)?,
                number.parse().context(WHAT)?,
            ),
            checkpoint: checkpoint.parse().context(WHAT)?,
            cut: cut.parse().context(WHAT)?,
            erasure: erasure.parse().context(WHAT)?,
        })
    }
}
