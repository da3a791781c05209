//! The cookie of known devices: what a browser or an app keeps of its log-ins, so that strangers who guess lock nobody out.
//!
//! It is one for all profiles, as accounts are, and says nothing of any session. A device that several people share has one
//! entry for each account, the newest first.

use axum::response::Response;
use hyper::header::{HeaderMap, HeaderName, ORIGIN};
use sprag::authn::{DeviceText, Shown};

use super::app::App;
use super::cookie::{self, cookies};
use crate::profile::{CookieSpec, SameSite};

/// The accounts that a shared device is known to, at most.
const MOST: usize = 5;

const BETWEEN: char = '.';

/// What a request shows of the device that it comes from.
pub(crate) fn shown(app: &App, profile: Option<&CookieSpec>, headers: &HeaderMap) -> Vec<DeviceText> {
    if !app.knows_devices {
        return Vec::new();
    }
    let values = cookies(headers, name(is_secure(app, profile)));
    let texts = values.flat_map(|value| value.split(BETWEEN).map(DeviceText::shown).collect::<Vec<_>>());
    texts.filter(|text| !text.as_str().is_empty()).take(MOST).collect()
}

/// Has the device keep what it is known by, beside what it is known by to others.
///
/// Not where another site has sent the request: it could make the device forget what it has.
pub(crate) fn set(
    app: &App,
    profile: Option<&CookieSpec>,
    headers: &HeaderMap,
    (own, shown): (&DeviceText, &Shown),
    response: &mut Response,
) {
    if is_from_elsewhere(app, headers) {
        return;
    }
    let others = shown.devices.iter().filter(|other| *other != own).map(DeviceText::as_str);
    let texts: Vec<&str> = std::iter::once(own.as_str()).chain(others).take(MOST).collect();
    let (is_secure, same_site) =
        (is_secure(app, profile), profile.map_or(SameSite::Lax, |cookie| cookie.same_site));
    cookie::keep(response, (name(is_secure), &texts.join(".")), is_secure, same_site);
}

/// Browsers keep a cookie of the first name only if it is secure, of this very host, and for all of its paths.
fn name(is_secure: bool) -> &'static str {
    if is_secure { "__Host-sprag_known" } else { "sprag_known" }
}

/// As the profile's own cookie; without one, as the public address.
fn is_secure(app: &App, profile: Option<&CookieSpec>) -> bool {
    profile.map_or_else(|| app.origin.starts_with("https://"), |cookie| cookie.secure)
}

fn is_from_elsewhere(app: &App, headers: &HeaderMap) -> bool {
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let is_named = text(ORIGIN).is_some_and(|origin| app.other_origins.iter().any(|named| named == origin));
    !is_named && text(HeaderName::from_static("sec-fetch-site")) == Some("cross-site")
}
