//! The table `geo` of a profile: from where it may be spoken to.

use super::error::ProfileError;
use super::section::{Field, Section};
use crate::places::{Fence, Fences, Region};

/// Reads `geo`.
///
/// # Errors
/// A list is none, or names what is no region.
pub(super) fn parse(profile: &Section<'_>) -> Result<Fences, ProfileError> {
    let mut fences = Fences::default();
    let Some(field) = profile.get("geo") else { return Ok(fences) };
    let section = field.section(&["allow", "deny", "refresh_allow", "refresh_deny"])?;
    let list = |key: &str| section.get(key).map(|field| regions(&field)).transpose();
    let login = Fence { allow: list("allow")?.unwrap_or_default(), deny: list("deny")?.unwrap_or_default() };
    let refresh = Fence {
        allow: list("refresh_allow")?.unwrap_or_else(|| login.allow.clone()),
        deny: list("refresh_deny")?.unwrap_or_else(|| login.deny.clone()),
    };
    fences.add(login, refresh);
    Ok(fences)
}

fn regions(field: &Field<'_>) -> Result<Vec<Region>, ProfileError> {
    let region = |element: &Field<'_>| element.text()?.parse().map_err(|wrong: String| element.error(wrong));
    field.elements()?.iter().map(region).collect()
}
