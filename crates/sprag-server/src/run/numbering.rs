//! Whether the numbers of new accounts are above every number that came from a source system.

use anyhow::{Context as _, bail};
use sprag::engine::NextId;
use sprag::store::Store;

use crate::config::Config;
use crate::profile::Profile;
use crate::run::database;

/// Sets the floor of each profile that numbers its accounts, so that whoever imports without these settings keeps to it too.
///
/// # Errors
/// A key of the source system is above it: somebody new would get the number that the system gives to somebody else. Or
/// the store fails.
pub(super) async fn settle(config: &Config, profiles: &[Profile], store: &dyn Store) -> anyhow::Result<()> {
    for profile in profiles {
        let NextId::Integer { floor } = profile.client.next_id else { continue };
        let id = profile.client.id;
        let look =
            async { Ok::<_, sprag::Fault>((store.numbering(id).await?, store.highest_number(id).await?)) };
        let doing = || format!("could not look for the numbers of accounts in {}", database::shown(config));
        let (numbering, highest) = look.await.with_context(doing)?;
        let (given, floor) = numbering.map_or((0, floor), |known| (known.last, known.floor.max(floor)));
        if let Some(highest) = highest.filter(|highest| *highest > given && *highest >= floor) {
            bail!(
                "next-id-floor is {floor} for the profile {}, and an account is known there by the number {highest}, which the \
                 source system gave it; set next-id-floor above every number that the source system hands out beside this \
                 server, far above {highest}",
                profile.name
            );
        }
        store.raise_floor(id, floor).await.with_context(doing)?;
    }
    let progress = store.read_progress().await.context("could not look whether the store went back")?;
    if progress.is_some_and(|progress| progress.went_back_at.is_some()) {
        warn_of_lost_numbers(profiles);
    }
    Ok(())
}

/// A store that went back hands out once more what was lost with it, and the app's tables may know somebody by it.
pub(crate) fn warn_of_lost_numbers(profiles: &[Profile]) {
    for profile in profiles.iter().filter(|profile| matches!(profile.client.next_id, NextId::Integer { .. }))
    {
        tracing::warn!(
            profile = profile.name,
            "the store went back, and its count of new accounts with it: set next-id-floor above the highest id in the app's \
             tables before anybody registers, or somebody new gets the id of somebody who was lost"
        );
    }
}
