//! `send_verification`: has a letter written by which the caller confirms their address.

use axum::response::Response;

use super::context::{Call, RouteContext};
use crate::edge::refusal::Problem;
use crate::profile::{Facts, Needs, Spec};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::AccessToken,
    unavailable: "the service cannot answer just now, and the letter may have been written or not; ask again in a second if none \
                  comes",
    ..Spec::named("send_verification", "Have a letter sent by which one's own address is confirmed")
};

/// Where there is no address, or it is confirmed, nothing is sent, and the answer is no other.
pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let requester = context.reader(&call.parts)?;
    context.app.engine.letters().ask_for_verification(caller.key.account, &requester).await?;
    Ok(context.shaped(&Facts::default()))
}
