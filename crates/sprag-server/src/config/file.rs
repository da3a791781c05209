//! Where other settings are.

use super::setting::{Fallback, Setting};

/// The settings of this feature; `sources.rs` reads it before all others.
pub(super) const SETTINGS: &[Setting] = &[Setting {
    name: "config",
    env: "SPRAG_CONFIG",
    placeholder: "FILE",
    help: "The file of settings.",
    default: Fallback::Derived("sprag.toml if present"),
    is_secret: false,
    right: "sprag.toml",
    wrong: "nowhere.toml",
}];
