//! The page of an invitation: it asks for what the registration of the profile wants that invited, and makes the account.

use sprag::account::Name;
use sprag::engine::{Confirmation, Invite, NewUser, Requester};
use sprag::{Error, Refusal};

use super::{Field, Form, Sent, Shared, Shown, Wrong};
use crate::edge::registering;
use crate::profile::{Input, Needs, Profile};

/// What a form may ask for: the field's name, what a browser takes it for, how it fills it in and with which capitals.
const ASKABLE: [(Input, [&str; 4]); 6] = [
    (Input::Name, ["name", "text", "username", "none"]),
    (Input::Username, ["username", "text", "username", "none"]),
    (Input::Email, ["email", "email", "email", "none"]),
    (Input::FullName, ["full_name", "text", "name", "words"]),
    (Input::GivenName, ["given_name", "text", "given-name", "words"]),
    (Input::FamilyName, ["family_name", "text", "family-name", "words"]),
];

/// What is asked for where a profile has no call that registers.
const USUAL: [(Input, bool); 2] = [(Input::Username, true), (Input::Email, true)];

/// What one form asks for.
struct Asked<'a> {
    profile: &'a Profile,
    invite: &'a Invite,
    /// Each with whether it may be left out.
    inputs: Vec<(Input, bool)>,
}

/// The form, if the invitation can still be used.
pub(super) async fn look(shared: &Shared, token: &str) -> Result<Shown, Error> {
    let invite = shared.app.engine.invites().read(token).await?;
    let asked = Asked::by(profile(shared, &invite)?, &invite);
    Ok(asked.shown(token, |_| None))
}

/// Makes the account, or says what is wrong with what was typed; by that, the invitation is not spent.
pub(super) async fn act(shared: &Shared, sent: &Sent<'_>, requester: &Requester) -> Result<Shown, Error> {
    let engine = &shared.app.engine;
    engine.accounts().reserve_one(None, requester).await?;
    let invite = engine.invites().read(sent.token).await?;
    let profile = profile(shared, &invite)?;
    let asked = Asked::by(profile, &invite);
    let typed = |input| match input {
        Input::Password => Some(sent.new_password),
        input => asked.typed(sent, input),
    };
    let again = |wrong| asked.shown(sent.token, typed).because(wrong);
    if let Some(wrong) = asked.lacks(typed) {
        return Ok(again(wrong));
    }
    let languages = requester.languages.as_deref();
    let client = shared.app.policy_of(profile);
    let user = registering::account(typed, &client, Some(&invite), false, languages);
    if let Err((input, _)) = registering::expect_choosable(&shared.app.name_lists, &user) {
        return Ok(again(asked.wrong_name(input)));
    }
    let is_required = user.confirmation == Confirmation::Required;
    let made = match is_required {
        true => engine.letters().register_here_or_there(&client, user, requester).await,
        false => match engine.accounts().expect_free_there(&client, &user).await {
            Ok(()) => engine.accounts().create(user, requester).await.map(drop),
            taken => taken,
        },
    };
    match made {
        Ok(()) if is_required => {
            Ok(Shown::saying("page_invited_confirm", user.email.unwrap_or_default().trim()))
        }
        Ok(()) => Ok(Shown::saying("page_invited", "")),
        Err(Error::Refused(refusal)) => match asked.wrong(refusal, &user) {
            Some(wrong) => Ok(again(wrong)),
            None => Err(refusal.into()),
        },
        Err(error) => Err(error),
    }
}

/// Whose registration the invitation is for.
fn profile<'a>(shared: &'a Shared, invite: &Invite) -> Result<&'a Profile, Refusal> {
    let takes_invites = |profile: &&Profile| profile.client.registration.takes_invites();
    let is_meant = |profile: &&Profile| invite.profile().is_none_or(|id| profile.client.id == id);
    shared.profiles.iter().filter(takes_invites).find(is_meant).ok_or(Refusal::LinkInvalid)
}

impl<'a> Asked<'a> {
    fn by(profile: &'a Profile, invite: &'a Invite) -> Self {
        let mut routes = profile.wire.routes.iter().chain(&profile.wire.off);
        let fields = routes
            .find(|route| route.action.needs() == Needs::AdministratorUnlessOpen)
            .map(|route| route.takes.fields().iter().map(|field| (field.input, field.is_optional)).collect());
        let mut inputs: Vec<(Input, bool)> = Vec::new();
        for (input, is_optional) in fields.unwrap_or(USUAL.to_vec()) {
            let is_askable = ASKABLE.iter().any(|(askable, _)| *askable == input);
            if is_askable && inputs.iter().all(|(asked, _)| *asked != input) {
                inputs.push((input, is_optional));
            }
        }
        if invite.email().is_some() {
            // Its address is shown, and what may be one as well is not asked for.
            inputs.retain(|(input, _)| !matches!(input, Input::Name | Input::Email));
            inputs.insert(0, (Input::Email, false));
        } else if profile.client.confirmation == Confirmation::Required {
            let emails = inputs.iter_mut().filter(|(input, _)| *input == Input::Email);
            emails.for_each(|(_, is_optional)| *is_optional = false);
        }
        Self { profile, invite, inputs }
    }

