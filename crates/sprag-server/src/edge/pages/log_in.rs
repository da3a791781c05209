//! The page that logs in: where the profile that asked has a cookie for its sessions, and its links work on any device. Elsewhere
//! the page shows the code, for the browser that asked.

use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;
use hyper::StatusCode;
use hyper::header::SET_COOKIE;
use hyper::http::request::Parts;
use sprag::authn::Shown as DeviceShown;
use sprag::engine::{FactorProof, FactorRequest, LoggedIn, LoginByMail, OpenRequest, Requester};
use sprag::error::refusals::PLACE_REFUSED;
use sprag::{Error, Refusal};

use super::{Form, Sent, Shared, Shown};
use crate::edge::app::App;
use crate::edge::fences::{LOGIN, keep_out};
use crate::edge::response::bodiless;
use crate::edge::{cookie, devices, instance, remembered, request, transport};
use crate::profile::{CookieSpec, Profile, Transport};

/// The profile whose session the page opens, if it does.
pub(super) fn opens_session(shared: &Shared, how: LoginByMail) -> Option<&Profile> {
    let profile = shared.profiles.iter().find(|profile| profile.client.id == how.profile)?;
    let travels = profile.wire.refresh.transport != Transport::Body && profile.wire.refresh.cookie.is_some();
    (travels && how.works_anywhere).then_some(profile)
}

/// Opens the session of a link, or of a log-in that waited for a second factor, and gives what the page says with the cookies that
/// go with it. Where the account has a second factor, the page asks for its code first.
pub(super) async fn log_in(
    shared: &Shared,
    sent: &Sent<'_>,
    parts: &Parts,
    mut requester: Requester,
) -> Result<(Shown, Response), Error> {
    let (app, engine) = (&shared.app, &shared.app.engine);
    let (profile, address) = if sent.code.is_empty() {
        let link = engine.letters().login_link(sent.token).await?;
        let profile = opens_session(shared, link.how).ok_or(Refusal::LinkInvalid)?;
        if link.wants_enrolment(&app.policy_of(profile)) {
            // Nothing is spent: the code of the same letter leads on in the browser that asked.
            return Err(Refusal::EnrolmentRequired.into());
        }
        (profile, link.address)
    } else {
        let of = engine.profile_of_waiting(sent.token).await?;
        let how = LoginByMail { profile: of, works_anywhere: true };
        (opens_session(shared, how).ok_or(Refusal::LinkInvalid)?, String::new())
    };
    let spec = profile.wire.refresh.cookie.as_ref().ok_or(Refusal::LinkInvalid)?;
    if let Some(shown) = kept_out(app, profile, spec, parts)? {
        return Ok((shown, bodiless(StatusCode::FORBIDDEN)));
    }
    let mut response = bodiless(StatusCode::OK);
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
    let client = app.policy_of(profile);
    let remembered = remembered::shown(Some(spec), &parts.headers, None);
    let open = OpenRequest {
        remembers_device: app.knows_devices,
        remembered: &remembered,
        ..OpenRequest::default()
    };
    let pair = if sent.code.is_empty() {
        let somebody = engine.authn().link(&shown, client.profile, (sent.token, None), &requester).await?;
        match engine.log_in(&client, somebody, open, &requester).await? {
            LoggedIn::Opened(pair) => *pair,
            LoggedIn::Waits(waits) if waits.is_enrolment => return Err(Refusal::EnrolmentRequired.into()),
            LoggedIn::Waits(waits) => {
                let form = Form::of_code(waits.token.as_str());
                return Ok((Shown::saying("page_code_factor", address).asking(form), response));
            }
        }
    } else {
        let request = FactorRequest { token: sent.token, proof: FactorProof::Code(sent.code), open };
        engine.log_in_with_factor(&client, request, &shown, &requester).await?
    };
    cookie::set(&mut response, spec, &pair);
    if let Some(own) = &pair.device {
        devices::set(app, Some(spec), &parts.headers, (own, &shown), &mut response);
    }
    Ok((Shown::saying("page_code_done", address), response))
}

/// What is said to whoever may not log in from where they are. Another site, which could log a visitor in as somebody else, is
/// refused.
fn kept_out(
    app: &App,
    profile: &Profile,
    spec: &CookieSpec,
    parts: &Parts,
) -> Result<Option<Shown>, Refusal> {
    if transport::require_own_site(spec, app, &parts.headers).is_err() {
        return Err(Refusal::LinkInvalid);
    }
    if !keep_out(app, LOGIN, &profile.fences.login, request::address(parts, &app.proxies)) {
        return Ok(None);
    }
    app.metrics.login_failed(PLACE_REFUSED.name);
    Ok(Some(Shown { status: StatusCode::FORBIDDEN, ..Shown::saying("page_place_refused", "") }))
}

/// The page, with the cookies of its session.
pub(super) fn with_cookies(mut page: Response, session: &Response) -> Response {
    for cookie in session.headers().get_all(SET_COOKIE) {
        page.headers_mut().append(SET_COOKIE, cookie.clone());
    }
    page
}
