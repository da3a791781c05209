//! The JWT encoding: the same facts as claims, for front ends that expect a JWT.
//!
//! ```text
//! {"alg":"HS256","kid":"1","typ":"rt+jwt"}
//! {"type":"refresh","sub":"…","sid":"…","gen":7,"pid":1,"exp":1800604800,"sec":"…"}
//! ```
//!
//! `exp` is when the session ends as far as its row says, rounded up to the hour: for readers only, never judged by.
//! Tokens of builds before it have none. There is no `iat` or `jti`: a retry must yield the same bytes, and nothing a
//! client holds may tell when its session turned.
//!
//! Reading takes the claims out by their fixed form, writes the token anew and compares the two texts in
//! constant time. That one comparison is the check of the tag and of the canonical form together.

use std::io::Write as _;

use aws_lc_rs::hmac;
use data_encoding::BASE64URL_NOPAD;
use uuid::Uuid;

use super::{Malformed, RefreshToken, SECRET_BYTES, TokenText};
use crate::clock::Timestamp;
use crate::keys::{KeyRing, RefreshKey};
use crate::policy::MAX_GENERATION;
use crate::session::{AccountId, Generation, ProfileId, SessionId, SessionKey};
use crate::wipe::Wiped;

/// The longest header, with a key id of three digits.
const HEADER_BYTES: usize = 42;
/// The longest claims, with a generation of 20 digits (more than is accepted, yet writable), a profile of five and an end
/// of 20 characters.
const CLAIMS_BYTES: usize = 205;
/// The longest text: header, claims and tag in base64url, and two dots.
const TEXT_CHARS: usize = 56 + 1 + 274 + 1 + 43;
/// The session secret in base64url.
const SECRET_CHARS: usize = 22;

pub(super) fn write(token: &RefreshToken, key: &RefreshKey) -> TokenText {
    let mut secret = Wiped::new([0; SECRET_CHARS]);
    BASE64URL_NOPAD.encode_mut(token.secret.as_slice(), secret.as_mut_slice());
    let secret = str::from_utf8(secret.as_slice()).expect("base64url is ASCII");

    let mut text = String::with_capacity(TEXT_CHARS);
    let mut header = [0; HEADER_BYTES];
    let mut rest = header.as_mut_slice();
    write!(rest, r#"{{"alg":"HS256","kid":"{}","typ":"rt+jwt"}}"#, key.id).expect(ROOM);
    let room = rest.len();
    BASE64URL_NOPAD.encode_append(&header[..HEADER_BYTES - room], &mut text);

    let mut claims = Wiped::new([0; CLAIMS_BYTES]);
    let mut rest = claims.as_mut_slice();
    write!(
        rest,
        r#"{{"type":"refresh","sub":"{}","sid":"{}","gen":{},"pid":{},"#,
        token.key.account, token.key.session, token.generation.0, token.profile.0
    )
    .expect(ROOM);
    if let Some(exp) = token.exp {
        write!(rest, r#""exp":{exp},"#).expect(ROOM);
    }
    write!(rest, r#""sec":"{secret}"}}"#).expect(ROOM);
    let room = rest.len();
    text.push('.');
    BASE64URL_NOPAD.encode_append(&claims[..CLAIMS_BYTES - room], &mut text);

    let tag = hmac::sign(&key.jwt, text.as_bytes());
    text.push('.');
    BASE64URL_NOPAD.encode_append(tag.as_ref(), &mut text);
    TokenText(Wiped::new(text))
}

pub(super) fn read(text: &str, keys: &KeyRing, now: Timestamp) -> Result<RefreshToken, Malformed> {
    let (header, rest) = text.split_once('.').ok_or(Malformed::Form)?;
    let (claims, tag) = rest.split_once('.').ok_or(Malformed::Form)?;
    if tag.contains('.') {
        return Err(Malformed::Form);
    }
    let mut buffer = [0; HEADER_BYTES];
    let key_id = read_header(decode(header, &mut buffer)?).ok_or(Malformed::Header)?;
    let key = keys.accepted_refresh(key_id, now).ok_or(Malformed::UnknownKey)?;
    let mut buffer = Wiped::new([0; CLAIMS_BYTES]);
    let token = read_claims(decode(claims, buffer.as_mut_slice())?).ok_or(Malformed::Claims)?;
    if token.generation.0 > MAX_GENERATION {
        return Err(Malformed::Generation);
    }
    if write(&token, key).is(text) { Ok(token) } else { Err(Malformed::Tag) }
}

/// Whether a text is a refresh token in our encoding, genuine or not.
pub(super) fn is_ours(text: &str) -> bool {
    let mut buffer = [0; HEADER_BYTES];
    let header = text.split_once('.').and_then(|(header, _)| decode(header, &mut buffer).ok());
    header.and_then(read_header).is_some()
}

/// Decodes a segment into `buffer`; what does not fit there is no segment of ours.
fn decode<'a>(segment: &str, buffer: &'a mut [u8]) -> Result<&'a str, Malformed> {
    let length = BASE64URL_NOPAD.decode_len(segment.len()).map_err(|_| Malformed::Encoding)?;
    let place = buffer.get_mut(..length).ok_or(Malformed::Length)?;
    BASE64URL_NOPAD.decode_mut(segment.as_bytes(), place).map_err(|_| Malformed::Encoding)?;
    str::from_utf8(place).map_err(|_| Malformed::Encoding)
}

fn read_header(header: &str) -> Option<u8> {
    let key_id = header.strip_prefix(r#"{"alg":"HS256","kid":""#)?.strip_suffix(r#"","typ":"rt+jwt"}"#)?;
    key_id.parse().ok()
}

fn read_claims(claims: &str) -> Option<RefreshToken> {
    let (account, rest) = claims.strip_prefix(r#"{"type":"refresh","sub":""#)?.split_once('"')?;
    let (session, rest) = rest.strip_prefix(r#","sid":""#)?.split_once('"')?;
    let (generation, rest) = rest.strip_prefix(r#","gen":"#)?.split_once(',')?;
    let (profile, rest) = rest.strip_prefix(r#""pid":"#)?.split_once(',')?;
    let (exp, rest) = match rest.strip_prefix(r#""exp":"#) {
        Some(rest) => rest.split_once(',').map(|(exp, rest)| (Some(exp), rest))?,
        None => (None, rest),
    };
    let secret_text = rest.strip_prefix(r#""sec":""#)?.strip_suffix(r#""}"#)?;
    if secret_text.len() != SECRET_CHARS {
        return None;
    }
    let mut secret = Wiped::new([0; SECRET_BYTES]);
    BASE64URL_NOPAD.decode_mut(secret_text.as_bytes(), secret.as_mut_slice()).ok()?;
    Some(RefreshToken {
        profile: ProfileId(profile.parse().ok()?),
        key: SessionKey {
            account: AccountId(Uuid::try_parse(account).ok()?),
            session: SessionId(Uuid::try_parse(session).ok()?),
        },
        generation: Generation(generation.parse().ok()?),
        secret,
        exp: exp.map(str::parse).transpose().ok()?,
    })
}

const ROOM: &str = "the buffer has room for the longest token";