    fn asks_for(&self, input: Input) -> bool {
        self.inputs.iter().any(|(asked, _)| *asked == input)
    }

    /// What somebody typed into the field of an input, where there is one to type into.
    fn typed<'s>(&self, sent: &Sent<'s>, input: Input) -> Option<&'s str> {
        let is_fixed = input == Input::Email && self.invite.email().is_some();
        if is_fixed || !self.asks_for(input) {
            return None;
        }
        sent.fields.get(name_of(input))?.as_str().filter(|text| !text.trim().is_empty())
    }

    /// The page with its form, in which stands what somebody typed, but a password.
    fn shown<'s>(&self, token: &str, typed: impl Fn(Input) -> Option<&'s str>) -> Shown {
        let has_username = self.asks_for(Input::Username) || self.asks_for(Input::Name);
        let field = |(input, is_optional): &(Input, bool)| {
            let (_, [name, kind, autocomplete, capitals]) =
                *ASKABLE.iter().find(|(askable, _)| askable == input)?;
            let fixed = self.invite.email().filter(|_| *input == Input::Email);
            // What a password is kept with in a browser.
            let names_account = *input == Input::Email && !has_username;
            Some(Field {
                name,
                kind,
                autocomplete: if names_account { "username" } else { autocomplete },
                capitals,
                value: fixed.or(typed(*input)).unwrap_or_default().to_owned(),
                is_optional: *is_optional,
                is_fixed: fixed.is_some(),
            })
        };
        let form = Form {
            fields: self.inputs.iter().filter_map(field).collect(),
            password_label: Some("password"),
            least: Some(self.profile.client.password.alone),
            ..Form::of(token)
        };
        Shown::saying("page_invite", self.invite.email().unwrap_or_default()).asking(form)
    }

    /// What is missing of that without which there is no account.
    fn lacks<'s>(&self, typed: impl Fn(Input) -> Option<&'s str>) -> Option<Wrong> {
        let has_address = self.invite.email().is_some();
        let needed = self.inputs.iter().filter(|(_, is_optional)| !is_optional);
        let mut needed = needed.filter(|(input, _)| !(has_address && *input == Input::Email));
        if let Some((input, _)) = needed.find(|(input, _)| typed(*input).is_none()) {
            return Some(Wrong::with(name_of(*input), "missing"));
        }
        let names = [Input::Username, Input::Email, Input::Name];
        let is_named = has_address || names.into_iter().any(|input| typed(input).is_some());
        if !is_named {
            return Some(Wrong::with(self.first(&names), "name_missing"));
        }
        let has_password = typed(Input::Password).is_some_and(|password| !password.is_empty());
        (!has_password).then(|| Wrong::with("new_password", "missing"))
    }

    /// What a refusal says of what was typed; `None` where it is about something else.
    fn wrong(&self, refusal: Refusal, user: &NewUser<'_>) -> Option<Wrong> {
        let is_wrong = |name: Option<Result<Name, Refusal>>| name.is_some_and(|name| name.is_err());
        Some(match refusal {
            Refusal::PasswordRejected(why) => Wrong::with_password(why),
            Refusal::NameTaken => {
                // Nothing tells of an address that is still to be confirmed.
                let tells_email = user.confirmation != Confirmation::Required;
                match (user.username, user.email.filter(|_| tells_email)) {
                    (Some(_), None) => {
                        Wrong::with(self.first(&[Input::Username, Input::Name]), "username_taken")
                    }
                    (Some(_), Some(_)) => {
                        Wrong::with(self.first(&[Input::Username, Input::Name]), "names_taken")
                    }
                    (None, _) => Wrong::with(self.first(&[Input::Email, Input::Name]), "email_taken"),
                }
            }
            Refusal::NameInvalid(_) if is_wrong(user.username.map(Name::username)) => {
                self.wrong_name(Input::Username)
            }
            Refusal::NameInvalid(_) if is_wrong(user.email.map(Name::email)) => self.wrong_name(Input::Email),
            Refusal::NameInvalid(_) => {
                let particulars = [Input::FullName, Input::GivenName, Input::FamilyName];
                Wrong::with(self.first(&particulars), "unfit")
            }
            _ => return None,
        })
    }

    fn wrong_name(&self, input: Input) -> Wrong {
        let text = if input == Input::Email { "email_invalid" } else { "username_invalid" };
        Wrong::with(self.first(&[input, Input::Name]), text)
    }

    /// The field of the first of these that is asked for.
    fn first(&self, inputs: &[Input]) -> &'static str {
        let asked = inputs.iter().find(|input| self.asks_for(**input));
        asked.or(inputs.first()).map_or("", |input| name_of(*input))
    }
}

/// The name of an input's field.
fn name_of(input: Input) -> &'static str {
    ASKABLE.iter().find(|(askable, _)| *askable == input).map_or("", |(_, [name, ..])| name)
}
