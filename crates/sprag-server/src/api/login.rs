//! `login`: opens a session for a name and a password.

use axum::response::Response;
use sprag::engine::{LoggedIn, OpenRequest};

use super::context::{Call, RouteContext, device};
use crate::edge::refusal::Problem;
use crate::edge::remembered;
use crate::edge::transport::By;
use crate::profile::{
    Answer, Fact, Input, Pair, Spec, Whose, asks_for_transport, names_account, requires_password,
};

/// Any of them names the account.
const NAMES: &[Input] = &[Input::Name, Input::Username, Input::Email];

pub(crate) const SPEC: Spec = Spec {
    account: Whose::Named,
    pair: Pair::OfNewSession,
    takes: &[
        Input::Name,
        Input::Username,
        Input::Email,
        Input::Password,
        Input::Device,
        Input::Transport,
        Input::RefreshToken,
        Input::DeviceToken,
        Input::Altcha,
    ],
    rules: &[names_account, requires_password, asks_for_transport],
    reads_body: true,
    answer: Answer::Shaped { anywhere: &[Fact::PAIR, Fact::ACCOUNT], each: &[] },
    unavailable: "the service cannot answer just now; log in again in a second: if a session was opened, \
                  nobody has its tokens",
    refuses: &[
        "credentials_invalid",
        "account_disabled",
        "password_rejected",
        "email_unconfirmed",
        "risk_refused",
        "second_factor_required",
        "login_refused",
    ],
    ..Spec::named("login", "Log in")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let fields = call.fields()?;
    let parts = &call.parts;
    let inputs = context.inputs(&fields)?;
    let mut requester = context.requester(parts)?;
    let name = context.require(&inputs, NAMES)?;
    let password = context.require(&inputs, &[Input::Password])?;
    let device = device(&inputs);

    let by = context.way_asked_for(parts, &inputs)?;
    let mark = context.new_mark(parts, by, &mut requester);
    // Cookies of two sessions say nothing of which one to replace; they must not keep anybody from logging in.
    let carried = if by == By::Cookie { context.cookie_token(parts).await.unwrap_or_default() } else { None };
    let cookie = context.served.profile.wire.refresh.cookie.as_ref();
    let remembered = remembered::shown(cookie, &parts.headers, inputs.get(Input::DeviceToken));
    let request = OpenRequest {
        device: device.as_deref(),
        superseded: carried.as_ref().map(|carried| carried.text.as_str()),
        remembers_device: context.app.knows_devices,
        remembered: &remembered,
        remembers_factor: false,
    };
    let shown = context.shown(parts, &inputs).await?;
    let engine = &context.app.engine;
    let somebody = engine.password_on(&context.served.client, &shown, (name, password), &requester).await;
    let somebody = somebody.map_err(|error| context.naming(Input::Password, error))?;
    let pair = match engine.log_in(&context.served.client, somebody, request, &requester).await? {
        LoggedIn::Opened(pair) => *pair,
        LoggedIn::Waits(waits) => return Err(Problem::Waits(Box::new(waits))),
    };
    let account = context.account_if_told(pair.account).await?;
    let mut response = context.token_pair(&pair, by, account.as_ref());
    context.mark_device(by, mark.as_deref(), &mut response);
    context.has_device_keep(parts, &shown, &pair, &mut response);
    Ok(response)
}
