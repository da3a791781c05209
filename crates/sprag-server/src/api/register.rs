//! `register`: makes an account; opens a session for it where the answer tells of a token pair.

use axum::response::Response;
use hyper::StatusCode;
use sprag::account::Name;
use sprag::engine::{Confirmation, NewUser, OpenRequest};
use sprag::{Error, Refusal};

use super::context::{Call, RouteContext, device};
use crate::edge::refusal::Problem;
use crate::edge::response::bodiless;
use crate::profile::{
    Answer, Fact, Facts, Input, Needs, Pair, Spec, Whose, asks_for_transport, names_account,
    requires_password,
};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::AdministratorUnlessOpen,
    account: Whose::New,
    pair: Pair::OfNewSessionIfTold { summary: "Make an account and log in" },
    takes: &[
        Input::Name,
        Input::Username,
        Input::Email,
        Input::Password,
        Input::FullName,
        Input::GivenName,
        Input::FamilyName,
        Input::Device,
        Input::Transport,
        Input::Altcha,
    ],
    rules: &[names_account, requires_password, asks_for_transport],
    reads_body: true,
    answer: Answer::Shaped { anywhere: &[Fact::PAIR, Fact::ACCOUNT], each: &[] },
    unavailable: "the service cannot answer just now, and the account may have been made; try again in a \
                  second, and if the name is taken then, try to log in",
    refuses: &["name_invalid", "name_taken", "password_rejected", "login_refused"],
    ..Spec::named("register", "Make an account")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let fields = call.fields()?;
    let parts = &call.parts;
    let inputs = context.inputs(&fields)?;
    let mut requester = context.reader(parts)?;
    let password = context.require(&inputs, &[Input::Password])?;
    let (username, email) = (inputs.get(Input::Username), inputs.get(Input::Email));
    let (username, email) = match inputs.get(Input::Name) {
        Some(name) if name.contains('@') => (username, email.or(Some(name))),
        Some(name) => (username.or(Some(name)), email),
        None => (username, email),
    };
    // Whatever may be refused is refused before there is an account.
    let by = if context.route.gives_pair() { Some(context.way_asked_for(parts, &inputs)?) } else { None };
    let device = device(&inputs);
    let user = NewUser {
        username,
        email,
        password: Some(password),
        external_id: None,
        next_id: Some((context.served.client.profile, context.served.client.next_id)),
        is_admin: false,
        role: None,
        name: inputs.get(Input::FullName),
        given_name: inputs.get(Input::GivenName),
        family_name: inputs.get(Input::FamilyName),
        confirmation: match context.is_anonymous() {
            true => context.served.client.confirmation,
            false => Confirmation::Off,
        },
    };
    let engine = &context.app.engine;
    if context.is_anonymous() {
        engine.accounts().reserve_one(context.solved(&inputs), &requester).await?;
    }
    if user.confirmation == Confirmation::Required {
        let registered = engine.letters().register(user, &requester).await;
        registered.map_err(|error| naming_names(context, &user, error))?;
        return Ok(bodiless(StatusCode::ACCEPTED));
    }
    let Some(by) = by else {
        let account = engine.accounts().create(user, &requester).await;
        let account = account.map_err(|error| naming_names(context, &user, error))?;
        return Ok(context.shaped(&Facts { account: Some(&account), ..Facts::default() }));
    };
    // This may ask the store, which may fail.
    let shown = context.shown(parts, &inputs).await?;
    let mark = context.new_mark(parts, by, &mut requester);
    let somebody = engine.accounts().sign_up(user, &requester).await;
    let somebody = somebody.map_err(|error| naming_names(context, &user, error))?;
    let account = somebody.account().clone();
    let request = OpenRequest {
        device: device.as_deref(),
        superseded: None,
        remembers_device: context.app.knows_devices,
    };
    let pair = engine.open_session(&context.served.client, somebody, request, &requester).await?;
    let mut response = context.token_pair(&pair, by, Some(&account));
    context.mark_device(by, mark.as_deref(), &mut response);
    context.has_device_keep(parts, &shown, &pair, &mut response);
    Ok(response)
}

/// What the engine said, and of a name or password that cannot be taken also in which field it came.
pub(super) fn naming_names(context: &RouteContext, user: &NewUser<'_>, error: Error) -> Problem {
    let username = [Input::Username, Input::Name];
    let email = [Input::Email, Input::Name];
    let is_wrong = |name: Option<Result<Name, Refusal>>| name.is_some_and(|name| name.is_err());
    let field = match &error {
        Error::Refused(Refusal::NameInvalid(_)) if is_wrong(user.username.map(Name::username)) => {
            context.field_of(&username)
        }
        Error::Refused(Refusal::NameInvalid(_)) if is_wrong(user.email.map(Name::email)) => {
            context.field_of(&email)
        }
        Error::Refused(Refusal::NameInvalid(_)) if user.username.is_some() || user.email.is_some() => {
            context.field_of(&[Input::FullName, Input::GivenName, Input::FamilyName])
        }
        // It has neither.
        Error::Refused(Refusal::NameInvalid(_)) => {
            context.field_of(&[Input::Username, Input::Email, Input::Name])
        }
        // Of two names, which one is taken is not said: it would tell of somebody else's account.
        Error::Refused(Refusal::NameTaken) if user.username.is_none() => context.field_of(&email),
        Error::Refused(Refusal::NameTaken) => context.field_of(&username),
        _ => return context.naming(Input::Password, error),
    };
    Problem::AtField(field, error)
}
