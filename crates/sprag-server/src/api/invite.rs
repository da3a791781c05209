//! `invite`: an administrator invites somebody to make an account, by a letter where there is an address.

use std::time::Duration;

use axum::response::Response;
use sprag::Refusal;
use sprag::account::is_language;
use sprag::engine::Invitation;
use sprag::one_time::Purpose;

use super::context::{Call, RouteContext};
use super::listing::wrong;
use crate::duration;
use crate::edge::refusal::Problem;
use crate::profile::{Answer, Fact, Facts, Input, Needs, Spec};

pub(crate) const SPEC: Spec = Spec {
    needs: Needs::Administrator,
    wants_fresh: true,
    takes: &[Input::Email, Input::Role, Input::Language, Input::ExpiresIn],
    reads_body: true,
    answer: Answer::Shaped { anywhere: &[&[Fact::Invite, Fact::InviteExpiresAt]], each: &[] },
    refuses: &["name_invalid", "name_taken", "registration_closed"],
    unavailable: "the service cannot answer just now, and the invitation may have been sent or not; invite again in a second: both \
                  would be good, for one account each",
    ..Spec::named("invite", "Invite somebody to make an account, for administrators")
};

pub(super) async fn run(context: &RouteContext, mut call: Call) -> Result<Response, Problem> {
    let caller = call.caller()?;
    let mut fields = call.fields()?;
    fields.spell_number(&context.field_of(&[Input::ExpiresIn]));
    let inputs = context.inputs(&fields)?;
    if !context.served.profile.client.registration.takes_invites() {
        return Err(Refusal::RegistrationClosed.into());
    }
    let lasts = match inputs.get(Input::ExpiresIn) {
        Some(text) => Some(lasts(text).ok_or_else(|| {
            wrong(context, Input::ExpiresIn, "must be from 60 seconds to 7 days, as 3600 or \"2d\"")
        })?),
        None => None,
    };
    let requester = context.acting(&call.parts, &caller)?;
    let (email, role) = (inputs.get(Input::Email), inputs.get(Input::Role));
    let language = inputs.get(Input::Language);
    let profile = Some(context.served.client.profile);
    let invitation = Invitation { email, role, language, lasts, profile };
    let invites = context.app.engine.invites();
    let made = invites.invite(invitation, caller.key.account, &requester).await;
    let made = made.map_err(|error| match error {
        sprag::Error::Refused(Refusal::NameTaken | Refusal::NameInvalid(_)) => {
            let input = match language {
                Some(tag) if !is_language(tag) => Input::Language,
                _ if email.is_some() => Input::Email,
                _ => Input::Role,
            };
            Problem::AtField(context.field_of(&[input]), error)
        }
        error => error.into(),
    })?;
    let invite = Some((made.text.as_str(), made.expires_at));
    Ok(context.shaped(&Facts { invite, ..Facts::default() }))
}

/// A bare number is one of seconds.
fn lasts(text: &str) -> Option<Duration> {
    let seconds = text.parse().ok().map(Duration::from_secs);
    let span = seconds.or_else(|| duration::parse(text).ok())?;
    (Duration::from_secs(60)..=Purpose::Invite.lives()).contains(&span).then_some(span)
}
