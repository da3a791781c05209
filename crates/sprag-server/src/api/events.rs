//! `events`: what the journal says of all accounts, for administrators.

use axum::response::Response;

use super::context::{Call, RouteContext};
use super::listing::{Listing, entries_wanted};
use crate::edge::refusal::Problem;
use crate::profile::{Answer, Fact, Facts, Input, Needs, Spec};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::Administrator,
    takes: &[Input::Kind, Input::Severity, Input::Since, Input::After, Input::Limit],
    answer: Answer::Shaped { anywhere: &[&[Fact::Next]], each: Fact::EVENT },
    only_reads: true,
    ..Spec::named("events", "What happened, for administrators")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let fields = call.fields()?;
    let inputs = context.inputs(&fields)?;
    let listing = Listing::asked(context, &caller, &inputs, None)?;
    let wanted = entries_wanted(context, &caller, &inputs, None)?;
    let permit = context.permit(&call.parts).await;
    let accounts = context.app.engine.accounts();
    let mut found = accounts.entries(&wanted, listing.after(context)?, listing.limit).await?;
    found.items.iter_mut().for_each(|entry| entry.event.leave_out_generations());
    let next = listing.next(context, found.next.as_ref());
    Ok(context.large(permit, &Facts { events: &found.items, next: next.as_deref(), ..Facts::default() }))
}
