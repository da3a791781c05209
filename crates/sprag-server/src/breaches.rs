//! Passwords that were stolen: looked for by their hashes, in a file or at a service.

use std::sync::Arc;

use sprag::clock::Clock;
use sprag::password::Breaches;

use crate::config::BreachCheck;
use crate::outgoing::Reach;

mod file;
mod range;

use file::BreachFile;
use range::BreachRange;

/// What is attempted, for faults.
const DOING: &str = "look for a password among stolen ones";

/// Whoever knows of stolen passwords, if anybody is asked.
///
/// # Errors
/// Nothing can be asked there; the message says what is wrong.
pub(crate) fn open(
    check: &BreachCheck,
    reach: &Reach,
    clock: &Arc<dyn Clock>,
) -> anyhow::Result<Option<Arc<dyn Breaches>>> {
    Ok(match check {
        BreachCheck::Off => None,
        BreachCheck::File(path) => Some(Arc::new(BreachFile::open(path)?)),
        BreachCheck::Range(url) => Some(Arc::new(BreachRange::at(url, reach, clock))),
    })
}
