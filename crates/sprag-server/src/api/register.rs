//! `register`: makes an account; opens a session for it where the answer tells of a token pair.

use axum::response::Response;
use hyper::StatusCode;
use sprag::account::{Name, is_language};
use sprag::engine::{Confirmation, Invite, LoggedIn, NewUser, OpenRequest};
use sprag::{Error, Refusal};

use super::context::{Call, RouteContext, device};
use super::logging_in::waiting;
use crate::edge::refusal::Problem;
use crate::edge::registering;
use crate::edge::response::bodiless;
use crate::profile::{
    Answer, Fact, Facts, Input, Inputs, Needs, Pair, Registration, Spec, Whose, asks_for_transport,
    names_account, requires_password,
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
        Input::Language,
        Input::Invite,
        Input::Device,
        Input::Transport,
        Input::Altcha,
    ],
    rules: &[names_account, requires_password, asks_for_transport],
    reads_body: true,
    answer: Answer::Shaped { anywhere: &[Fact::PAIR, Fact::ACCOUNT], each: &[] },
    unavailable: "the service cannot answer just now, and the account may have been made; try again in a \
                  second, and if the name is taken then, try to log in",
    until_confirmed: Some(
        "A letter is on its way, by whose link the address is confirmed; until then nobody logs in. Where somebody has the \
         address already, the answer is the same, and the letter tells them.",
    ),
    refuses: &[
        "name_invalid",
        "name_taken",
        "password_rejected",
        "link_invalid",
        "enrolment_required",
        "registration_closed",
        "login_refused",
    ],
    ..Spec::named("register", "Make an account")
};

/// Whatever may be refused is refused before there is an account.
pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    if context.served.profile.client.registration == Registration::Closed {
        return Err(Refusal::RegistrationClosed.into());
    }
    let fields = call.fields()?;
    let parts = &call.parts;
    let inputs = context.inputs(&fields)?;
    let mut requester = context.reader(parts)?;
    context.require(&inputs, &[Input::Password])?;
    let engine = &context.app.engine;
    let invite = if context.is_anonymous() {
        engine.accounts().reserve_one(context.solved(&inputs), &requester).await?;
        invite(context, &inputs).await?
    } else {
        None
    };
    let by = if context.route.gives_pair() { Some(context.way_asked_for(parts, &inputs)?) } else { None };
    let device = device(&inputs);
    let (client, languages) = (&context.served.client, requester.languages.clone());
    let (is_trusted, languages) = (!context.is_anonymous(), languages.as_deref());
    let user =
        registering::account(|input| inputs.get(input), client, invite.as_ref(), is_trusted, languages);
    if context.is_anonymous() {
        expect_choosable(context, &user)?;
    }
    if user.confirmation == Confirmation::Required {
        let registered = engine.letters().register_here_or_there(client, user, &requester).await;
        registered.map_err(|error| naming_names(context, &user, error))?;
        return Ok(bodiless(StatusCode::ACCEPTED));
    }
    if context.is_anonymous() {
        let free = engine.accounts().expect_free_there(client, &user).await;
        free.map_err(|error| naming_names(context, &user, error))?;
    }
    let Some(by) = by else {
        let account = engine.accounts().create(user, &requester).await;
        let account = account.map_err(|error| naming_names(context, &user, error))?;
        return Ok(context.shaped(&Facts { account: Some(&account), ..Facts::default() }));
    };
    // This may ask the store, which may fail.
    let shown = context.shown(parts, &inputs).await?;
    let mark = context.new_mark(parts, by, &mut requester);
    let somebody = engine.accounts().sign_up(client, user, device.as_deref(), &requester).await;
    let somebody = somebody.map_err(|error| naming_names(context, &user, error))?;
    let account = somebody.account().clone();
    let request = OpenRequest {
        device: device.as_deref(),
        superseded: None,
        remembers_device: context.app.knows_devices,
        ..OpenRequest::default()
    };
    let pair = match engine.log_in(client, somebody, request, &requester).await? {
        LoggedIn::Opened(pair) => pair,
        LoggedIn::Waits(waits) => return Err(waiting(context, waits)),
    };
    let mut response = context.token_pair(&pair, by, Some(&account));
    context.mark_device(by, mark.as_deref(), &mut response);
    context.has_device_keep(parts, &shown, &pair, &mut response);
    Ok(response)
}

/// The invitation that came, where one is taken; where nobody registers without one, it must come.
async fn invite(context: &RouteContext, inputs: &Inputs<'_>) -> Result<Option<Invite>, Problem> {
    let registration = context.served.profile.client.registration;
    let text = match registration {
        Registration::Invite => Some(context.require(inputs, &[Input::Invite])?),
        _ => inputs.get(Input::Invite),
    };
    let Some(text) = text else { return Ok(None) };
    let invite = context.app.engine.invites().read(text).await?;
    // Whoever may invite people to one front end has not invited them to another.
    match invite.profile().is_none_or(|profile| profile == context.served.client.profile) {
        true => Ok(Some(invite)),
        false => Err(Refusal::LinkInvalid.into()),
    }
}

/// Holds whoever registers by themselves to what they may choose, and names the field that what they may not came in.
fn expect_choosable(context: &RouteContext, user: &NewUser<'_>) -> Result<(), Problem> {
    registering::expect_choosable(&context.app.name_lists, user)
        .map_err(|(input, refusal)| Problem::AtField(context.field_of(&[input, Input::Name]), refusal.into()))
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
        Error::Refused(Refusal::NameInvalid(_)) if user.language.is_some_and(|tag| !is_language(tag)) => {
            context.field_of(&[Input::Language])
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
