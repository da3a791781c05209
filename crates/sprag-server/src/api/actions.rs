//! What the other routes do: log in and out, show and end sessions, make accounts, change passwords.

use axum::response::Response;
use hyper::http::request::Parts;
use serde_json::Map;
use sprag::engine::{Caller, NewUser, OpenRequest, Requester};
use sprag::session::{EndCause, SessionId, SessionKey};
use sprag::{Error, Refusal};

use crate::edge::cookie::{self, By, Carried};
use crate::edge::refusal::Problem;
use crate::edge::request;
use crate::edge::request::Received;
use crate::edge::response::{shaped, token_pair};
use crate::http::RouteContext;
use crate::profile::{Facts, Input, Inputs, Registration, SessionFacts, Transport};

/// How much of a device's label is remembered, in bytes.
const MAX_DEVICE_BYTES: usize = 200;

pub(crate) async fn login(
    context: &RouteContext,
    parts: &Parts,
    body: Received,
) -> Result<Response, Problem> {
    let fields = request::fields(parts, body)?;
    let inputs = context.inputs(&fields)?;
    let requester = context.requester(parts)?;
    let name = one_of(&inputs, &[Input::Name, Input::Username, Input::Email])
        .ok_or_else(|| context.missing(&[Input::Name, Input::Username, Input::Email]))?;
    let password = inputs.get(Input::Password).ok_or_else(|| context.missing(&[Input::Password]))?;
    let device = device(&inputs);

    let by = way_asked_for(context, parts, &inputs)?;
    // Cookies of two sessions say nothing of which one to replace; they must not keep anybody from logging in.
    let carried = if by == By::Cookie { context.cookie_token(parts).await.unwrap_or_default() } else { None };
    let request = OpenRequest {
        device: device.as_deref(),
        superseded: carried.as_ref().map(|carried| carried.text.as_str()),
    };
    let engine = &context.app.engine;
    let somebody = engine.authn().password(name, password, &requester).await;
    let somebody = somebody.map_err(|error| context.naming(Input::Password, error))?;
    let pair = engine.open_session(&context.served.client, somebody, request, &requester).await?;
    let account = context.account_if_told(pair.account).await?;
    let mut response = token_pair(context, &pair, context.ways(by), account.as_ref());
    mark_device(context, parts, by, &mut response);
    Ok(response)
}

pub(crate) async fn register(
    context: &RouteContext,
    parts: &Parts,
    body: Received,
) -> Result<Response, Problem> {
    if context.served.profile.registration == Registration::Admin {
        context.admin(parts).await?;
    }
    let fields = request::fields(parts, body)?;
    let inputs = context.inputs(&fields)?;
    let requester = context.requester(parts)?;
    let password = inputs.get(Input::Password).ok_or_else(|| context.missing(&[Input::Password]))?;
    let (username, email) = (inputs.get(Input::Username), inputs.get(Input::Email));
    let (username, email) = match inputs.get(Input::Name) {
        Some(name) if name.contains('@') => (username, email.or(Some(name))),
        Some(name) => (username.or(Some(name)), email),
        None => (username, email),
    };
    // Whatever may be refused is refused before there is an account.
    let by = if context.route.gives_pair() { Some(way_asked_for(context, parts, &inputs)?) } else { None };
    let device = device(&inputs);
    let user = NewUser {
        username,
        email,
        password: Some(password),
        is_admin: false,
        external_id: None,
        name: inputs.get(Input::FullName),
        given_name: inputs.get(Input::GivenName),
        family_name: inputs.get(Input::FamilyName),
    };
    let engine = &context.app.engine;
    let Some(by) = by else {
        let account = engine.accounts().create(user, &requester).await;
        let account = account.map_err(|error| context.naming_names(&user, error))?;
        return Ok(shaped(context, &Facts { account: Some(&account), ..Facts::default() }));
    };
    let somebody = engine.accounts().sign_up(user, &requester).await;
    let somebody = somebody.map_err(|error| context.naming_names(&user, error))?;
    let account = somebody.account().clone();
    let request = OpenRequest { device: device.as_deref(), superseded: None };
    let pair = engine.open_session(&context.served.client, somebody, request, &requester).await?;
    let mut response = token_pair(context, &pair, context.ways(by), Some(&account));
    mark_device(context, parts, by, &mut response);
    Ok(response)
}

