//! `logout_all`: ends every session of the account.

use axum::response::Response;
use hyper::http::request::Parts;
use sprag::engine::{LogOutRequest, Requester};
use sprag::session::EndCause;

use super::context::{Call, RouteContext};
use super::logout::RETRY_ID;
use crate::edge::refusal::Problem;
use crate::edge::request;
use crate::profile::{Facts, Needs, Spec};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::AccessTokenOrCookie,
    reads_cookie: true,
    retry_id: Some(RETRY_ID),
    unavailable: "the service cannot answer just now, and the sessions may have ended or not; log out again \
                  in a second; if yours has ended then, log in to see which are left",
    ..Spec::named("logout_all", "Log out everywhere: end every session of the account")
};

/// Where the access token says no longer whose it is, the cookie beside it does: whoever presses "log out" must not
/// stay in because their access token is too old.
pub(super) async fn run(context: &RouteContext, call: Call) -> Result<Response, Problem> {
    let parts = &call.parts;
    let requester = context.requester(parts)?;
    match context.caller(parts).await {
        Ok(caller) => drop(context.app.engine.sessions().log_out_everywhere(&caller, &requester).await?),
        Err(problem)
            if problem.is_about_token() && has_cookie_to_leave_by(context, parts, &requester).await? => {}
        Err(problem) => return Err(problem),
    }
    Ok(context.cleared(context.shaped(&Facts::default())))
}

/// Whether there is a cookie whose account has been logged out everywhere by now.
async fn has_cookie_to_leave_by(
    context: &RouteContext,
    parts: &Parts,
    requester: &Requester,
) -> Result<bool, Problem> {
    let Some(carried) = context.refresh_token(parts, None).await? else { return Ok(false) };
    let (engine, client) = (&context.app.engine, &context.served.client);
    // Where the access token still says whose it was, the cookie must be theirs.
    let of = request::bearer(&parts.headers).and_then(|bearer| engine.tokens().account_named(client, bearer));
    let retry_id = request::retry_id(&parts.headers)?;
    let request = LogOutRequest { token: &carried.text, retry_id, cause: EndCause::LogoutAll };
    Ok(engine.sessions().log_out_everywhere_with(client, request, of, requester).await?)
}
