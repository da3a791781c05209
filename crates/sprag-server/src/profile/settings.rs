//! The tables of a profile that are settings: lifetimes, the ratchet, how tokens travel, the environment.

use std::time::Duration;

use sprag::access::RESERVED_CLAIMS;
use sprag::engine::Subject;
use sprag::policy::{Ahead, Lockstep, MAX_REUSE_INTERVAL, MIN_PASSWORD_CHARS, PasswordLength, Policy, Retry};

use crate::duration::spell;

use super::error::{ProfileError, suggest};
use super::fact::Fact;
use super::section::{Field, Section};
use super::template::{Scope, Template};
use super::{AccessShape, CookieSpec, Encoding, OriginRule, RefreshTransport, SameSite, Transport};
use crate::quoted::quoted;

/// The most that a profile may ask of a password, in characters.
const MAX_LEAST_PASSWORD_CHARS: u16 = 64;

/// The most by which an access token's life may be shortened at random.
const MAX_JITTER_PERCENT: u8 = 50;

/// The settings that a foreign environment name may stand for.
pub const SETTINGS: &[&str] = &[
    "access-ttl",
    "idle-timeout",
    "absolute-lifetime",
    "reuse-interval",
    "signing-algorithm",
    "hs256-secret",
    "audience",
    "public-url",
    "listen",
    "database-url",
    "data-dir",
    "secure-cookies",
    "cors-origins",
];

/// Those of them that are spans of time: a bare number needs a unit, as `access-ttl:minutes`.
const SPANS: &[&str] = &["access-ttl", "idle-timeout", "absolute-lifetime", "reuse-interval"];

/// Those of them that are on or off: another system's word for on follows, as in `secure-cookies:production`.
const SWITCHES: &[&str] = &["secure-cookies"];

const UNITS: &[&str] = &["seconds", "minutes", "hours", "days"];

/// Reads `lifetimes`, `ratchet` and `access_token.jitter_percent`.
///
/// # Errors
/// A value is out of its range, or the lifetimes do not grow from access to refresh to absolute.
pub(super) fn policy(profile: &Section<'_>) -> Result<Policy, ProfileError> {
    let mut policy = Policy::default();
    if let Some(field) = profile.get("lifetimes") {
        let section = field.section(&["access", "refresh", "absolute"])?;
        set(&mut policy.access_ttl, &section, "access", lifetime)?;
        set(&mut policy.idle_timeout, &section, "refresh", lifetime)?;
        set(&mut policy.absolute_lifetime, &section, "absolute", lifetime)?;
        if policy.access_ttl > policy.idle_timeout {
            let hint = "access is the shorter one";
            return Err(field.error("an access token would outlive the refresh token").hint(hint));
        }
        if policy.idle_timeout > policy.absolute_lifetime {
            let place = section.get("absolute");
            let unless = if place.is_some() { "" } else { " unless set" };
            let what = format!(
                "a refresh token would outlive its session, whose absolute lifetime is {}{unless}",
                spell(policy.absolute_lifetime)
            );
            let hint = format!("set lifetimes.absolute to {:?} or more", spell(policy.idle_timeout));
            return Err(place.unwrap_or(field).error(what).hint(hint));
        }
    }
    if let Some(field) = profile.get("ratchet") {
        let known = ["reuse_interval", "retry", "ahead", "lockstep", "journal_rotations"];
        let section = field.section(&known)?;
        set(&mut policy.reuse_interval, &section, "reuse_interval", reuse_interval)?;
        let retries = [("answer", Retry::Answer), ("refuse", Retry::Refuse)];
        set(&mut policy.retry, &section, "retry", |field| field.one_of(&retries))?;
        // `ahead = "adopt"` is an older word for the first, and stays right: nobody's profile is wrong for it.
        let aheads =
            [("fast_forward", Ahead::FastForward), ("refuse", Ahead::Refuse), ("adopt", Ahead::FastForward)];
        set(&mut policy.ahead, &section, "ahead", |field| field.one_of(&aheads))?;
        let locksteps = [("alert", Lockstep::Alert), ("end", Lockstep::End)];
        set(&mut policy.lockstep, &section, "lockstep", |field| field.one_of(&locksteps))?;
        set(&mut policy.journal_rotations, &section, "journal_rotations", Field::flag)?;
    }
    if let Some(section) = access_token(profile)? {
        let jitter = |field: &Field<'_>| field.number(0..=MAX_JITTER_PERCENT);
        set(&mut policy.access_jitter_percent, &section, "jitter_percent", jitter)?;
    }
    Ok(policy)
}

