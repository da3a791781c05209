//! What is asked of browsers and what they answer, by `webauthn-rs`. `absent.rs` has the same where it is left out.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use webauthn_rs::prelude::{
    DiscoverableAuthentication, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential,
    WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder, prelude};

use super::{Asks, Impossible, Verified};
use crate::error::Fault;
use crate::session::AccountId;

const ASK: &str = "ask for a passkey";
const BEGIN: &str = "begin to add a passkey";

/// How an Android app names itself as an origin: by the hash of what signs it.
const OF_AN_APP: &str = "android:apk-key-hash:";

/// The site that passkeys are bound to.
#[derive(Clone)]
pub(crate) struct Site(Webauthn);

/// A public key, and what is known of it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Passkey(prelude::Passkey);

/// What is remembered of a question until it is answered.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Asked(DiscoverableAuthentication);

/// What is remembered of an offer to add a passkey until one was made.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Registering(PasskeyRegistration);

/// What a browser answers that was asked for a passkey.
pub(crate) struct Answer(PublicKeyCredential);

impl Site {
    /// As [`Passkeys::new`](super::Passkeys::new); and the origins of its pages.
    pub(super) fn of(
        origin: &str,
        rp_id: Option<&str>,
        related: &[String],
        service: &str,
    ) -> Result<(Self, Vec<String>), Impossible> {
        let url = site(origin)?;
        let name = url.domain().unwrap_or_default().to_owned();
        let rp_id = rp_id.unwrap_or(&name);
        if rp_id != name && !rp_id.contains('.') {
            return Err(Impossible::WholeDomain(rp_id.to_owned()));
        }
        let elsewhere = || Impossible::Elsewhere { rp_id: rp_id.to_owned(), origin: origin.to_owned() };
        let mut builder = WebauthnBuilder::new(rp_id, &url).map_err(|_| elsewhere())?.rp_name(service);
        let mut origins = vec![url.origin().ascii_serialization()];
        for other in related {
            let named = related_origin(other)?;
            if named.origin().is_tuple() {
                origins.push(named.origin().ascii_serialization());
            }
            builder = builder.append_allowed_origin(&named);
        }
        let site = builder.build().map_err(|_| elsewhere())?;
        Ok((Self(site), origins))
    }

    /// Asks for one of these passkeys; where there are none, for any of this site's.
    ///
    /// # Errors
    /// A [`Fault`].
    pub(crate) fn ask(&self, of: &[Passkey]) -> Result<Asks<Asked>, Fault> {
        let fault = |error| Fault::internal(ASK, error);
        let Self(site) = self;
        let (mut options, asked) = site.start_discoverable_authentication().map_err(fault)?;
        if !of.is_empty() {
            // Only the list is taken from it. Its state has copies of the passkeys, with their counters of this moment; whoever
            // answers is compared with what is kept when they do.
            let theirs: Vec<_> = of.iter().map(|Passkey(key)| key.clone()).collect();
            let (listing, _) = site.start_passkey_authentication(&theirs).map_err(fault)?;
            options.public_key.allow_credentials = listing.public_key.allow_credentials;
            options.mediation = None;
        }
        let challenge = options.public_key.challenge.as_slice().to_vec();
        Ok(Asks { options: written(ASK, &options)?, challenge, state: Asked(asked) })
    }

    /// Offers an account to make a passkey on a device that has none of the known ones.
    ///
    /// # Errors
    /// A [`Fault`].
    pub(crate) fn register(
        &self,
        account: AccountId,
        (name, called): (&str, &str),
        known: &[Passkey],
    ) -> Result<Asks<Registering>, Fault> {
        let known = known.iter().map(|Passkey(key)| key.cred_id().clone()).collect();
        let begun = self.0.start_passkey_registration(account.0, name, called, Some(known));
        let (options, state) = begun.map_err(|error| Fault::internal(BEGIN, error))?;
        let challenge = options.public_key.challenge.as_slice().to_vec();
        let mut options = written(BEGIN, &options)?;
        // So that it can be used without a name, too, where the device has room for that.
        options["publicKey"]["authenticatorSelection"]["residentKey"] = "preferred".into();
        Ok(Asks { options, challenge, state: Registering(state) })
    }

    /// The passkey that a browser has made for this site, if it has.
    pub(crate) fn registered(&self, answer: &Value, Registering(state): &Registering) -> Option<Passkey> {
        let answer: RegisterPublicKeyCredential = serde_json::from_value(answer.clone()).ok()?;
        self.0.finish_passkey_registration(&answer, state).ok().map(Passkey)
    }

    /// Whose passkey was shown, by what the device says.
    pub(crate) fn holder(&self, Answer(answer): &Answer) -> Option<AccountId> {
        self.0.identify_discoverable_authentication(answer).ok().map(|(id, _)| AccountId(id))
    }

    /// Whether an answer was signed by this passkey, for this site, to what was asked, and by a device that has verified its holder.
    /// Then the passkey moves on.
    pub(crate) fn verify(
        &self,
        Answer(answer): &Answer,
        Asked(asked): Asked,
        Passkey(passkey): &mut Passkey,
    ) -> Verified {
        match self.0.finish_discoverable_authentication_v2(answer, asked, &*passkey) {
            Ok(verified) if verified.user_verified() => {
                passkey.update_credential(&verified);
                Verified::Yes
            }
            Err(WebauthnError::CredentialPossibleCompromise) => Verified::WentBack,
            _ => Verified::No,
        }
    }

    #[cfg(test)]
    pub(super) fn allowed_origins(&self) -> usize {
        self.0.get_allowed_origins().len()
    }
}

impl Answer {
    /// `None` where it is no such answer.
    pub(crate) fn read(credential: &Value) -> Option<Self> {
        serde_json::from_value(credential.clone()).ok().map(Self)
    }

    /// Whether it names this passkey.
    pub(crate) fn is_of(&self, Passkey(passkey): &Passkey) -> bool {
        passkey.cred_id().as_slice() == self.0.get_credential_id()
    }
}

fn related_origin(text: &str) -> Result<Url, Impossible> {
    let is_app = text.starts_with(OF_AN_APP);
    if is_app { Url::parse(text).map_err(|_| Impossible::NoUrl(text.to_owned())) } else { site(text) }
}

fn site(text: &str) -> Result<Url, Impossible> {
    let url = Url::parse(text).map_err(|_| Impossible::NoUrl(text.to_owned()))?;
    let Some(name) = url.domain().map(str::to_owned) else { return Err(Impossible::NoName(text.to_owned())) };
    let is_here = name == "localhost" || name.ends_with(".localhost");
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_here => Ok(url),
        _ => Err(Impossible::NotEncrypted(text.to_owned())),
    }
}

/// Options as browsers read them.
fn written(doing: &'static str, options: &impl Serialize) -> Result<Value, Fault> {
    serde_json::to_value(options).map_err(|error| Fault::internal(doing, error))
}
