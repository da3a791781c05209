//! What a request must bring so that it is let in.

use serde_json::{Map, Value, json};

use super::names::cookie_scheme;
use crate::profile::{Input, Needs, Profile, Route};

/// Whether the route needs an access token.
pub(super) fn needs_bearer(profile: &Profile, route: &Route) -> bool {
    route.action.needs_access_token() || route.action.needs_admin(profile.client.registration)
}

/// Whether an access token does where no refresh token came.
pub(super) fn takes_bearer_instead(route: &Route) -> bool {
    route.action.needs() == Needs::RefreshOrAccessToken
}

/// Whether the refresh token of a request may come in a cookie.
pub(super) fn takes_cookie(profile: &Profile, route: &Route) -> bool {
    profile.wire.refresh.cookie.is_some() && route.action.reads_cookie()
}

/// Each way to be let in, an alternative to the others.
pub(super) fn security(profile: &Profile, route: &Route) -> Value {
    if route.action.needs() == Needs::AccessTokenOrEnrolment {
        return json!([{ "bearer": [] }, {}]);
    }
    if needs_bearer(profile, route) {
        return json!([{ "bearer": [] }]);
    }
    if !route.action.needs_refresh_token() {
        return json!([]);
    }
    let mut ways = Vec::new();
    if takes_cookie(profile, route) {
        let mut cookie = Map::new();
        cookie.insert(cookie_scheme(profile), json!([]));
        ways.push(cookie.into());
    }
    if takes_bearer_instead(route) {
        ways.push(json!({ "bearer": [] }));
    }
    if route.takes.takes(Input::RefreshToken) && !ways.is_empty() {
        ways.push(json!({}));
    }
    ways.into()
}
