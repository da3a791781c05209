//! Calls that a profile can have and has not: a route that is `optional` is off until `offers` names what it does.

use super::action::Action;
use super::error::ProfileError;
use super::route::Route;
use super::section::Section;
use super::{Profile, Wire};

/// Reads `offers`: which of the optional routes are on.
///
/// # Errors
/// It names an action that no optional route does.
pub(super) fn parse(profile: &Section<'_>, routes: &[Route]) -> Result<Vec<Action>, ProfileError> {
    let Some(field) = profile.get("offers") else { return Ok(Vec::new()) };
    let optional = routes.iter().filter(|route| route.is_optional);
    let known: Vec<_> = optional.map(|route| (route.action.name(), route.action)).collect();
    field.elements()?.iter().map(|field| field.one_of(&known)).collect()
}

impl Wire {
    /// Its first call that does this, if one does and is on.
    pub(crate) fn doing(&self, action: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.action.is(action))
    }

    /// Whether a call that does this is there but off, so that `offers` would have it.
    pub(crate) fn could_offer(&self, action: &str) -> bool {
        self.off.iter().any(|route| route.action.is(action))
    }

    /// The wire of all `routes`, of which the optional ones are on that do one of `offered`.
    pub(super) fn offering(self, offered: &[Action]) -> Self {
        let all = self.routes.into_iter().chain(self.off);
        let (routes, off) = all.partition(|route| !route.is_optional || offered.contains(&route.action));
        Self { routes, off, ..self }
    }
}

impl Profile {
    /// Turns the optional routes on that do one of these actions, and all others off, whatever the profile says; `false` for
    /// each action that none of its routes does.
    pub fn offer(&mut self, actions: &[&str]) -> Vec<bool> {
        let all: Vec<Route> = self.wire.routes.iter().chain(&self.wire.off).cloned().collect();
        let offered: Vec<Action> = all.iter().map(|route| route.action).collect();
        let offered: Vec<Action> =
            offered.into_iter().filter(|action| actions.contains(&action.name())).collect();
        self.wire = self.wire.clone().offering(&offered);
        let known: Vec<_> = offered.iter().map(|action| action.name()).collect();
        actions.iter().map(|name| known.contains(name)).collect()
    }

    /// Turns the optional routes on that do this action too; `false` if no route does it.
    pub fn also_offer(&mut self, action: &'static str) -> bool {
        let on = self.wire.routes.iter().filter(|route| route.is_optional);
        let on: Vec<_> = names(on).into_iter().chain([action]).collect();
        self.offer(&on).last().is_some_and(|is_known| *is_known)
    }

    /// The actions of the routes that are off and that `offers` turns on, each once, in the order of the profile.
    #[must_use]
    pub fn turned_off(&self) -> Vec<&'static str> {
        names(self.wire.off.iter().filter(|route| route.action.turned_on_by().is_none()))
    }

    /// What a line names that leaves nothing off: the actions of all optional routes that have no setting of their own, those
    /// that are on first.
    #[must_use]
    pub fn can_offer(&self) -> Vec<&'static str> {
        let on = self.wire.routes.iter().filter(|route| route.is_optional);
        names(on.chain(&self.wire.off).filter(|route| route.action.turned_on_by().is_none()))
    }
}

/// How many calls that are off a line for people names.
const NAMED: usize = 3;

/// The calls of a profile that are off as a line for people names them, so that it stays one; how many more there are; and where
/// all of them stand, if they are not all named.
pub(crate) fn named_off<'a>(
    profile: &str,
    off: &'a [&'static str],
) -> (&'a [&'static str], String, Option<String>) {
    match off.split_at_checked(NAMED) {
        Some((named, more)) if more.len() > 1 => {
            let told = format!("{} and {} more", named.join(", "), more.len());
            (named, told, Some(format!("sprag profile show {profile} has all")))
        }
        _ => (off, off.join(", "), None),
    }
}

/// What routes do, each action once.
fn names<'a>(routes: impl Iterator<Item = &'a Route>) -> Vec<&'static str> {
    let mut names = Vec::new();
    for name in routes.map(|route| route.action.name()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}
