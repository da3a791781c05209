//! Where passkeys are used, by the public URL.

use sprag::passkeys::{Impossible, Passkeys};

use crate::config::Config;

/// Where passkeys are used. Only who has chosen a setting of theirs is refused where there can be none.
///
/// # Errors
/// A setting of passkeys cannot hold.
pub(super) fn of(config: &Config) -> anyhow::Result<Option<Passkeys>> {
    match made(config) {
        Ok(passkeys) => Ok(Some(passkeys)),
        Err(why) if config.factors.wants_passkeys() => Err(anyhow::anyhow!(
            "there can be no passkeys as passkey-rp-id and passkey-origins (SPRAG_PASSKEY_RP_ID, SPRAG_PASSKEY_ORIGINS) want them: \
             {why}; {}",
            match why {
                Impossible::LeftOut =>
                    "take one that has them (cargo run, or the packages), or take these away",
                _ => "mend the public URL or these",
            }
        )),
        Err(_) => Ok(None),
    }
}

/// Says at a start why there are none, if so.
pub(crate) fn tell_if_none(config: &Config) {
    if let Err(why) = made(config) {
        let to_have_some = match why {
            Impossible::LeftOut => {
                "build with the feature passkeys, as cargo run does and as the packages are"
            }
            _ => "set SPRAG_PUBLIC_URL to an https address with a name, or to http://localhost and the port",
        };
        tracing::info!(
            "there are no passkeys: {why}; calls about them answer passkeys_unavailable. To have some, {to_have_some}"
        );
    }
}

fn made(config: &Config) -> Result<Passkeys, Impossible> {
    config.factors.passkeys(config.listen.public_url.as_str(), &config.mail.service)
}
