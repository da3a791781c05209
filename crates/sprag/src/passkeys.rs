//! Passkeys (WebAuthn): where they can be used, and how one is kept.
//!
//! A challenge is a [one-time token](crate::one_time): its row is found by the challenge itself, which the browser repeats, and is
//! spent before anything is verified. So no answer works twice, whoever sends it to whichever node.
//!
//! A passkey is kept as
//!
//! ```text
//! version 1 ‖ made at 8 ‖ last used 8 ‖ sealed (label and public key, as JSON)
//! ```

#[cfg(not(feature = "passkeys"))]
#[path = "passkeys/absent.rs"]
mod site;
#[cfg(feature = "passkeys")]
mod site;

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

pub(crate) use site::{Answer, Asked, Passkey, Registering, Site};

use crate::clock::Timestamp;
use crate::error::Fault;
use crate::keys::KeyRing;
use crate::one_time::{Digest, TokenId, hashed};
use crate::random::Random;
use crate::session::AccountId;

/// How many passkeys an account may have.
pub const MAX_PASSKEYS: usize = 10;

const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 8 + 8;

/// Where passkeys are used: the site that they are bound to.
#[derive(Clone)]
pub struct Passkeys {
    site: Site,
    /// The site's own origin, and those of the related sites.
    origins: Vec<String>,
}

impl fmt::Debug for Passkeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passkeys").field("origins", &self.origins).finish_non_exhaustive()
    }
}

/// Why there are no passkeys at an address.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Impossible {
    /// They were left out of this build: it is one without the feature `passkeys`.
    #[error("this build leaves them out")]
    LeftOut,
    /// It is no URL.
    #[error("{0:?} is no address of a site")]
    NoUrl(String),
    /// Browsers have passkeys on sites with a name only.
    #[error("{0} is no name of a host, and browsers bind passkeys to a name")]
    NoName(String),
    /// Browsers have passkeys on pages that came encrypted only, but for localhost.
    #[error("{0} is not https, and browsers have passkeys nowhere else but on localhost")]
    NotEncrypted(String),
    /// The name is one below which anybody may have theirs, as `org`.
    #[error("{0} is a whole top-level domain, and browsers bind no passkey to one")]
    WholeDomain(String),
    /// The site is not below the name.
    #[error("{origin} is not at {rp_id} or below it, so browsers use none of its passkeys there")]
    Elsewhere {
        /// The name that they would be bound to.
        rp_id: String,
        /// The site.
        origin: String,
    },
}

impl Passkeys {
    /// Passkeys of the site at `origin`, bound to its host's name, or to `rp_id`, which is that name or one above it. Pages of
    /// `related` sites may use them too, and apps of Android's (`android:apk-key-hash:` and what their platform says).
    ///
    /// # Errors
    /// [`Impossible`]: there are none at such an address.
    pub fn new(
        origin: &str,
        rp_id: Option<&str>,
        related: &[String],
        service: &str,
    ) -> Result<Self, Impossible> {
        let (site, origins) = Site::of(origin, rp_id, related, service)?;
        Ok(Self { site, origins })
    }

    /// The origins of pages that may use them: the site's own first.
    #[must_use]
    pub fn origins(&self) -> &[String] {
        &self.origins
    }

    pub(crate) fn site(&self) -> &Site {
        &self.site
    }
}

/// What a browser is to be asked, the challenge in it, and what is remembered until it answers.
pub(crate) struct Asks<T> {
    pub(crate) options: Value,
    pub(crate) challenge: Vec<u8>,
    pub(crate) state: T,
}

/// Whether an answer was a passkey's.
#[cfg_attr(not(feature = "passkeys"), expect(dead_code, reason = "such a build verifies none"))]
pub(crate) enum Verified {
    Yes,
    /// The passkey has counted more uses before: somebody has a copy of it.
    WentBack,
    No,
}

/// What a challenge is for, sealed in its row.
#[derive(Serialize, Deserialize)]
pub(crate) enum Ceremony {
    /// Adds a passkey to an account.
    Add(AccountId, Registering),
    /// Shows a passkey: of this account, or of whoever it is.
    Show(Option<AccountId>, Asked),
}

/// Where the row of a challenge stands: it is nobody's before it is answered, and so spread by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Challenge {
    pub(crate) account: AccountId,
    pub(crate) id: TokenId,
    pub(crate) secret_hash: Digest,
}

impl Challenge {
    pub(crate) fn of(challenge: &[u8]) -> Self {
        let place = digest(&SHA256, &[b"sprag passkey challenge\n", challenge].concat());
        let (id, account) = place.as_ref().split_at(16);
        let uuid = |bytes: &[u8]| Uuid::from_slice(bytes).unwrap_or_default();
        Self { account: AccountId(uuid(account)), id: TokenId(uuid(id)), secret_hash: hashed(challenge) }
    }

