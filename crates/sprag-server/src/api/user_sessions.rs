//! `user_sessions`: lists an account's live sessions, for administrators.

use axum::response::Response;

use super::context::{Call, RouteContext};
use super::listing::Listing;
use crate::edge::refusal::Problem;
use crate::profile::{Answer, Fact, Facts, IdOf, Input, Needs, SessionFacts, Spec, has_id};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::Administrator,
    takes: &[Input::After, Input::Limit],
    rules: &[has_id],
    takes_id: Some(IdOf::Account),
    answer: Answer::Shaped { anywhere: &[&[Fact::Next, Fact::AccountId]], each: Fact::ITEM },
    only_reads: true,
    ..Spec::named("user_sessions", "List an account's live sessions, for administrators")
};

/// Of the session that asks no time is told that moves with a rotation, as in its own list.
pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let id = call.account()?;
    let fields = call.fields()?;
    let listing = Listing::asked(context, &caller, &context.inputs(&fields)?, Some(id))?;
    let permit = context.permit(&call.parts).await;
    let engine = &context.app.engine;
    engine.accounts().get(id).await?;
    let found = engine.sessions().listed(id, listing.after(context)?, listing.limit).await?;
    let next = listing.next(context, found.next.as_ref());
    let own_idle_end = engine.now().plus(context.served.client.policy.idle_timeout);
    let opened_at = context.app.places.each_opened_at(found.items.iter().map(|listed| &listed.detail));
    let sessions: Vec<_> = found
        .items
        .iter()
        .zip(&opened_at)
        .map(|(listed, opened_at)| SessionFacts {
            session: &listed.session,
            detail: &listed.detail,
            opened_at,
            own_idle_end: (listed.session.key == caller.key).then_some(own_idle_end),
        })
        .collect();
    let facts =
        Facts { sessions: &sessions, account_id: Some(id), next: next.as_deref(), ..Facts::default() };
    Ok(context.large(permit, &facts))
}
