//! `end_any_session`: an administrator ends one session, of any account.

use axum::response::Response;
use sprag::Refusal;
use sprag::session::SessionId;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Facts, IdOf, Needs, Spec, has_id};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::Administrator,
    wants_fresh: true,
    rules: &[has_id],
    takes_id: Some(IdOf::Session),
    unavailable: "the service cannot answer just now, and the session may have ended or not; try again in a second: if there is \
                  no such session then, it has ended",
    refuses: &["session_unknown"],
    ..Spec::named("end_any_session", "End one session of any account, for administrators")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let id: SessionId =
        call.id.as_deref().unwrap_or_default().parse().map_err(|_| Refusal::SessionUnknown)?;
    let requester = context.acting(&call.parts, &caller)?;
    context.app.engine.sessions().end_named(id, &requester).await?;
    Ok(context.shaped(&Facts::default()))
}