/// Reads `access_token`: what access tokens say.
///
/// # Errors
/// A claim is one of our own, or tells what is not the account's.
pub(super) fn access(profile: &Section<'_>) -> Result<AccessShape, ProfileError> {
    let mut shape = AccessShape::default();
    let Some(section) = access_token(profile)? else { return Ok(shape) };
    let subjects = [
        ("id", Subject::Id),
        ("external", Subject::External),
        ("username", Subject::Username),
        ("email", Subject::Email),
    ];
    set(&mut shape.subject, &section, "subject", |field| field.one_of(&subjects))?;
    let mut has_audience = true;
    set(&mut has_audience, &section, "audience", Field::flag)?;
    shape.has_no_audience = !has_audience;
    if let Some(field) = section.get("claims") {
        shape.claims = claims(&field)?;
    }
    Ok(shape)
}

fn claims(field: &Field<'_>) -> Result<Template, ProfileError> {
    for (claim, field) in field.open_section()?.fields() {
        if RESERVED_CLAIMS.contains(&claim) {
            let hint = "choose another name";
            return Err(field.error(format!("the claim {claim:?} is always set by the server")).hint(hint));
        }
    }
    Template::parse(field, Scope { anywhere: Fact::ACCOUNT, each: &[] })
}

/// Reads `refresh_token`: how it is written and how it travels.
///
/// # Errors
/// What it says does not fit together.
pub(super) fn refresh_token(profile: &Section<'_>) -> Result<(Encoding, RefreshTransport), ProfileError> {
    let Some(field) = profile.get("refresh_token") else {
        let body = Some("refresh_token".to_owned());
        return Ok((
            Encoding::Opaque,
            RefreshTransport { body, cookie: None, transport: Transport::Body, takes_imported_tokens: false },
        ));
    };
    let section = field.section(&["encoding", "body", "cookie", "transport", "imported_tokens"])?;
    let mut encoding = Encoding::Opaque;
    let encodings = [("opaque", Encoding::Opaque), ("jwt", Encoding::Jwt)];
    set(&mut encoding, &section, "encoding", |field| field.one_of(&encodings))?;
    let cookie = section.get("cookie").map(|field| cookie(&field)).transpose()?;
    let mut body = cookie.is_none().then(|| "refresh_token".to_owned());
    set(&mut body, &section, "body", |field| field_name(field).map(Some))?;
    let mut transport = match (&body, &cookie) {
        (_, None) => Transport::Body,
        (None, Some(_)) => Transport::Cookie,
        (Some(_), Some(_)) => Transport::Both,
    };
    let transports = [
        ("body", Transport::Body),
        ("cookie", Transport::Cookie),
        ("both", Transport::Both),
        ("asked", Transport::Asked),
    ];
    set(&mut transport, &section, "transport", |field| field.one_of(&transports))?;
    if transport != Transport::Body && cookie.is_none() {
        let hint = "add refresh_token.cookie with a name";
        return Err(section.error("this transport needs a cookie").hint(hint));
    }
    if transport != Transport::Cookie && body.is_none() {
        let hint = "add refresh_token.body, the name of the field";
        return Err(section.error("this transport needs a body field").hint(hint));
    }
    if transport == Transport::Body && cookie.is_some() {
        let hint = "leave the cookie out, or set transport to \"both\"";
        return Err(section.error("the cookie would never be set").hint(hint));
    }
    let mut takes_imported_tokens = false;
    set(&mut takes_imported_tokens, &section, "imported_tokens", Field::flag)?;
    Ok((encoding, RefreshTransport { body, cookie, transport, takes_imported_tokens }))
}

