//! Whether what a profile hands out has a way back: a refresh token that no call takes, or that a browser does not send
//! there, is one that reaches nobody.

use super::error::ProfileError;
use super::{Input, Needs, Profile, Route};
use crate::quoted::quoted;

/// Checks that the cookie reaches the calls that need it, and that there are such calls.
///
/// # Errors
/// One of them is out of the cookie's reach, or there is none.
pub(super) fn check(profile: &Profile) -> Result<(), ProfileError> {
    let wrong = |route: &Route, what, hint: String| {
        Err(ProfileError { file: route.file.clone(), line: route.line, what, hint: Some(hint) })
    };
    // What gives a new token sends it back in the cookie; anything else may do with a token in the body. What also goes
    // by an access token does without either.
    let mut takers = profile.wire.routes.iter().filter(|route| {
        let is_needed = route.action.needs() == Needs::RefreshToken;
        is_needed && (route.gives_pair() || !route.takes.takes(Input::RefreshToken))
    });
    if let Some(cookie) = &profile.wire.refresh.cookie
        && let Some(route) = takers.find(|route| !cookie.covers(&route.path))
    {
        let what = format!(
            "the cookie's path {} does not cover {}, so no browser would send the refresh token there",
            quoted(&cookie.path),
            quoted(&route.path)
        );
        return wrong(
            route,
            what,
            match &cookie.file {
                file if *file == route.file => {
                    format!("widen the path of refresh_token.cookie on line {}", cookie.line)
                }
                file => format!("widen the path of refresh_token.cookie at {file}:{}", cookie.line),
            },
        );
    }
    let mut routes = profile.wire.routes.iter();
    let giver = profile.wire.routes.iter().find(|route| route.opens_session());
    match giver.filter(|_| !routes.any(|route| route.action.needs_refresh_token())) {
        Some(giver) => {
            let what = format!("{} hands out a refresh token that no call takes", giver.action.name());
            wrong(giver, what, "add a [[route]] that does = \"refresh\"".to_owned())
        }
        None => Ok(()),
    }
}
