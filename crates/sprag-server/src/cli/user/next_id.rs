//! Which profile gives an account that is made by hand the key that other systems know it by.

use anyhow::bail;
use sprag::account::Account;
use sprag::engine::NextId;
use sprag::session::ProfileId;

use crate::profile::Profile;

/// The profile that gives the key, and of which kind; `None` where none gives keys.
///
/// # Errors
/// Several do and none was named, or the one that was named is not served.
pub(super) fn giver(
    profiles: &[Profile],
    named: Option<&str>,
) -> anyhow::Result<Option<(ProfileId, NextId)>> {
    let key = |profile: &Profile| (profile.client.id, profile.client.next_id);
    let names = |profiles: &[&Profile]| {
        profiles.iter().map(|profile| profile.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    if let Some(name) = named {
        let Some(profile) = profiles.iter().find(|profile| profile.name == name) else {
            bail!(
                "there is no profile {name:?} among those that are served: {}",
                names(&profiles.iter().collect::<Vec<_>>())
            )
        };
        return Ok(Some(key(profile)));
    }
    let giving: Vec<&Profile> =
        profiles.iter().filter(|profile| profile.client.next_id != NextId::Uuid).collect();
    match giving.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(key(only))),
        several => bail!(
            "several profiles give new accounts a key of their own, and an account has one: {}; say which with --profile",
            names(several)
        ),
    }
}

/// `, known as 1000001 to shop`.
pub(super) fn told(account: &Account, profiles: &[Profile]) -> String {
    let Some(external) = &account.particulars.external else { return String::new() };
    let profile = profiles.iter().find(|profile| profile.client.id == external.profile);
    let name = profile.map_or_else(|| external.profile.0.to_string(), |profile| profile.name.clone());
    format!(", known as {} to {name}", external.id)
}