/// Reads `password`: how long one must be that is chosen with the profile.
///
/// # Errors
/// It asks for less than is safe, or for more of who has a second factor.
pub(super) fn password(profile: &Section<'_>) -> Result<PasswordLength, ProfileError> {
    let mut length = PasswordLength::default();
    let Some(field) = profile.get("password") else { return Ok(length) };
    let section = field.section(&["min", "min_with_factor"])?;
    let number = |field: &Field<'_>| field.number(MIN_PASSWORD_CHARS..=MAX_LEAST_PASSWORD_CHARS);
    set(&mut length.alone, &section, "min", number)?;
    length.with_factor = length.alone;
    set(&mut length.with_factor, &section, "min_with_factor", number)?;
    if length.with_factor > length.alone {
        let hint = "a second factor makes up for a shorter password; leave min_with_factor out, or make it less than min";
        return Err(section.error("who has a second factor would need a longer password").hint(hint));
    }
    Ok(length)
}

/// Reads `[environment]`: foreign names and the settings they stand for.
///
/// # Errors
/// There is no such setting.
pub(super) fn environment(profile: &Section<'_>) -> Result<Vec<(String, String)>, ProfileError> {
    let Some(field) = profile.get("environment") else {
        return Ok(Vec::new());
    };
    let pair = |(name, field): (&str, Field<'_>)| {
        let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if name.is_empty() || !is_name {
            let hint = "it has letters, digits and underscores";
            return Err(field.error(format!("{} is not the name of a variable", quoted(name))).hint(hint));
        }
        Ok((name.to_owned(), setting(&field)?.to_owned()))
    };
    field.open_section()?.fields().into_iter().map(pair).collect()
}

/// `access-ttl`, or `access-ttl:minutes` for a variable that holds a bare number.
fn setting<'a>(field: &Field<'a>) -> Result<&'a str, ProfileError> {
    let text = field.text()?;
    let (setting, unit) = text.split_once(':').map_or((text, None), |(setting, unit)| (setting, Some(unit)));
    if !SETTINGS.contains(&setting) {
        let what = format!("there is no setting {} for a variable to stand for", quoted(setting));
        return Err(field.error(what).hint(suggest(setting, SETTINGS)));
    }
    match unit {
        None => Ok(text),
        Some("") if SWITCHES.contains(&setting) => {
            let hint = format!("as \"{setting}:production\"");
            Err(field.error(format!("after {setting}: stands the word that turns it on")).hint(hint))
        }
        Some(_) if SWITCHES.contains(&setting) => Ok(text),
        Some(_) if !SPANS.contains(&setting) => Err(field.error(format!("{setting} has no unit"))),
        Some(unit) if UNITS.contains(&unit) => Ok(text),
        Some(unit) => Err(field.error(format!("{} is not a unit", quoted(unit))).hint(suggest(unit, UNITS))),
    }
}

