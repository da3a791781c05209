//! `explain`: tells an administrator what happened to one session, of any account.

use axum::response::Response;
use sprag::security::Outcome;
use sprag::session::SessionId;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Answer, Fact, Facts, IdOf, Needs, SessionFacts, Spec, has_id};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::Administrator,
    rules: &[has_id],
    takes_id: Some(IdOf::Session),
    answer: Answer::Shaped {
        anywhere: &[&[Fact::SessionId, Fact::AccountId], Fact::ITEM, Fact::ENDED],
        each: Fact::EVENT,
    },
    refuses: &["session_unknown"],
    only_reads: true,
    ..Spec::named("explain", "What happened to a session, for administrators")
};

/// Nobody is told of the session they ask with: whoever holds a copy of its tokens could read when the other one
/// refreshes.
pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let id: SessionId = call.id.unwrap_or_default().parse().map_err(|_| Problem::NoSuchSession)?;
    if id == caller.key.session {
        return Err(Problem::OwnSession);
    }
    context.tell_security(&call.parts, Some(&caller), |told| {
        Outcome { name: "explained", session: Some(id), ..told }.tell();
    });
    let permit = context.permit(&call.parts).await;
    let explained = context.app.engine.sessions().explain(id).await?.ok_or(Problem::NoSuchSession)?;
    let (session, detail) = (&explained.session, &explained.detail);
    let mut events = explained.events;
    // As in the lists: a copy of one of its own tokens must not tell when its owner refreshes with the others.
    if session.key.account == caller.key.account {
        events.retain(|entry| !entry.event.moves_with_a_rotation());
        events.iter_mut().for_each(|entry| entry.event.at = entry.event.at.hour());
    }
    events.iter_mut().for_each(|entry| entry.event.leave_out_generations());
    let opened_at = context.app.places.opened_at(detail);
    let facts = Facts {
        session_id: Some(id),
        account_id: Some(session.key.account),
        session: Some(SessionFacts { session, detail, opened_at: &opened_at, own_idle_end: None }),
        events: &events,
        ..Facts::default()
    };
    Ok(context.large(permit, &facts))
}
