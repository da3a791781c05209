//! `logout`: ends the session of the refresh token that is presented.

use axum::response::Response;
use hyper::http::request::Parts;
use sprag::engine::{LogOutRequest, Requester};
use sprag::session::EndCause;
use sprag::{Error, Refusal};

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::edge::request;
use crate::edge::transport::{By, Carried};
use crate::profile::{Facts, Input, Needs, Spec, leaves_token_to_cookie};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::RefreshOrAccessToken,
    reads_cookie: true,
    takes: &[Input::RefreshToken],
    rules: &[leaves_token_to_cookie],
    reads_body: true,
    retry_id: Some(RETRY_ID),
    unavailable: "the service cannot answer just now, and the session may have ended or not; log out again \
                  in a second, with the same token",
    ..Spec::named("logout", "Log out: end the session of this refresh token")
};

/// What a retry id is good for where a refresh token is shown to end its session.
pub(super) const RETRY_ID: &str = "The retry id that the client has for its refresh token. Where the answer to that refresh was \
                                   lost, it shows that this is the token's holder: without it, later than the reuse interval, \
                                   the spent token would be told as stolen.";

pub(super) async fn run(context: &RouteContext, call: Call) -> Result<Response, Problem> {
    end_session_of_token(context, call, EndCause::Logout).await
}

/// Ends the session of a refresh token; at a log-out where none came, of the access token.
///
/// The cookie is cleared only where it came, or an access token did: another site can do neither, and a form that it
/// posts here must not sign the visitor out.
pub(super) async fn end_session_of_token(
    context: &RouteContext,
    mut call: Call,
    cause: EndCause,
) -> Result<Response, Problem> {
    let fields = call.fields()?;
    let parts = &call.parts;
    let in_body = context.inputs(&fields)?.get(Input::RefreshToken);
    let requester = context.requester(parts)?;
    let engine = &context.app.engine;
    let is_revocation = cause == EndCause::Revoked;
    let carried = match (context.refresh_token(parts, in_body).await, in_body) {
        // Somebody may revoke another session than the one that their browser's cookie is of.
        (Err(Problem::Invalid(_)), Some(named)) if is_revocation => Some(Carried::new(named, By::Body)),
        (carried, _) => carried?,
    };
    let is_ours = match carried {
        Some(carried) => {
            let retry_id = request::retry_id(&parts.headers)?;
            let request = LogOutRequest { token: &carried.text, retry_id, cause };
            engine.log_out(&context.served.client, request, &requester).await?;
            carried.by == By::Cookie
        }
        None if !is_revocation && request::bearer(&parts.headers).is_some() => {
            end_session_of_caller(context, parts, cause, &requester).await?;
            true
        }
        None => return Err(context.no_refresh_token(parts, &fields)),
    };
    let response = context.shaped(&Facts::default());
    Ok(if is_ours { context.cleared(response) } else { response })
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
