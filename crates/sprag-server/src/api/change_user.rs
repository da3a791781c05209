//! `change_user`: an administrator changes what an account is called, what is told of it, and what it may do.

use axum::response::Response;
use sprag::engine::AccountChanges;
use sprag::{Error, Refusal};

use super::context::{Call, RouteContext};
use super::listing::wrong;
use crate::edge::refusal::Problem;
use crate::edge::wiped::WipedFields;
use crate::profile::{Answer, Fact, Facts, IdOf, Input, Inputs, Needs, Spec, has_id};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::Administrator,
    wants_fresh: true,
    takes: &[
        Input::Username,
        Input::Email,
        Input::FullName,
        Input::GivenName,
        Input::FamilyName,
        Input::Language,
        Input::Role,
        Input::IsAdmin,
        Input::IsDisabled,
        Input::IsEmailVerified,
        Input::ClosesUndo,
    ],
    rules: &[has_id],
    reads_body: true,
    takes_id: Some(IdOf::Account),
    answer: Answer::Shaped { anywhere: &[Fact::ACCOUNT], each: &[] },
    unavailable: "the service cannot answer just now, and the account may have been changed or not; send the same request \
                  again in a second",
    refuses: &["name_invalid", "name_taken"],
    ..Spec::named("change_user", "Change an account, for administrators")
};

/// What comes as `null` or empty is told no more; what does not come stays. Whoever asks stays an administrator who may log in,
/// so that there always is one.
pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let id = call.account()?;
    let fields = call.fields()?;
    let inputs = context.inputs(&fields)?;
    let requester = context.acting(&call.parts, &caller)?;
    let told = |input| inputs.get(input).or(is_taken_away(context, &fields, input).then_some(""));
    let changes = AccountChanges {
        username: name(context, &inputs, &fields, Input::Username)?,
        email: name(context, &inputs, &fields, Input::Email)?,
        role: told(Input::Role),
        name: told(Input::FullName),
        given_name: told(Input::GivenName),
        family_name: told(Input::FamilyName),
        language: told(Input::Language),
        is_admin: inputs.flag(Input::IsAdmin),
        is_disabled: inputs.flag(Input::IsDisabled),
        is_email_verified: inputs.flag(Input::IsEmailVerified),
        closes_undo: inputs.flag(Input::ClosesUndo).unwrap_or_default(),
    };
    let shuts_out = changes.is_admin == Some(false) || changes.is_disabled == Some(true);
    if shuts_out && id == caller.key.account {
        return Err(Problem::OwnAccount);
    }
    let changed = context.app.engine.accounts().set(id, changes, &requester).await;
    let changed = changed.map_err(|error| at_field(context, &inputs, error))?;
    Ok(context.shaped(&Facts { account: Some(&changed.account), ..Facts::default() }))
}

/// Whether a field came with nothing in it.
fn is_taken_away(context: &RouteContext, fields: &WipedFields, input: Input) -> bool {
    let mut taken = context.route.takes.fields().iter().filter(|field| field.input == input);
    taken.any(|field| fields.get(&field.name).is_some_and(|value| value.is_null() || value == ""))
}

/// A name by which somebody logs in can be another one, and not none.
fn name<'a>(
    context: &RouteContext,
    inputs: &Inputs<'a>,
    fields: &WipedFields,
    input: Input,
) -> Result<Option<&'a str>, Problem> {
    match inputs.get(input) {
        None if is_taken_away(context, fields, input) => Err(wrong(
            context,
            input,
            "cannot be taken away; send another in its place, or leave the field out",
        )),
        name => Ok(name),
    }
}

/// What the engine said, and of a name also in which field it came.
fn at_field(context: &RouteContext, inputs: &Inputs<'_>, error: Error) -> Problem {
    let came = [Input::Username, Input::Email].map(|input| inputs.get(input).is_some());
    let field = match (&error, came) {
        (Error::Refused(Refusal::NameTaken), [false, true]) => context.field_of(&[Input::Email]),
        (Error::Refused(Refusal::NameTaken), _) => context.field_of(&[Input::Username]),
        (Error::Refused(Refusal::NameInvalid(_)), came) => {
            let is_wrong = |input: Input| {
                inputs.get(input).is_some_and(|text| match input {
                    Input::Username => sprag::account::Name::username(text).is_err(),
                    _ => sprag::account::Name::email(text).is_err(),
                })
            };
            let wrong = [Input::Username, Input::Email]
                .into_iter()
                .zip(came)
                .find(|(input, came)| *came && is_wrong(*input));
            let is_no_language = |text: &str| !sprag::account::is_language(text);
            let particulars = match inputs.get(Input::Language).is_some_and(is_no_language) {
                true => vec![Input::Language],
                false => vec![Input::FullName, Input::GivenName, Input::FamilyName, Input::Role],
            };
            let is_told = particulars.iter().any(|input| inputs.get(*input).is_some());
            let left = if is_told { &particulars[..] } else { &[Input::IsEmailVerified] };
            wrong.map_or_else(|| context.field_of(left), |(input, _)| context.field_of(&[input]))
        }
        _ => return error.into(),
    };
    Problem::AtField(field, error)
}
