//! The profiles that are part of the binary: whatever lay in `profiles/` when it was built.

include!(concat!(env!("OUT_DIR"), "/shipped.rs"));

/// The names of the shipped profiles, sorted.
pub fn builtin_names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|(name, _)| *name)
}

/// The text of a shipped profile.
#[must_use]
pub(super) fn builtin_text(name: &str) -> Option<&'static str> {
    SHIPPED.iter().find(|(shipped, _)| *shipped == name).map(|(_, text)| *text)
}