/// Ends the session of a refresh token; at a log-out where none came, of the access token.
///
/// The cookie is cleared only where it came, or an access token did: another site can do neither, and a form that it
/// posts here must not sign the visitor out.
pub(crate) async fn logout(
    context: &RouteContext,
    parts: &Parts,
    body: Received,
    cause: EndCause,
) -> Result<Response, Problem> {
    let fields = request::fields(parts, body)?;
    let inputs = context.inputs(&fields)?;
    let requester = context.requester(parts)?;
    let engine = &context.app.engine;
    let is_revocation = cause == EndCause::Revoked;
    let carried = match (context.refresh_token(parts, &inputs).await, inputs.get(Input::RefreshToken)) {
        // Somebody may revoke another session than the one that their browser's cookie is of.
        (Err(Problem::Invalid(_)), Some(named)) if is_revocation => Some(Carried::new(named, By::Body)),
        (carried, _) => carried?,
    };
    let is_ours = match carried {
        Some(carried) => {
            engine.log_out(&context.served.client, &carried.text, cause, &requester).await?;
            carried.by == By::Cookie
        }
        None if !is_revocation && request::bearer(&parts.headers).is_some() => {
            end_session_of_caller(context, parts, cause, &requester).await?;
            true
        }
        None => return Err(Refusal::TokenMissing.into()),
    };
    let response = shaped(context, &Facts::default());
    Ok(if is_ours { cleared(context, response) } else { response })
}

