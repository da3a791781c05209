//! The cookies that an answer sets and clears.

use axum::response::Response;
use hyper::header::{HeaderValue, SET_COOKIE};
use sprag::engine::{RefreshTokenText, TokenPair};

use crate::profile::{CookieSpec, RefreshTransport, SameSite};

/// How long a device cookie lasts: 400 days, the longest that browsers allow (RFC 6265bis section 4.1.2.2).
const DEVICE_COOKIE_SECONDS: i64 = 400 * 24 * 3600;

/// The name of the cookie that marks the device.
pub(crate) fn device_cookie(transport: &RefreshTransport) -> Option<String> {
    transport.cookie.as_ref().map(|cookie| format!("{}-device", cookie.name))
}

/// Puts a new refresh token into its cookie. One that stays as it is is not sent: an answer that was overtaken would
/// put back an older one.
pub(crate) fn set(response: &mut Response, cookie: &CookieSpec, pair: &TokenPair) {
    if let RefreshTokenText::New(token) = &pair.refresh {
        add(response, &written(cookie, &cookie.name, token.as_str(), pair.refresh_expires_in));
    }
}

/// Marks the device, so that its retries are known from another client's.
pub(crate) fn mark_device(response: &mut Response, cookie: &CookieSpec, name: &str, mark: &str) {
    add(response, &written(cookie, name, mark, DEVICE_COOKIE_SECONDS));
}

/// Clears the cookie, with the attributes it was set with. Only a log-out does so: a refusal that cleared it could
/// wipe the cookie of a newer log-in.
pub(crate) fn clear(response: &mut Response, cookie: &CookieSpec) {
    add(response, &written(cookie, &cookie.name, "", 0));
}

/// Clears the cookie of the system before, where it had another path: beside ours it would stay, and a browser that
/// somebody else logs in with would show two sessions. It goes first, for clients that tell cookies by name only.
pub(crate) fn clear_former(response: &mut Response, cookie: &CookieSpec) {
    let Some(path) = &cookie.former_path else { return };
    let former = CookieSpec { path: path.clone(), ..cookie.clone() };
    let others: Vec<HeaderValue> = response.headers().get_all(SET_COOKIE).iter().cloned().collect();
    response.headers_mut().remove(SET_COOKIE);
    add(response, &written(&former, &former.name, "", 0));
    for other in others {
        response.headers_mut().append(SET_COOKIE, other);
    }
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
