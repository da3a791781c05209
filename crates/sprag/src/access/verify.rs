//! Verification of our own access tokens.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{AccessToken, strict};
use crate::clock::Timestamp;
use crate::keys::{AccessKey, KeyRing};
use crate::session::{AccountId, SessionId};

/// The longest token that is looked at.
pub const MAX_BYTES: usize = 8 * 1024;

/// How far in the future `iat` and `nbf` may lie: nodes' clocks differ. `exp` has no leeway, as whoever
/// verifies here is also who issued.
pub const LEEWAY_SECONDS: i64 = 60;

/// Whose tokens are expected, and for whom.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// The issuer they must name.
    pub issuer: &'a str,
    /// The audience they must name; `None` if they must name none.
    pub audience: Option<&'a str>,
}

/// Why an access token is refused. Everything but [`Expired`](Self::Expired) means: not one of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejected {
    /// It is longer than [`MAX_BYTES`].
    #[error("the access token is too long")]
    TooLong,
    /// It is not three segments with two dots between.
    #[error("the access token is not three segments")]
    Segments,
    /// A segment is not canonical base64url.
    #[error("a segment of the access token is not canonical base64url")]
    Encoding,
    /// Header or claims are not one unambiguous JSON object.
    #[error("the header or the claims of the access token are not an unambiguous JSON object")]
    Json,
    /// The header has a member that ours never have (`crit`, `jku`, `jwk`, `x5u`, …), lacks one or has one of
    /// the wrong type.
    #[error("the header of the access token is not one of ours")]
    Header,
    /// `typ` says that it is another kind of token.
    #[error("the token is not an access token")]
    Type,
    /// Its key is not in the ring, or has retired.
    #[error("the access token names no key that is accepted")]
    UnknownKey,
    /// `alg` is not the one its key is bound to.
    #[error("the access token does not have its key's algorithm")]
    Algorithm,
    /// The signature is not its key's.
    #[error("the signature of the access token is wrong")]
    Signature,
    /// A claim is missing or of the wrong type or form.
    #[error("the claim `{0}` of the access token is missing or has the wrong type")]
    Claim(&'static str),
    /// Another issuer's.
    #[error("the access token is from another issuer")]
    Issuer,
    /// For another audience.
    #[error("the access token is for another audience")]
    Audience,
    /// `iat` or `nbf` lies in the future.
    #[error("the access token is not valid yet; check the clocks")]
    NotYet,
    /// Genuine, and its time is over.
    #[error("the access token has expired")]
    Expired,
}

impl Rejected {
    /// The stable name, for counters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Segments => "segments",
            Self::Encoding => "encoding",
            Self::Json => "json",
            Self::Header => "header",
            Self::Type => "type",
            Self::UnknownKey => "unknown_key",
            Self::Algorithm => "algorithm",
            Self::Signature => "signature",
            Self::Claim(_) => "claim",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::NotYet => "not_yet",
            Self::Expired => "expired",
        }
    }
}

/// Verifies one of our own access tokens.
///
/// The key decides the algorithm, `kid` is nothing but a name to look up in the ring, and no claim is read
/// before the signature has verified.
///
/// # Errors
/// [`Rejected`] says why; [`Rejected::Expired`] only of a token that is genuine in every other respect.
pub fn verify(
    text: &str,
    keys: &KeyRing,
    expected: Expected<'_>,
    now: Timestamp,
) -> Result<AccessToken, Rejected> {
    let token = genuine(text, keys, expected, now)?;
    if now >= token.expires_at { Err(Rejected::Expired) } else { Ok(token) }
}

