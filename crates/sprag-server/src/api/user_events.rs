//! `user_events`: what the journal says of one account, for administrators.

use axum::response::Response;
use sprag::audit::NOBODY;

use super::context::{Call, RouteContext};
use super::listing::{Listing, entries_wanted};
use crate::edge::refusal::Problem;
use crate::profile::{Answer, Fact, Facts, IdOf, Input, Needs, Spec, has_id};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::Administrator,
    takes: &[Input::Kind, Input::Severity, Input::Since, Input::After, Input::Limit],
    rules: &[has_id],
    takes_id: Some(IdOf::Account),
    answer: Answer::Shaped { anywhere: &[&[Fact::Next]], each: Fact::EVENT },
    only_reads: true,
    ..Spec::named("user_events", "What happened to an account, for administrators")
};

/// The journal of an account that was deleted stays, and can be asked for.
pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let id = call.account()?;
    let fields = call.fields()?;
    let inputs = context.inputs(&fields)?;
    let listing = Listing::asked(context, &caller, &inputs, Some(id))?;
    let wanted = entries_wanted(context, &caller, &inputs, Some(id))?;
    let permit = context.permit(&call.parts).await;
    let accounts = context.app.engine.accounts();
    let mut found = accounts.entries(&wanted, listing.after(context)?, listing.limit).await?;
    if found.items.is_empty() && id != NOBODY && !accounts.has_journal(id).await? {
        accounts.get(id).await?;
    }
    found.items.iter_mut().for_each(|entry| entry.event.leave_out_generations());
    let next = listing.next(context, found.next.as_ref());
    Ok(context.large(permit, &Facts { events: &found.items, next: next.as_deref(), ..Facts::default() }))
}