    /// The one that a browser's answer repeats.
    pub(crate) fn answered(credential: &Value) -> Option<Self> {
        let client_data = credential["response"]["clientDataJSON"].as_str()?;
        let client_data = BASE64URL_NOPAD.decode(client_data.as_bytes()).ok()?;
        let client_data: Value = serde_json::from_slice(&client_data).ok()?;
        let challenge = BASE64URL_NOPAD.decode(client_data["challenge"].as_str()?.as_bytes()).ok()?;
        Some(Self::of(&challenge))
    }
}

/// A passkey and what its owner calls it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Kept {
    pub(crate) label: Option<String>,
    pub(crate) passkey: Passkey,
}

/// A passkey as it stands in the store.
pub(crate) struct KeptRow<'a> {
    pub(crate) made_at: Timestamp,
    pub(crate) used_at: Option<Timestamp>,
    sealed: &'a [u8],
}

impl Kept {
    /// As it goes into the store, for the credential of that account and id.
    ///
    /// # Errors
    /// A [`Fault`] if it cannot be written.
    pub(crate) fn row(
        &self,
        (keys, random): (&KeyRing, &dyn Random),
        (account, id): (AccountId, Uuid),
        (made_at, used_at): (Timestamp, Option<Timestamp>),
        now: Timestamp,
    ) -> Result<Vec<u8>, Fault> {
        let plain = serde_json::to_vec(self).map_err(|error| Fault::internal("keep a passkey", error))?;
        let sealed = keys.seal(now, random, &bound_to(&account, &id), &plain);
        let used = used_at.map_or(0, |at| at.0);
        Ok([&[VERSION], made_at.0.to_be_bytes().as_slice(), &used.to_be_bytes(), &sealed].concat())
    }
}

impl<'a> KeptRow<'a> {
    /// # Errors
    /// A [`Fault`] where it is of a newer build, or cut off.
    pub(crate) fn read(row: &'a [u8]) -> Result<Self, Fault> {
        let unreadable = || Fault::internal("read a passkey", "its row is of a newer build, or damaged");
        let (head, sealed) = row.split_first_chunk::<HEAD_BYTES>().ok_or_else(unreadable)?;
        let [VERSION, times @ ..] = *head else { return Err(unreadable()) };
        let (made, used) = times.split_first_chunk::<8>().ok_or_else(unreadable)?;
        let used = i64::from_be_bytes(used.try_into().map_err(|_| unreadable())?);
        let made_at = Timestamp(i64::from_be_bytes(*made));
        Ok(Self { made_at, used_at: (used > 0).then_some(Timestamp(used)), sealed })
    }

    /// # Errors
    /// A [`Fault`] where the ring has no longer the key that it was sealed with.
    pub(crate) fn open(&self, keys: &KeyRing, account: AccountId, id: Uuid) -> Result<Kept, Fault> {
        const DOING: &str = "open a passkey";
        let plain = keys.open_of_any_age(&bound_to(&account, &id), self.sealed).ok_or_else(|| {
            Fault::internal(
                DOING,
                "the key ring has no longer the key that it was sealed with; put that back",
            )
        })?;
        serde_json::from_slice(&plain).map_err(|error| Fault::internal(DOING, error))
    }
}

fn bound_to<'a>(account: &'a AccountId, id: &'a Uuid) -> [&'a [u8]; 4] {
    [b"credential", account.0.as_bytes(), b"passkey", id.as_bytes()]
}

#[cfg(all(test, feature = "passkeys"))]
mod tests {
    use super::*;

    #[test]
    fn passkeys_are_where_browsers_have_them() {
        for origin in ["https://auth.example.org", "http://localhost:8080", "https://auth.example.org:8443"] {
            assert!(Passkeys::new(origin, None, &[], "Example").is_ok(), "{origin}");
        }
        for origin in [
            "http://127.0.0.1:8080",
            "https://192.0.2.1",
            "https://[2001:db8::1]",
            "http://auth.example.org",
            "x",
        ] {
            assert!(Passkeys::new(origin, None, &[], "Example").is_err(), "{origin}");
        }
        let at = |rp_id| Passkeys::new("https://auth.example.org", Some(rp_id), &[], "Example").map(drop);
        assert_eq!(at("example.org"), Ok(()));
        assert!(at("example.com").is_err() && at("other.example.org").is_err());
        assert_eq!(at("org"), Err(Impossible::WholeDomain("org".to_owned())));
    }

    #[test]
    fn pages_of_related_sites_are_told_and_apps_are_not_pages() {
        let related = ["https://app.example.com/", "android:apk-key-hash:k1", "http://localhost:3000"]
            .map(str::to_owned);
        let passkeys = Passkeys::new("https://auth.example.org", None, &related, "Example").unwrap();
        let told = ["https://auth.example.org", "https://app.example.com", "http://localhost:3000"];
        assert_eq!(passkeys.origins(), told);
        assert_eq!(passkeys.site.allowed_origins(), 4);
        for odd in ["http://app.example.com", "https://192.0.2.1", "capacitor://localhost", "x"] {
            let odd = [odd.to_owned()];
            assert!(Passkeys::new("https://auth.example.org", None, &odd, "Example").is_err(), "{odd:?}");
        }
    }
}
