//! `create_user`: an administrator makes an account.

use axum::response::Response;
use sprag::engine::NewUser;

use super::context::{Call, RouteContext};
use super::register::naming_names;
use crate::edge::refusal::Problem;
use crate::profile::{Answer, Fact, Facts, Input, Needs, Spec, Whose, names_account};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::Administrator,
    wants_fresh: true,
    account: Whose::New,
    takes: &[
        Input::Username,
        Input::Email,
        Input::Password,
        Input::FullName,
        Input::GivenName,
        Input::FamilyName,
        Input::Language,
        Input::Role,
        Input::IsAdmin,
    ],
    rules: &[names_account],
    reads_body: true,
    answer: Answer::Shaped { anywhere: &[Fact::ACCOUNT], each: &[] },
    unavailable: "the service cannot answer just now, and the account may have been made; look for it in a second, and try again \
                  if it is not there",
    refuses: &["name_invalid", "name_taken", "password_rejected"],
    ..Spec::named("create_user", "Make an account, for administrators")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let fields = call.fields()?;
    let inputs = context.inputs(&fields)?;
    let requester = context.acting(&call.parts, &caller)?;
    context.require(&inputs, &[Input::Username, Input::Email])?;
    let user = NewUser {
        username: inputs.get(Input::Username),
        email: inputs.get(Input::Email),
        password: inputs.get(Input::Password),
        password_length: Some(context.served.client.password),
        next_id: Some((context.served.client.profile, context.served.client.next_id)),
        is_admin: inputs.flag(Input::IsAdmin).unwrap_or_default(),
        role: inputs.get(Input::Role),
        name: inputs.get(Input::FullName),
        given_name: inputs.get(Input::GivenName),
        family_name: inputs.get(Input::FamilyName),
        language: inputs.get(Input::Language),
        ..NewUser::default()
    };
    let made = context.app.engine.accounts().create(user, &requester).await;
    let account = made.map_err(|error| naming_names(context, &user, error))?;
    Ok(context.shaped(&Facts { account: Some(&account), ..Facts::default() }))
}
