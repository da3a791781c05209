//! `users`: lists accounts, for administrators.

use axum::response::Response;

use super::context::{Call, RouteContext};
use super::listing::Listing;
use crate::edge::refusal::Problem;
use crate::profile::{Answer, Fact, Facts, Input, Needs, Spec};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::Administrator,
    takes: &[Input::Query, Input::After, Input::Limit],
    answer: Answer::Shaped { anywhere: &[&[Fact::Next]], each: Fact::ACCOUNT },
    only_reads: true,
    ..Spec::named("users", "List accounts, for administrators")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let fields = call.fields()?;
    let inputs = context.inputs(&fields)?;
    let listing = Listing::asked(context, &caller, &inputs, None)?;
    let permit = context.permit(&call.parts).await;
    let accounts = context.app.engine.accounts();
    let (items, next) = match inputs.get(Input::Query) {
        None => {
            let found = accounts.listed(listing.after(context)?, listing.limit).await?;
            (found.items, listing.next(context, found.next.as_ref()))
        }
        Some(query) => {
            let found = accounts.named_like(query, listing.after(context)?, listing.limit).await?;
            (found.items, listing.next(context, found.next.as_ref()))
        }
    };
    Ok(context.large(permit, &Facts { accounts: &items, next: next.as_deref(), ..Facts::default() }))
}
