//! `login_by_code`: opens a session for the link or the code of a letter.

use axum::response::Response;
use sprag::Refusal;

use super::context::{Call, RouteContext};
use super::logging_in::LoggingIn;
use crate::edge::refusal::Problem;
use crate::profile::{Answer, Fact, Input, Offer, Pair, Spec, Unmet, asks_for_transport};

pub(crate) const SPEC: Spec = Spec {
    pair: Pair::OfNewSession,
    takes: &[
        Input::Token,
        Input::LoginId,
        Input::Code,
        Input::Device,
        Input::Transport,
        Input::RefreshToken,
        Input::DeviceToken,
        Input::Altcha,
    ],
    rules: &[takes_link_or_code, asks_for_transport],
    reads_body: true,
    answer: Answer::Shaped { anywhere: &[Fact::PAIR, Fact::ACCOUNT], each: &[] },
    unavailable: "the service cannot answer just now; log in again in a second, with another letter if this one is no longer \
                  good: if a session was opened, nobody has its tokens",
    refuses: &[
        "link_invalid",
        "account_disabled",
        "risk_refused",
        "login_refused",
        "enrolment_required",
        "second_factor_required",
    ],
    ..Spec::named("login_by_code", "Log in with the link or the code of a letter")
};

fn takes_link_or_code(offer: &Offer<'_>) -> Result<(), Unmet> {
    let (takes, requires) = (|input| offer.takes.takes(input), |input| offer.takes.requires(input));
    let by_code = takes(Input::Code) && takes(Input::LoginId);
    let leaves_both = takes(Input::Token)
        && by_code
        && ![Input::Token, Input::Code, Input::LoginId].into_iter().any(requires);
    Unmet::unless(
        leaves_both,
        "the link as well as the code",
        "take token = \"$token?\", login_id = \"$login_id?\" and code = \"$code?\"",
    )
}

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let fields = call.fields()?;
    let parts = &call.parts;
    let inputs = context.inputs(&fields)?;
    let login = LoggingIn::begin(context, parts, &inputs, context.reader(parts)?).await?;
    let (engine, profile) = (&context.app.engine, context.served.client.profile);
    let (login_id, code) = (inputs.get(Input::LoginId), inputs.get(Input::Code));
    let somebody = match (inputs.get(Input::Token), login_id, code) {
        (Some(link), login_id, None) => {
            engine.authn().link(&login.shown, profile, (link, login_id), &login.requester).await?
        }
        (None, Some(login_id), Some(code)) => {
            engine.authn().code(&login.shown, profile, (login_id, code), &login.requester).await?
        }
        (None, Some(_), None) => {
            return Err(Problem::Field(inputs.missing(context.field_of(&[Input::Code]))));
        }
        (None, None, Some(_)) => {
            return Err(Problem::Field(inputs.missing(context.field_of(&[Input::LoginId]))));
        }
        (None, None, None) => return Err(Problem::Field(inputs.missing(context.field_of(&[Input::Token])))),
        (Some(_), _, Some(_)) => return Err(Refusal::LinkInvalid.into()),
    };
    login.open(parts, somebody).await
}
