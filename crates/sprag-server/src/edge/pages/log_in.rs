//! The page that logs in: where the profile that asked has a cookie for its sessions, and its links work on any device. Elsewhere
//! the page shows the code, for the browser that asked.

use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;
use hyper::header::SET_COOKIE;
use hyper::http::request::Parts;
use sprag::authn::Shown as DeviceShown;
use sprag::engine::{LoginByMail, OpenRequest, Requester};
use sprag::error::refusals::PLACE_REFUSED;
use sprag::{Error, Refusal};

use super::{Sent, Shared, Shown};
use crate::edge::fences::{LOGIN, keep_out};
use crate::edge::response::bodiless;
use crate::edge::{cookie, devices, instance, request, transport};
use crate::profile::{Profile, Transport};

/// The profile whose session the page opens, if it does.
pub(super) fn opens_session(shared: &Shared, how: LoginByMail) -> Option<&Profile> {
    let profile = shared.profiles.iter().find(|profile| profile.client.id == how.profile)?;
    let travels = profile.wire.refresh.transport != Transport::Body && profile.wire.refresh.cookie.is_some();
    (travels && how.works_anywhere).then_some(profile)
}

/// Opens the session of a link, and gives what the page says with the cookies that go with it.
pub(super) async fn log_in(
    shared: &Shared,
    sent: &Sent<'_>,
    parts: &Parts,
    mut requester: Requester,
) -> Result<(Shown, Response), Error> {
    let (app, engine) = (&shared.app, &shared.app.engine);
    let link = engine.letters().login_link(sent.token).await?;
    let profile = opens_session(shared, link.how).ok_or(Refusal::LinkInvalid)?;
    let spec = profile.wire.refresh.cookie.as_ref().ok_or(Refusal::LinkInvalid)?;
    // Another site could log a visitor in as somebody else.
    if transport::require_own_site(spec, app, &parts.headers).is_err() {
        return Err(Refusal::LinkInvalid.into());
    }
    if keep_out(app, LOGIN, &profile.fences.login, request::address(parts, &app.proxies)) {
        app.metrics.login_failed(PLACE_REFUSED.name);
        let status = hyper::StatusCode::FORBIDDEN;
        let shown = Shown { status, ..Shown::saying("page_place_refused", "") };
        return Ok((shown, bodiless(status)));
    }
    let mut response = bodiless(hyper::StatusCode::OK);
    if let Some(name) = cookie::device_cookie(&profile.wire.refresh) {
        let brought = cookie::cookies(&parts.headers, &name).next().map(std::borrow::Cow::into_owned);
        let mark = brought.clone().unwrap_or_else(|| BASE64URL_NOPAD.encode(&engine.random::<16>()));
        requester.instance = instance::marked(&mark);
        if brought.is_none() {
            cookie::mark_device(&mut response, spec, &name, &mark);
        }
    }
    let shown =
        DeviceShown { devices: devices::shown(app, Some(spec), &parts.headers), ..DeviceShown::default() };
    let client = profile.client_policy();
    let somebody = engine.authn().link(&shown, client.profile, (sent.token, None)).await?;
    let request = OpenRequest { remembers_device: app.knows_devices, ..OpenRequest::default() };
    let pair = engine.open_session(&client, somebody, request, &requester).await?;
    cookie::set(&mut response, spec, &pair);
    if let Some(own) = &pair.device {
        devices::set(app, Some(spec), &parts.headers, (own, &shown), &mut response);
    }
    Ok((Shown::saying("page_code_done", link.address), response))
}

/// The page, with the cookies of its session.
pub(super) fn with_cookies(mut page: Response, session: &Response) -> Response {
    for cookie in session.headers().get_all(SET_COOKIE) {
        page.headers_mut().append(SET_COOKIE, cookie.clone());
    }
    page
}