/// A session that has ended already, or that somebody else ends at this moment, is what was asked for.
async fn end_session_of_caller(
    context: &RouteContext,
    parts: &Parts,
    cause: EndCause,
    requester: &Requester,
) -> Result<(), Problem> {
    let caller = match context.caller(parts).await {
        Ok(caller) => caller,
        Err(Problem::Engine(Error::Refused(Refusal::SessionEnded(_)))) => return Ok(()),
        Err(problem) => return Err(problem),
    };
    match context.app.engine.sessions().end(caller.key, cause, requester).await {
        Ok(()) | Err(Error::Refused(Refusal::SessionUnknown)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Ends every session of the account. Where the access token says no longer whose it is, the cookie beside it does:
/// whoever presses "log out" must not stay in because their access token is too old.
pub(crate) async fn logout_all(context: &RouteContext, parts: &Parts) -> Result<Response, Problem> {
    let requester = context.requester(parts)?;
    match context.caller(parts).await {
        Ok(caller) => drop(context.app.engine.sessions().log_out_everywhere(&caller, &requester).await?),
        Err(problem)
            if problem.is_about_token() && has_cookie_to_leave_by(context, parts, &requester).await? => {}
        Err(problem) => return Err(problem),
    }
    Ok(cleared(context, shaped(context, &Facts::default())))
}

/// Whether there is a cookie whose account has been logged out everywhere by now.
async fn has_cookie_to_leave_by(
    context: &RouteContext,
    parts: &Parts,
    requester: &Requester,
) -> Result<bool, Problem> {
    let Some(carried) = context.refresh_token(parts, &Inputs::default()).await? else { return Ok(false) };
    let (engine, client) = (&context.app.engine, &context.served.client);
    // Where the access token still says whose it was, the cookie must be theirs.
    let of = request::bearer(&parts.headers).and_then(|bearer| engine.tokens().account_named(client, bearer));
    Ok(engine.sessions().log_out_everywhere_with(client, &carried.text, of, requester).await?)
}

pub(crate) async fn me(context: &RouteContext, parts: &Parts) -> Result<Response, Problem> {
    let caller = context.caller(parts).await?;
    let account = context.app.engine.accounts().get(caller.key.account).await?;
    let facts = Facts { account: Some(&account), session_id: Some(caller.key.session), ..Facts::default() };
    Ok(shaped(context, &facts))
}

pub(crate) async fn sessions(context: &RouteContext, parts: &Parts) -> Result<Response, Problem> {
    let caller = context.caller(parts).await?;
    let listed = context.app.engine.sessions().of(caller.key.account).await?;
    let sessions: Vec<_> = listed
        .iter()
        .map(|listed| SessionFacts {
            session: &listed.session,
            detail: &listed.detail,
            is_current: listed.session.key == caller.key,
        })
        .collect();
    let (session_id, account_id) = (Some(caller.key.session), Some(caller.key.account));
    Ok(shaped(context, &Facts { sessions: &sessions, session_id, account_id, ..Facts::default() }))
}

/// Ends the session that the path names, or the body where the profile has its id there.
pub(crate) async fn end_session(
    context: &RouteContext,
    parts: &Parts,
    id: Option<&str>,
    body: Received,
) -> Result<Response, Problem> {
    let caller = context.caller(parts).await?;
    let is_in_body = context.route.takes.takes(Input::SessionId);
    let fields = if is_in_body { request::fields(parts, body)? } else { Map::new() };
    let id = context.inputs(&fields)?.get(Input::SessionId).or(id);
    let session: SessionId = id.and_then(|id| id.parse().ok()).ok_or(Refusal::SessionUnknown)?;
    let key = SessionKey { account: caller.key.account, session };
    context.app.engine.sessions().end(key, EndCause::Revoked, &context.requester(parts)?).await?;
    Ok(shaped(context, &Facts { session_id: Some(session), ..Facts::default() }))
}

/// What happened to a session, told to an administrator. Nobody is told of the session they ask with: whoever holds a
/// copy of its tokens could read when the other one refreshes.
pub(crate) async fn explain(context: &RouteContext, parts: &Parts, id: &str) -> Result<Response, Problem> {
    let caller = context.admin(parts).await?;
    let id: SessionId = id.parse().map_err(|_| Problem::NoSuchSession)?;
    if id == caller.key.session {
        return Err(Problem::OwnSession);
    }
    let explained = context.app.engine.sessions().explain(id).await?.ok_or(Problem::NoSuchSession)?;
    let (session, detail) = (&explained.session, &explained.detail);
    Ok(shaped(
        context,
        &Facts {
            session_id: Some(id),
            account_id: Some(session.key.account),
            session: Some(SessionFacts { session, detail, is_current: false }),
            events: &explained.events,
            ..Facts::default()
        },
    ))
}

pub(crate) async fn password(
    context: &RouteContext,
    parts: &Parts,
    body: Received,
) -> Result<Response, Problem> {
    let caller: Caller = context.caller(parts).await?;
    let fields = request::fields(parts, body)?;
    let inputs = context.inputs(&fields)?;
    let requester: Requester = context.requester(parts)?;
    let current =
        inputs.get(Input::CurrentPassword).ok_or_else(|| context.missing(&[Input::CurrentPassword]))?;
    let new = inputs.get(Input::NewPassword).ok_or_else(|| context.missing(&[Input::NewPassword]))?;
    let carried = context.refresh_token(parts, &inputs).await?;
    let by = carried.as_ref().map_or(By::Body, |carried| carried.by);
    let refresh_token = carried.as_ref().map(|carried| carried.text.as_str());
    let engine = &context.app.engine;
    let passwords = (current, new);
    let pair = engine
        .accounts()
        .change_password(&context.served.client, &caller, passwords, refresh_token, &requester)
        .await;
    let pair = pair.map_err(|error| context.naming(Input::NewPassword, error))?;
    let account = context.account_if_told(pair.account).await?;
    Ok(token_pair(context, &pair, context.ways(by), account.as_ref()))
}

/// How the refresh token of a new session shall travel. An answer that sets a cookie must have been asked for by a
/// page of this site, or another site could log a visitor in as somebody else.
fn way_asked_for(context: &RouteContext, parts: &Parts, inputs: &Inputs<'_>) -> Result<By, Problem> {
    let transport = &context.served.profile.refresh;
    let by = match (transport.transport, inputs.get(Input::Transport)) {
        (Transport::Cookie | Transport::Both, _) | (Transport::Asked, Some("cookie")) => By::Cookie,
        (Transport::Body | Transport::Asked, _) => By::Body,
    };
    if let (By::Cookie, Some(cookie)) = (by, &transport.cookie) {
        cookie::require_own_site(cookie, &context.app, &parts.headers)?;
    }
    Ok(by)
}

fn mark_device(context: &RouteContext, parts: &Parts, by: By, response: &mut Response) {
    let (Some(cookie), Some(name)) = (&context.served.profile.refresh.cookie, &context.served.device_cookie)
    else {
        return;
    };
    if by == By::Cookie {
        cookie::clear_former(response, cookie);
    }
    let is_marked = request::cookies(&parts.headers, name).next().is_some();
    if by == By::Cookie && !is_marked {
        cookie::mark_device(response, cookie, name, context.app.engine.random());
    }
}

fn cleared(context: &RouteContext, mut response: Response) -> Response {
    if let Some(cookie) = &context.served.profile.refresh.cookie {
        cookie::clear(&mut response, cookie);
        cookie::clear_former(&mut response, cookie);
    }
    response
}

/// What people will read of the device. Clients send what their browser says of itself, however long that is.
fn device(inputs: &Inputs<'_>) -> Option<String> {
    inputs.get(Input::Device).map(|label| request::printable(label.as_bytes(), MAX_DEVICE_BYTES))
}

fn one_of<'a>(inputs: &Inputs<'a>, wanted: &[Input]) -> Option<&'a str> {
    wanted.iter().find_map(|input| inputs.get(*input))
}
