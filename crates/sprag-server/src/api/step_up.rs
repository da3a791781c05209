//! `step_up`: whoever uses a session shows once more who they are; a new session takes its place.

use axum::response::Response;
use sprag::engine::{Proof, StepUpRequest};

use super::context::{Call, RouteContext};
use super::refresh::{spend_of_prefix, spend_of_session};
use crate::edge::refusal::Problem;
use crate::edge::request;
use crate::edge::transport::By;
use crate::profile::{Answer, Fact, Input, Needs, Offer, Pair, Spec, Unmet, leaves_token_to_cookie};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::RefreshOrAccessToken,
    reads_cookie: true,
    pair: Pair::OfThisSession,
    takes: &[Input::Password, Input::Code, Input::Credential, Input::RefreshToken],
    rules: &[takes_a_proof, leaves_token_to_cookie],
    reads_body: true,
    answer: Answer::Shaped { anywhere: &[Fact::PAIR, Fact::ACCOUNT], each: &[] },
    refuses: &[
        "code_wrong",
        "current_password_wrong",
        "enrolment_required",
        "field_missing",
        "passkeys_unavailable",
        "password_rejected",
        "rate_limited",
        "second_factor_required",
        "session_ended",
        "token_spent",
        "too_many_retries",
        "account_unknown",
    ],
    retry_id: Some(
        "A retry id of the client's choice: with it, and with the refresh token, a step-up whose answer was lost can be asked \
         for again, and is answered with the new session inside the reuse interval.",
    ),
    unavailable: "the service cannot answer just now, and a new session may have taken this one's place or not; send the \
                  same request again in a second, with its Idempotency-Key if it has one, or log in",
    ..Spec::named("step_up", "Show once more who you are; a new session takes the place of this one")
};

/// Whoever has no second factor shows the password.
fn takes_a_proof(offer: &Offer<'_>) -> Result<(), Unmet> {
    let takes = offer.takes;
    Unmet::unless(
        takes.takes(Input::Password),
        "a password",
        "add fields to takes, as password = \"$password?\" and code = \"$code?\"",
    )
}

/// Which session asks the access token says, or where none comes, the refresh token: then it is judged as at a refresh, and counts
/// as one for the limits.
pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let has_bearer = request::bearer(&call.parts.headers).is_some();
    if !has_bearer {
        spend_of_prefix(context, &call.parts)?;
    }
    let fields = call.fields()?;
    let parts = &call.parts;
    let inputs = context.inputs(&fields)?;
    let requester = context.requester(parts)?;
    // A code goes first: whoever sends both has a second factor.
    let credential;
    let proof = match (inputs.get(Input::Code), inputs.get(Input::Credential)) {
        (Some(code), _) => Proof::Code(code),
        (None, Some(_)) => {
            credential = context.credential(&fields, &inputs)?;
            Proof::Passkey(&credential)
        }
        (None, None) => Proof::Password(context.require(&inputs, &[Input::Password])?),
    };
    let carried = context.refresh_token(parts, inputs.get(Input::RefreshToken)).await?;
    let by = carried.as_ref().map_or(By::Body, |carried| carried.by);
    let request = StepUpRequest {
        proof,
        refresh_token: carried.as_ref().map(|carried| carried.text.as_str()),
        retry_id: request::retry_id(&parts.headers)?,
    };
    let (client, engine) = (&context.served.client, &context.app.engine);
    if let Some(text) = request.refresh_token.filter(|_| !has_bearer)
        && let Some(token) = engine.recognise(client, text, engine.now()).await?
    {
        spend_of_session(context, parts, token.key.session)?;
    }
    let sessions = engine.sessions();
    let stepped_up = match request::bearer(&parts.headers) {
        None if carried.is_none() => return Err(context.no_refresh_token(parts, &fields)),
        None => sessions.step_up(client, None, request, &requester).await,
        Some(bearer) => match context.caller(parts).await {
            Ok(caller) => sessions.step_up(client, Some(&caller), request, &requester).await,
            // Its session has ended, or its life is over: perhaps by this very request, whose answer was lost.
            Err(problem) if problem.is_of_the_past() => {
                Ok(sessions.step_up_again(client, bearer, request, &requester).await?.ok_or(problem)?)
            }
            Err(problem) => return Err(problem),
        },
    };
    let pair = stepped_up.map_err(|error| context.naming(Input::Password, error))?;
    let account = context.account_if_told(pair.account).await?;
    Ok(context.token_pair(&pair, by, account.as_ref()))
}
