//! `password`: changes the password; the other sessions end.

use axum::response::Response;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::edge::transport::By;
use crate::profile::{Answer, Fact, Input, Needs, Offer, Pair, Spec, Unmet};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::AccessToken,
    reads_cookie: true,
    pair: Pair::OfThisSession,
    takes: &[Input::CurrentPassword, Input::NewPassword, Input::RefreshToken],
    rules: &[requires_both_passwords],
    reads_body: true,
    answer: Answer::Shaped { anywhere: &[Fact::PAIR, Fact::ACCOUNT], each: &[] },
    refuses: &["current_password_wrong", "password_rejected"],
    ..Spec::named("password", "Change the password; the other sessions end")
};

fn requires_both_passwords(offer: &Offer<'_>) -> Result<(), Unmet> {
    let takes = offer.takes;
    Unmet::unless(
        takes.requires(Input::CurrentPassword) && takes.requires(Input::NewPassword),
        "the current and the new password",
        "add two fields to takes, holding \"$current_password\" and \"$new_password\"",
    )
}

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let fields = call.fields()?;
    let inputs = context.inputs(&fields)?;
    let requester = context.requester(&call.parts)?;
    let current = context.require(&inputs, &[Input::CurrentPassword])?;
    let new = context.require(&inputs, &[Input::NewPassword])?;
    let carried = context.refresh_token(&call.parts, &inputs).await?;
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
    Ok(context.token_pair(&pair, by, account.as_ref()))
}
