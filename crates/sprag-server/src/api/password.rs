//! `password`: changes the password; the other sessions end.

use axum::response::Response;
use sprag::engine::PasswordChangeRequest;
use sprag::{Error, Refusal};

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::edge::request;
use crate::edge::transport::By;
use crate::profile::{Answer, Fact, Input, Needs, Offer, Pair, Spec, Unmet};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::AccessTokenOrRepeat,
    reads_cookie: true,
    pair: Pair::OfThisSession,
    takes: &[Input::CurrentPassword, Input::NewPassword, Input::RefreshToken],
    rules: &[takes_both_passwords],
    reads_body: true,
    answer: Answer::Shaped { anywhere: &[Fact::PAIR, Fact::ACCOUNT], each: &[] },
    refuses: &["current_password_wrong", "field_missing", "password_rejected", "step_up_required"],
    retry_id: Some(
        "A retry id of the client's choice: with it, and with the refresh token beside the access token, a change whose \
         answer was lost can be asked for again, and is answered with the new session inside the reuse interval.",
    ),
    unavailable: "the service cannot answer just now, and the password may have been changed or not; send the \
                  same request again in a second, with its Idempotency-Key if it has one, or log in with \
                  the new password",
    ..Spec::named("password", "Change the password; the other sessions end")
};

/// An account that has no password has none to show.
fn takes_both_passwords(offer: &Offer<'_>) -> Result<(), Unmet> {
    let takes = offer.takes;
    Unmet::unless(
        takes.takes(Input::CurrentPassword) && takes.requires(Input::NewPassword),
        "the current and the new password",
        "add two fields to takes, holding \"$current_password\" and \"$new_password\"",
    )
}

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let fields = call.fields()?;
    let parts = &call.parts;
    let inputs = context.inputs(&fields)?;
    let requester = context.reader(parts)?;
    let current = inputs.get(Input::CurrentPassword);
    let new = context.require(&inputs, &[Input::NewPassword])?;
    let carried = context.refresh_token(parts, inputs.get(Input::RefreshToken)).await?;
    let by = carried.as_ref().map_or(By::Body, |carried| carried.by);
    let request = PasswordChangeRequest {
        current,
        is_fresh: false,
        new,
        refresh_token: carried.as_ref().map(|carried| carried.text.as_str()),
        retry_id: request::retry_id(&parts.headers)?,
    };
    let (client, accounts) = (&context.served.client, context.app.engine.accounts());
    let answered_before = match (&call.caller, request::bearer(&parts.headers)) {
        (None, Some(bearer)) => accounts.change_password_again(client, bearer, request, &requester).await?,
        _ => None,
    };
    let pair = match (answered_before, call.caller) {
        (Some(pair), _) => pair,
        (None, caller) => {
            let caller = match caller {
                Some(caller) => caller,
                None => context.caller(parts).await?,
            };
            let fresh_for = context.app.fresh_for;
            let is_fresh = Box::pin(context.app.engine.factors().is_fresh(&caller, fresh_for)).await?;
            let request = PasswordChangeRequest { is_fresh, ..request };
            let pair = accounts.change_password(client, &caller, request, &requester).await;
            pair.map_err(|error| match error {
                Error::Refused(Refusal::CurrentPasswordWrong) if current.is_none() => {
                    Problem::Field(inputs.missing(context.field_of(&[Input::CurrentPassword])))
                }
                error => context.naming(Input::NewPassword, error),
            })?
        }
    };
    let account = context.account_if_told(pair.account).await?;
    Ok(context.token_pair(&pair, by, account.as_ref()))
}
