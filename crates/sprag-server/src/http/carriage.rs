//! How a refresh token travels: found in cookie or body, sent back the way the page asks.

use axum::response::Response;
use hyper::header::{HeaderMap, HeaderName, HeaderValue, ORIGIN, SET_COOKIE};
use sprag::Engine;
use sprag::engine::{Refresh, Terms, TokenPair};
use sprag::token::RefreshToken;

use super::App;
use super::refusal::Problem;
use super::request::cookies;
use crate::profile::{CookieSpec, OriginRule, RefreshTransport, SameSite, Transport};

/// How long a device cookie lasts: 400 days, the longest that browsers allow (RFC 6265bis section 4.1.2.2).
const DEVICE_COOKIE_SECONDS: i64 = 400 * 24 * 3600;

/// A refresh token as it came.
#[derive(Debug)]
pub(super) struct Carried {
    pub(super) text: String,
    pub(super) by: By,
}

/// The way a refresh token came, and by default goes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum By {
    Body,
    Cookie,
}

/// Finds the refresh token of a request.
///
/// A browser may send two cookies of one name, one of them planted by a neighbouring subdomain: only those whose tag
/// verifies count, and two sessions are one too many. Cookie and body together must be of one session, at most one
/// generation apart; the newer counts. Nothing changes where they are not.
pub(super) fn find(
    transport: &RefreshTransport,
    terms: &Terms,
    engine: &Engine,
    headers: &HeaderMap,
    body: Option<&str>,
) -> Result<Option<Carried>, Problem> {
    let Some(cookie) = &transport.cookie else { return Ok(body.map(|text| Carried::new(text, By::Body))) };
    let mut values: Vec<&str> = cookies(headers, &cookie.name).collect();
    values.dedup();
    let parse = |text: &str| engine.parse(terms, text, engine.now());
    let from_cookie = match values.as_slice() {
        [] => None,
        [only] => Some(*only),
        several => Some(the_genuine_one(several, parse)?),
    };
    match (from_cookie, body) {
        (None, None) => Ok(None),
        (None, Some(text)) => Ok(Some(Carried::new(text, By::Body))),
        (Some(text), None) => Ok(Some(Carried::new(text, By::Cookie))),
        (Some(cookie), Some(body)) if cookie == body => Ok(Some(Carried::new(cookie, By::Cookie))),
        (Some(cookie), Some(body)) => match (parse(cookie), parse(body)) {
            (Some(a), Some(b)) if a.key == b.key && a.generation.0.abs_diff(b.generation.0) <= 1 => {
                let newer = if a.generation >= b.generation { cookie } else { body };
                Ok(Some(Carried::new(newer, By::Cookie)))
            }
            _ => Err(Problem::invalid(
                "the cookie and the body carry refresh tokens of different sessions; send only one",
            )),
        },
    }
}

fn the_genuine_one<'a>(
    values: &[&'a str],
    parse: impl Fn(&str) -> Option<RefreshToken>,
) -> Result<&'a str, Problem> {
    let mut best: Option<(&str, RefreshToken)> = None;
    for value in values {
        let Some(token) = parse(value) else { continue };
        match &best {
            Some((_, known)) if known.key != token.key => {
                return Err(Problem::invalid(
                    "two cookies carry refresh tokens of different sessions; delete the cookies and log in again",
                ));
            }
            Some((_, known)) if known.generation >= token.generation => {}
            _ => best = Some((value, token)),
        }
    }
    // None is genuine: any of them gets the refusal it deserves.
    Ok(best.map_or(values[0], |(value, _)| value))
}

impl Carried {
    fn new(text: &str, by: By) -> Self {
        Self { text: text.to_owned(), by }
    }
}

/// Refuses a request that a browser sent from another site (cross-site request forgery).
///
/// `Sec-Fetch-Site` decides where there is one; otherwise `Origin` must be ours. Where there is neither, no browser
/// of today sent it: a page says whether that is enough. Sites that are named in the settings count as ours.
pub(super) fn require_own_site(cookie: &CookieSpec, app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let is_named = |origin: &str| app.other_origins.iter().any(|named| named == origin);
    let is_own = match (text(HeaderName::from_static("sec-fetch-site")), text(ORIGIN)) {
        (_, Some(origin)) if is_named(origin) => true,
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => origin == app.origin,
        (None, None) => !headers.contains_key(ORIGIN) && cookie.origin == OriginRule::IfSent,
    };
    if is_own { Ok(()) } else { Err(Problem::CrossSite) }
}

/// Whether an answer carries the refresh token in its cookie and in its body.
pub(super) fn ways(transport: &RefreshTransport, by: By) -> (bool, bool) {
    match (transport.transport, by) {
        (Transport::Body, _) | (Transport::Asked, By::Body) => (false, true),
        (Transport::Cookie, _) | (Transport::Asked, By::Cookie) => (true, false),
        (Transport::Both, _) => (true, true),
    }
}

/// The name of the cookie that marks the device.
pub(super) fn device_cookie(transport: &RefreshTransport) -> Option<String> {
    transport.cookie.as_ref().map(|cookie| format!("{}-device", cookie.name))
}

/// Puts a new refresh token into its cookie. One that stays as it is is not sent: an answer that was overtaken would
/// put back an older one.
pub(super) fn set(response: &mut Response, cookie: &CookieSpec, pair: &TokenPair) {
    if let Refresh::New(token) = &pair.refresh {
        add(response, &written(cookie, &cookie.name, token.as_str(), pair.refresh_expires_in));
    }
}

/// Marks the device, so that its retries are known from another client's.
pub(super) fn mark_device(response: &mut Response, cookie: &CookieSpec, name: &str, mark: [u8; 16]) {
    let mark = data_encoding::BASE64URL_NOPAD.encode(&mark);
    add(response, &written(cookie, name, &mark, DEVICE_COOKIE_SECONDS));
}

/// Clears the cookie, with the attributes it was set with. Only a log-out does so: a refusal that cleared it could
/// wipe the cookie of a newer log-in.
pub(super) fn clear(response: &mut Response, cookie: &CookieSpec) {
    add(response, &written(cookie, &cookie.name, "", 0));
}

fn written(cookie: &CookieSpec, name: &str, value: &str, max_age_seconds: i64) -> String {
    let secure = if cookie.secure { "; Secure" } else { "" };
    let (path, same_site) = (&cookie.path, same_site(cookie.same_site));
    format!("{name}={value}; Path={path}; Max-Age={max_age_seconds}{secure}; HttpOnly; SameSite={same_site}")
}

fn same_site(rule: SameSite) -> &'static str {
    match rule {
        SameSite::Strict => "Strict",
        SameSite::Lax => "Lax",
        SameSite::None => "None",
    }
}

fn add(response: &mut Response, cookie: &str) {
    let value = HeaderValue::from_str(cookie).expect("names, paths and tokens are visible ASCII");
    response.headers_mut().append(SET_COOKIE, value);
}
