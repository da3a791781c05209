//! `me`: tells who is logged in.

use axum::response::Response;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Answer, Fact, Facts, Needs, Spec};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::AccessToken,
    answer: Answer::Shaped { anywhere: &[&[Fact::SessionId], Fact::ACCOUNT], each: &[] },
    only_reads: true,
    ..Spec::named("me", "Who is logged in")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let account = context.app.engine.accounts().get(caller.key.account).await?;
    let facts = Facts { account: Some(&account), session_id: Some(caller.key.session), ..Facts::default() };
    Ok(context.shaped(&facts))
}
