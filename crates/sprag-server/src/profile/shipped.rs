//! The profiles that are part of the binary: whatever lay in `profiles/` when it was built, and in `profiles/base/` what
//! several of them share.

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

/// The file and text of a shipped profile, or of what shipped ones share.
pub(super) fn base(name: &str) -> Option<(String, &'static str)> {
    let own = builtin_text(name).map(|text| (file(name), text));
    own.or_else(|| {
        let (_, text) = BASES.iter().find(|(base, _)| *base == name)?;
        Some((format!("profiles/base/{name}.toml"), *text))
    })
}

/// The names that can be extended.
pub(super) fn base_names() -> impl Iterator<Item = &'static str> {
    builtin_names().chain(BASES.iter().map(|(name, _)| *name))
}

/// How messages name the file of a shipped profile.
pub(super) fn file(name: &str) -> String {
    format!("profiles/{name}.toml")
}