/// Verifies a token that may have expired: it says whose it was, and lets nobody in.
pub(crate) fn genuine(
    text: &str,
    keys: &KeyRing,
    expected: Expected<'_>,
    now: Timestamp,
) -> Result<AccessToken, Rejected> {
    if text.len() > MAX_BYTES {
        return Err(Rejected::TooLong);
    }
    let (signed, signature) = text.rsplit_once('.').ok_or(Rejected::Segments)?;
    let (header, claims) = signed.split_once('.').ok_or(Rejected::Segments)?;
    if claims.contains('.') || [header, claims, signature].contains(&"") {
        return Err(Rejected::Segments);
    }
    let [header, claims, signature] = [decode(header)?, decode(claims)?, decode(signature)?];
    let header = strict::object(&header).ok_or(Rejected::Json)?;
    let claims = strict::object(&claims).ok_or(Rejected::Json)?;

    let header = Header::read(&header)?;
    let is_named = |key: &&AccessKey| match header.kid {
        Some(kid) => !key.is_shared && key.kid == kid,
        None => key.is_shared,
    };
    let mut reason = Rejected::UnknownKey;
    let is_signed = keys.accepted_access(now).filter(is_named).any(|key| {
        reason = Rejected::Algorithm;
        let is_its_algorithm = key.algorithm().name() == header.alg;
        if is_its_algorithm {
            reason = Rejected::Signature;
        }
        is_its_algorithm && key.verifies(signed.as_bytes(), &signature)
    });
    if !is_signed {
        return Err(reason);
    }
    read_claims(&claims, expected, now)
}

fn decode(segment: &str) -> Result<Vec<u8>, Rejected> {
    BASE64URL_NOPAD.decode(segment.as_bytes()).map_err(|_| Rejected::Encoding)
}

struct Header<'a> {
    alg: &'a str,
    kid: Option<&'a str>,
}

impl<'a> Header<'a> {
    /// Reads a header that has `alg`, `typ`, perhaps `kid`, and nothing else: whatever else it had would have
    /// to be ignored or understood, and ours never has it.
    fn read(members: &'a Map<String, Value>) -> Result<Self, Rejected> {
        if !members.keys().all(|name| matches!(name.as_str(), "alg" | "typ" | "kid")) {
            return Err(Rejected::Header);
        }
        let text = |name| members.get(name).map(|value| value.as_str().ok_or(Rejected::Header)).transpose();
        let alg = text("alg")?.ok_or(Rejected::Header)?;
        let kid = text("kid")?;
        match text("typ")? {
            Some("at+jwt" | "application/at+jwt") => Ok(Self { alg, kid }),
            Some(_) | None => Err(Rejected::Type),
        }
    }
}

fn read_claims(
    claims: &Map<String, Value>,
    expected: Expected<'_>,
    now: Timestamp,
) -> Result<AccessToken, Rejected> {
    let text = |name| claims.get(name).and_then(Value::as_str).ok_or(Rejected::Claim(name));
    let time = |name| claims.get(name).and_then(moment).ok_or(Rejected::Claim(name));
    let issuer = text("iss")?;
    let audience = if claims.contains_key("aud") { Some(text("aud")?) } else { None };
    // Where the account is known to APIs by another name, that is the `sub`.
    let account = if claims.contains_key("account_id") { "account_id" } else { "sub" };
    text("sub")?;
    let subject = AccountId(id(text(account)?).ok_or(Rejected::Claim(account))?);
    let session = SessionId(id(text("sid")?).ok_or(Rejected::Claim("sid"))?);
    let client_id = text("client_id")?.to_owned();
    let (issued_at, expires_at) = (time("iat")?, time("exp")?);
    let not_before = if claims.contains_key("nbf") { time("nbf")? } else { issued_at };
    let mut id = [0; 16];
    let jti = text("jti")?;
    if jti.len() != 22 || BASE64URL_NOPAD.decode_mut(jti.as_bytes(), &mut id).is_err() {
        return Err(Rejected::Claim("jti"));
    }

    if issuer != expected.issuer {
        return Err(Rejected::Issuer);
    }
    if audience != expected.audience {
        return Err(if audience.is_some() { Rejected::Audience } else { Rejected::Claim("aud") });
    }
    let latest = Timestamp(now.0.saturating_add(LEEWAY_SECONDS * 1000));
    if issued_at > latest || not_before > latest {
        return Err(Rejected::NotYet);
    }
    Ok(AccessToken { subject, session, client_id, issued_at, expires_at, id })
}

/// Whole seconds since the epoch, not negative, as an integer and nothing else.
fn moment(value: &Value) -> Option<Timestamp> {
    let seconds = i64::try_from(value.as_u64()?).ok()?;
    seconds.checked_mul(1000).map(Timestamp)
}

/// An id in the one form we write: 36 characters, lower case.
fn id(text: &str) -> Option<Uuid> {
    let id = Uuid::try_parse(text).ok()?;
    (id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text).then_some(id)
}
