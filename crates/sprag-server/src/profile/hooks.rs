//! The table `hooks` of a profile: which other systems are asked before something is decided.

use sprag::hooks::WhenAway;
use url::Url;

use super::error::ProfileError;
use super::section::{Field, Section};
use crate::outgoing;

/// Which other systems are asked, where any is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HookTargets {
    /// Whether somebody may log in, and whether they may where nobody answers.
    pub before_login: Option<(Url, bool)>,
    /// What access tokens say of an account, and what is done where nobody answers.
    pub claims: Option<(Url, WhenAway)>,
    /// Whose accounts come here as their owners log in.
    pub old_accounts: Option<Url>,
}

impl HookTargets {
    /// Whether any is asked.
    #[must_use]
    pub fn are_any(&self) -> bool {
        *self != Self::default()
    }
}

/// Reads `hooks`.
///
/// # Errors
/// A key is unknown, or a value none that it may have.
pub(super) fn parse(profile: &Section<'_>) -> Result<HookTargets, ProfileError> {
    const KEYS: [&str; 5] = ["before_login", "before_login_away", "claims", "claims_away", "old_accounts"];
    let Some(field) = profile.get("hooks") else { return Ok(HookTargets::default()) };
    let section = field.section(&KEYS)?;
    let url = |key: &str| section.get(key).map(|field| url(&field)).transpose();
    let lets_in = match section.get("before_login_away") {
        Some(field) => field.one_of(&[("refuse", false), ("allow", true)])?,
        None => false,
    };
    let when_away = match section.get("claims_away") {
        Some(field) => field.one_of(&[
            ("stale", WhenAway::Stale),
            ("none", WhenAway::None),
            ("refuse", WhenAway::Refuse),
        ])?,
        None => WhenAway::Refuse,
    };
    Ok(HookTargets {
        before_login: url("before_login")?.map(|url| (url, lets_in)),
        claims: url("claims")?.map(|url| (url, when_away)),
        old_accounts: url("old_accounts")?,
    })
}

fn url(field: &Field<'_>) -> Result<Url, ProfileError> {
    outgoing::target(field.text()?).map_err(|wrong| field.error(wrong))
}