fn cookie(field: &Field<'_>) -> Result<CookieSpec, ProfileError> {
    let section = field.section(&["name", "path", "former_path", "same_site", "secure", "origin"])?;
    let name = section.require("name")?;
    let mut cookie = CookieSpec {
        file: field.file().to_owned(),
        line: field.line(),
        name: cookie_name(&name)?,
        path: "/".to_owned(),
        former_path: None,
        same_site: SameSite::Strict,
        secure: true,
        origin: OriginRule::Required,
    };
    set(&mut cookie.path, &section, "path", cookie_path)?;
    set(&mut cookie.former_path, &section, "former_path", |field| cookie_path(field).map(Some))?;
    if cookie.former_path.as_ref() == Some(&cookie.path) {
        let hint = "leave former_path out: a cookie of the same path is overwritten";
        return Err(section.error("the former path is the path").hint(hint));
    }
    let sites = [("strict", SameSite::Strict), ("lax", SameSite::Lax), ("none", SameSite::None)];
    set(&mut cookie.same_site, &section, "same_site", |field| field.one_of(&sites))?;
    set(&mut cookie.secure, &section, "secure", Field::flag)?;
    let origins = [("required", OriginRule::Required), ("if_sent", OriginRule::IfSent)];
    set(&mut cookie.origin, &section, "origin", |field| field.one_of(&origins))?;
    let wants_secure = ["__Host-", "__Secure-"].iter().any(|prefix| cookie.name.starts_with(prefix));
    if wants_secure && !cookie.secure {
        let hint = "leave secure out, or choose another name";
        return Err(section.error("browsers refuse a cookie of this name unless it is secure").hint(hint));
    }
    if cookie.name.starts_with("__Host-") && cookie.path != "/" {
        let hint = "leave path out, or choose another name";
        return Err(section.error("browsers refuse a __Host- cookie unless its path is \"/\"").hint(hint));
    }
    if cookie.same_site == SameSite::None && !cookie.secure {
        let hint = "leave secure out";
        return Err(section.error("browsers refuse same_site = \"none\" unless it is secure").hint(hint));
    }
    Ok(cookie)
}

/// RFC 6265 section 4.1.1 takes a token of RFC 9110 section 5.6.2.
fn cookie_name(field: &Field<'_>) -> Result<String, ProfileError> {
    let name = field.text()?;
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_token) {
        let hint = "it has 1 to 64 letters, digits, dashes and underscores";
        return Err(field.error(format!("{} is not the name of a cookie", quoted(name))).hint(hint));
    }
    Ok(name.to_owned())
}

fn cookie_path(field: &Field<'_>) -> Result<String, ProfileError> {
    let path = field.text()?;
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b';' && byte != b',');
    if !path.starts_with('/') || path.len() > 200 || !is_plain {
        let hint = "it begins with a slash, as \"/api/auth\"";
        return Err(field.error(format!("{} is not the path of a cookie", quoted(path))).hint(hint));
    }
    Ok(path.to_owned())
}

fn field_name(field: &Field<'_>) -> Result<String, ProfileError> {
    match field.text()? {
        "" => Err(field.error("a field needs a name")),
        name => Ok(name.to_owned()),
    }
}

fn access_token<'a>(profile: &Section<'a>) -> Result<Option<Section<'a>>, ProfileError> {
    profile
        .get("access_token")
        .map(|field| field.section(&["jitter_percent", "claims", "subject", "audience"]))
        .transpose()
}

fn lifetime(field: &Field<'_>) -> Result<Duration, ProfileError> {
    let duration = field.duration()?;
    if duration.is_zero() {
        return Err(field.error("a lifetime cannot be zero").hint("write one such as \"15m\""));
    }
    Ok(duration)
}

fn reuse_interval(field: &Field<'_>) -> Result<Duration, ProfileError> {
    let interval = field.duration()?;
    if interval > MAX_REUSE_INTERVAL {
        let what = format!("the reuse interval is at most {} s", MAX_REUSE_INTERVAL.as_secs());
        return Err(field.error(what).hint("30s covers lost answers and tabs that wake together"));
    }
    Ok(interval)
}

/// Puts what the profile says under `key` into `slot`; a key that is not there leaves the default.
fn set<'a, T>(
    slot: &mut T,
    section: &Section<'a>,
    key: &str,
    read: impl FnOnce(&Field<'a>) -> Result<T, ProfileError>,
) -> Result<(), ProfileError> {
    if let Some(field) = section.get(key) {
        *slot = read(&field)?;
    }
    Ok(())
}
