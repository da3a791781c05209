//! `user`: tells an administrator of one account.

use axum::response::Response;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Answer, Fact, Facts, IdOf, Needs, Spec, has_id};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::Administrator,
    rules: &[has_id],
    takes_id: Some(IdOf::Account),
    answer: Answer::Shaped { anywhere: &[Fact::ACCOUNT], each: &[] },
    only_reads: true,
    ..Spec::named("user", "One account, for administrators")
};

pub(super) async fn run(context: &RouteContext, call: Call) -> Result<Response, Problem> {
    let account = context.app.engine.accounts().get(call.account()?).await?;
    Ok(context.shaped(&Facts { account: Some(&account), ..Facts::default() }))
}
