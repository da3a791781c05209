//! `user_factors`: lists an account's second factors, for administrators.

use axum::response::Response;

use super::context::{Call, RouteContext};
use super::factors::{example, listed, schema};
use crate::edge::refusal::Problem;
use crate::edge::response::json_answer;
use crate::profile::{Answer, IdOf, Needs, Spec, has_id};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::Administrator,
    rules: &[has_id],
    takes_id: Some(IdOf::Account),
    answer: Answer::Json { schema, example },
    only_reads: true,
    ..Spec::named(
        "user_factors",
        "List an account's second factors, for administrators; nothing secret is told",
    )
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    call.caller()?;
    let id = call.account()?;
    let engine = &context.app.engine;
    engine.accounts().get(id).await?;
    Ok(json_answer(&listed(&engine.factors().of(id).await?)))
}
