//! `end_session`: ends one session of the account, which the path names, or the body where the profile has its id there.

use axum::response::Response;
use sprag::Refusal;
use sprag::session::{EndCause, SessionId, SessionKey};

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::edge::wiped::WipedFields;
use crate::profile::{Answer, Fact, Facts, IdOf, Input, Needs, Offer, Spec, Unmet};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::AccessToken,
    takes: &[Input::SessionId],
    rules: &[has_one_id],
    takes_id: Some(IdOf::Session),
    answer: Answer::Shaped { anywhere: &[&[Fact::SessionId]], each: &[] },
    unavailable: "the service cannot answer just now, and the session may have ended or not; try again in a \
                  second: if there is no such session then, it has ended",
    refuses: &["session_unknown"],
    ..Spec::named("end_session", "End one session")
};

fn has_one_id(offer: &Offer<'_>) -> Result<(), Unmet> {
    Unmet::unless(
        offer.path.contains("{id}") != offer.takes.requires(Input::SessionId),
        "one place for the session's id",
        "write {id} in the path or take \"$session_id\", not both",
    )
}

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let is_in_body = context.route.takes.takes(Input::SessionId);
    let fields = if is_in_body { call.fields()? } else { WipedFields::default() };
    let id = context.inputs(&fields)?.get(Input::SessionId).or(call.id.as_deref());
    let session: SessionId = id.and_then(|id| id.parse().ok()).ok_or(Refusal::SessionUnknown)?;
    let key = SessionKey { account: caller.key.account, session };
    context.app.engine.sessions().end(key, EndCause::Revoked, &context.requester(&call.parts)?).await?;
    Ok(context.shaped(&Facts { session_id: Some(session), ..Facts::default() }))
}
