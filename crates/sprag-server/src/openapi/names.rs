//! The names that the document gives to what a profile has.

use std::collections::BTreeSet;

use crate::profile::{Action, Profile};

/// Operation ids for the profile's routes, in their order; `taken` are those of other profiles.
pub(super) fn ids(profile: &Profile, taken: &mut BTreeSet<String>) -> Vec<String> {
    profile.wire.routes.iter().map(|route| operation_id(profile, route.action, taken)).collect()
}

fn operation_id(profile: &Profile, action: Action, taken: &mut BTreeSet<String>) -> String {
    let id = format!("{}_{}", component(&profile.name), action.name());
    let numbered = (2..).map(|number| format!("{id}_{number}"));
    let free = std::iter::once(id.clone()).chain(numbered).find(|id| !taken.contains(id)).unwrap_or(id);
    taken.insert(free.clone());
    free
}

/// The name of the security scheme for the profile's cookie.
pub(super) fn cookie_scheme(profile: &Profile) -> String {
    format!("cookie_{}", component(&profile.name))
}

/// The name of the profile's refusals among the schemas.
pub(super) fn refusal_schema(profile: &Profile) -> String {
    format!("Refusal_{}", component(&profile.name))
}

/// A profile's name as OpenAPI takes it in the name of a component.
fn component(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
