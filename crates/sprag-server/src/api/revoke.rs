//! `revoke`: ends the session of the refresh token that is presented, with the cause `revoked`.

use axum::response::Response;
use sprag::session::EndCause;

use super::context::{Call, RouteContext};
use super::logout::{RETRY_ID, end_session_of_token};
use crate::edge::refusal::Problem;
use crate::profile::{Input, Needs, Spec, leaves_token_to_cookie};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::RefreshToken,
    reads_cookie: true,
    takes: &[Input::RefreshToken],
    rules: &[leaves_token_to_cookie],
    reads_body: true,
    retry_id: Some(RETRY_ID),
    unavailable: "the service cannot answer just now, and the session may have ended or not; revoke it again \
                  in a second, with the same token",
    refuses: &["token_missing"],
    ..Spec::named("revoke", "Revoke: end the session of this refresh token")
};

pub(super) async fn run(context: &RouteContext, call: Call) -> Result<Response, Problem> {
    end_session_of_token(context, call, EndCause::Revoked).await
}
