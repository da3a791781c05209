//! Where passkeys are used, by the public URL.

use sprag::passkeys::Passkeys;

use crate::config::Config;

/// Where passkeys are used; the start says where nowhere. Only who has chosen a setting of theirs is refused where there can be none.
pub(super) fn of(config: &Config) -> anyhow::Result<Option<Passkeys>> {
    let url = config.listen.public_url.as_str();
    match config.factors.passkeys(url, &config.mail.service) {
        Ok(passkeys) => Ok(Some(passkeys)),
        Err(why) if config.factors.wants_passkeys() => Err(anyhow::anyhow!(
            "there can be no passkeys as passkey-rp-id and passkey-origins (SPRAG_PASSKEY_RP_ID, SPRAG_PASSKEY_ORIGINS) want them: \
             {why}; mend the public URL or these"
        )),
        Err(why) => {
            tracing::info!("there are no passkeys: {why}; calls about them answer passkeys_unavailable");
            Ok(None)
        }
    }
}
