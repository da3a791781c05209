//! `sessions`: lists the live sessions of the account.

use axum::response::Response;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Answer, Fact, Facts, Needs, SessionFacts, Spec};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::AccessToken,
    answer: Answer::Shaped { anywhere: &[&[Fact::SessionId, Fact::AccountId]], each: Fact::ITEM },
    only_reads: true,
    ..Spec::named("sessions", "List the live sessions")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let permit = context.permit(&call.parts).await;
    let listed = context.app.engine.sessions().of(caller.key.account).await?;
    let own_idle_end = context.app.engine.now().plus(context.served.client.policy.idle_timeout);
    let details = listed.iter().map(|listed| &listed.detail);
    let opened_at = context.app.places.each_opened_at(details);
    let sessions: Vec<_> = listed
        .iter()
        .zip(&opened_at)
        .map(|(listed, opened_at)| SessionFacts {
            session: &listed.session,
            detail: &listed.detail,
            opened_at,
            own_idle_end: (listed.session.key == caller.key).then_some(own_idle_end),
        })
        .collect();
    let (session_id, account_id) = (Some(caller.key.session), Some(caller.key.account));
    Ok(context.large(permit, &Facts { sessions: &sessions, session_id, account_id, ..Facts::default() }))
}
