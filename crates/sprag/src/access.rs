//! Access tokens: short-lived JWTs after RFC 9068 that any API verifies by itself.
//!
//! [`mint`] makes them, [`verify`] is as strict as a verifier can be, [`jwks`] publishes the keys.
//!
//! ```
//! use sprag::access::{self, Expected};
//! use sprag::clock::{Clock as _, SystemClock};
//! use sprag::keys::{Algorithm, KeyRing};
//! use sprag::random::SystemRandom;
//!
//! let now = SystemClock.now();
//! let ring = KeyRing::generate(Algorithm::Es256, &SystemRandom::default(), now)?;
//! assert_eq!(access::jwks(&ring, now)["keys"][0]["kty"], "EC");
//!
//! let expected = Expected { issuer: "https://auth.example.org", audience: None };
//! assert!(access::verify("not.a.token", &ring, expected, now).is_err());
//! # Ok::<(), sprag::Fault>(())
//! ```

use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use serde::ser::SerializeMap as _;
use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::error::Fault;
use crate::keys::KeyRing;
use crate::session::{AccountId, Methods, SessionId};

mod strict;
mod verify;

pub use crate::keys::{Algorithm, UnknownAlgorithm};
pub(crate) use verify::genuine;
pub use verify::{Expected, LEEWAY_SECONDS, MAX_BYTES, Rejected, verify};

/// The claims that Sprag sets itself, or may one day: those that say for whom, by whom, when and how a token came about.
/// A profile may not configure them.
pub const RESERVED_CLAIMS: [&str; 15] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "sid",
    "client_id",
    "account_id",
    "azp",
    "cnf",
    "auth_time",
    "amr",
    "acr",
];

/// What an access token is to say.
#[derive(Clone, Copy, Debug)]
pub struct AccessClaims<'a> {
    /// Who issues it.
    pub issuer: &'a str,
    /// Whom it speaks for.
    pub subject: AccountId,
    /// What APIs know that account by, where that is not its id: then this is the `sub`, and the id is `account_id`.
    pub external_subject: Option<&'a str>,
    /// Which APIs it is for. Verifiers that expect no audience refuse a token that names one.
    pub audience: Option<&'a str>,
    /// Which client it was made for: the profile's name.
    pub client_id: &'a str,
    /// The session it belongs to.
    pub session: SessionId,
    /// When it is made.
    pub issued_at: Timestamp,
    /// When it stops being accepted; whole seconds count.
    pub expires_at: Timestamp,
    /// When its session's user last showed who they are: `auth_time`, in whole seconds.
    pub authenticated_at: Timestamp,
    /// How they did: `amr` and `acr`, or neither where nothing is known.
    pub methods: Methods,
    /// Its own id, fresh for each token.
    pub id: [u8; 16],
    /// What the profile adds.
    pub claims: Option<&'a Map<String, Value>>,
}

/// What a verified access token says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccessToken {
    /// Whom it speaks for.
    pub subject: AccountId,
    /// The session it belongs to.
    pub session: SessionId,
    /// Which client it was made for.
    pub client_id: String,
    /// When it was made.
    pub issued_at: Timestamp,
    /// When it stops being accepted.
    pub expires_at: Timestamp,
    /// Its own id.
    pub id: [u8; 16],
}

/// Makes an access token, signed by the ring's access key of the moment.
///
/// # Errors
/// A [`Fault`] if the profile's claims would overwrite one of [`RESERVED_CLAIMS`], or the signature fails.
pub fn mint(keys: &KeyRing, now: Timestamp, claims: &AccessClaims<'_>) -> Result<String, Fault> {
    const DOING: &str = "mint an access token";
    if let Some(claims) = claims.claims
        && claims.keys().any(|name| RESERVED_CLAIMS.contains(&name.as_str()))
    {
        return Err(Fault::internal(DOING, "a configured claim has the name of one that Sprag sets"));
    }
    let key = keys.signing_access(now);
    let mut payload = Vec::with_capacity(512);
    serde_json::to_writer(&mut payload, &Payload(claims)).map_err(|error| Fault::internal(DOING, error))?;
    let mut text = String::with_capacity(key.header.len() + payload.len() * 4 / 3 + 128);
    text.push_str(&key.header);
    text.push('.');
    BASE64URL_NOPAD.encode_append(&payload, &mut text);
    let signature = key.sign(text.as_bytes()).map_err(|error| Fault::internal(DOING, error))?;
    text.push('.');
    BASE64URL_NOPAD.encode_append(&signature, &mut text);
    Ok(text)
}

/// The public keys that verify what the ring signs, as a JWK set (RFC 7517 section 5).
///
/// Keys that will sign only later are in it, so that verifiers have them in time. Shared secrets never are.
#[must_use]
pub fn jwks(keys: &KeyRing, now: Timestamp) -> Value {
    let keys: Vec<Value> = keys.accepted_access(now).filter_map(|key| key.jwk()).collect();
    json!({ "keys": keys })
}

/// The claims in their order.
struct Payload<'a>(&'a AccessClaims<'a>);

impl Serialize for Payload<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let claims = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("iss", claims.issuer)?;
        match claims.external_subject {
            Some(external) => {
                map.serialize_entry("sub", external)?;
                map.serialize_entry("account_id", &claims.subject)?;
            }
            None => map.serialize_entry("sub", &claims.subject)?,
        }
        if let Some(audience) = claims.audience {
            map.serialize_entry("aud", audience)?;
        }
        map.serialize_entry("client_id", claims.client_id)?;
        map.serialize_entry("sid", &claims.session)?;
        map.serialize_entry("iat", &claims.issued_at.seconds())?;
        map.serialize_entry("exp", &claims.expires_at.seconds())?;
        map.serialize_entry("jti", &BASE64URL_NOPAD.encode(&claims.id))?;
        map.serialize_entry("auth_time", &claims.authenticated_at.seconds())?;
        if let Some(acr) = claims.methods.acr() {
            map.serialize_entry("amr", &claims.methods.amr().collect::<Vec<_>>())?;
            map.serialize_entry("acr", acr)?;
        }
        for (name, value) in claims.claims.into_iter().flatten() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
