//! What whoever is out of a network's budget may buy one try with.

use sprag::proof_of_work::MAX_ZEROS;

use super::chosen::Chosen;
use super::error::ConfigError;
use super::setting::{Fallback, Setting};
use super::value::{self, Parsed};

/// The settings of this feature.
pub(super) const SETTINGS: &[Setting] = &[Setting {
    name: "proof-of-work",
    env: "SPRAG_PROOF_OF_WORK",
    placeholder: "off|ZEROS",
    help: "Whether whoever is out of a network's budget may buy one log-in or registration with a proof of work, and how hard \
           that is: off, or how many zeros of four bits must be found (1 to 8).",
    default: Fallback::Value("off"),
    is_secret: false,
    right: "4",
    wrong: "9",
}];

/// How many zeros must be found.
pub(super) fn from(chosen: &Chosen) -> Result<Option<u8>, ConfigError> {
    chosen.typed("proof-of-work", zeros)
}

fn zeros(text: &str) -> Parsed<Option<u8>> {
    if text == "off" { Ok(None) } else { value::count(text, 1, MAX_ZEROS).map(Some) }
}
