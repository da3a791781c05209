//! The cookie of devices that are not asked for a second factor for a while, since one was shown on them.
//!
//! It is one for all profiles, as accounts are. A device that several people share has an entry for each of them, the newest
//! first. A client that keeps no cookies keeps the text itself.

use axum::response::Response;
use hyper::header::HeaderMap;
use sprag::authn::DeviceText;

use super::cookie::{self, cookies};
use crate::profile::CookieSpec;

/// The accounts that a shared device is remembered for, at most.
const MOST: usize = 5;

const BETWEEN: char = '.';

/// What a request shows of it: in its body, and in the cookie.
pub(crate) fn shown(
    cookie: Option<&CookieSpec>,
    headers: &HeaderMap,
    in_body: Option<&str>,
) -> Vec<DeviceText> {
    let values = cookie.into_iter().flat_map(|cookie| cookies(headers, name(cookie.secure)));
    let texts = values.flat_map(|value| value.split(BETWEEN).map(DeviceText::shown).collect::<Vec<_>>());
    let in_body = in_body.map(DeviceText::shown).into_iter();
    in_body.chain(texts).filter(|text| !text.as_str().is_empty()).take(MOST).collect()
}

/// Has the browser keep what it was given, beside what others were given who use it.
pub(crate) fn set(cookie: &CookieSpec, own: &DeviceText, shown: &[DeviceText], response: &mut Response) {
    let others = shown.iter().map(DeviceText::as_str);
    let texts: Vec<&str> = std::iter::once(own.as_str()).chain(others).take(MOST).collect();
    cookie::keep(response, (name(cookie.secure), &texts.join(".")), cookie.secure, cookie.same_site);
}

/// Browsers keep a cookie of the first name only if it is secure, of this very host, and for all of its paths.
fn name(is_secure: bool) -> &'static str {
    if is_secure { "__Host-sprag_remembered" } else { "sprag_remembered" }
}
