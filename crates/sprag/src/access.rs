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
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::error::Fault;
use crate::keys::{CommonClaims, KeyRing};
use crate::session::{AccountId, Methods, SessionId};
use crate::text;

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
    let AccessClaims { issuer, audience, client_id, .. } = *claims;
    let mut token = key.begin(CommonClaims { issuer, audience, client_id });
    write_own(claims, &mut token.claims).map_err(|error| Fault::internal(DOING, error))?;
    key.sign(&token).map_err(|error| Fault::internal(DOING, error))
}

/// The public keys that verify what the ring signs, as a JWK set (RFC 7517 section 5).
///
/// Keys that will sign only later are in it, so that verifiers have them in time. Shared secrets never are.
#[must_use]
pub fn jwks(keys: &KeyRing, now: Timestamp) -> Value {
    let keys: Vec<Value> = keys.accepted_access(now).filter_map(|key| key.jwk()).collect();
    json!({ "keys": keys })
}

/// Writes the claims that no other token has, and ends the object that they stand in.
fn write_own(claims: &AccessClaims<'_>, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    match claims.external_subject {
        Some(external) => {
            text::write_json(external, name(out, "sub"));
            write_id(claims.subject.0, name(out, "account_id"));
        }
        None => write_id(claims.subject.0, name(out, "sub")),
    }
    write_id(claims.session.0, name(out, "sid"));
    serde_json::to_writer(name(out, "iat"), &claims.issued_at.seconds())?;
    serde_json::to_writer(name(out, "exp"), &claims.expires_at.seconds())?;
    text::write_json(BASE64URL_NOPAD.encode_mut_str(&claims.id, &mut [0; 22]), name(out, "jti"));
    serde_json::to_writer(name(out, "auth_time"), &claims.authenticated_at.seconds())?;
    if let Some(acr) = claims.methods.acr() {
        serde_json::to_writer(name(out, "amr"), &claims.methods.amr().collect::<Vec<_>>())?;
        text::write_json(acr, name(out, "acr"));
    }
    for (claim, value) in claims.claims.into_iter().flatten() {
        out.push(b',');
        text::write_json(claim, out);
        out.push(b':');
        serde_json::to_writer(&mut *out, value)?;
    }
    out.push(b'}');
    Ok(())
}

/// Begins a further member of the object; `name` has nothing in it that JSON escapes.
fn name<'a>(out: &'a mut Vec<u8>, name: &str) -> &'a mut Vec<u8> {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
    out
}

fn write_id(id: Uuid, out: &mut Vec<u8>) {
    text::write_json(id.hyphenated().encode_lower(&mut Uuid::encode_buffer()), out);
}
