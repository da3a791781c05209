//! Who registers by themselves: what of it a profile decides, and which names they may choose. An action and a page ask it.

use sprag::Refusal;
use sprag::account::wanted_most;
use sprag::engine::{ClientPolicy, Confirmation, Invite, NewUser};

use crate::name_lists::NameLists;
use crate::profile::Input;

/// The account that somebody asks for with what they `typed`, as the profile of `client` has it. An invitation brings its address,
/// where none was typed; whoever confirms theirs by it, and whoever `is_trusted`, is asked for no other proof of it. Letters will be in
/// the language that was typed, or else the first of the `languages` that whoever registers reads.
pub(crate) fn account<'a>(
    typed: impl Fn(Input) -> Option<&'a str>,
    client: &ClientPolicy,
    invite: Option<&'a Invite>,
    is_trusted: bool,
    languages: Option<&'a str>,
) -> NewUser<'a> {
    let (username, email) = (typed(Input::Username), typed(Input::Email));
    let (username, email) = match typed(Input::Name) {
        Some(name) if name.contains('@') => (username, email.or(Some(name))),
        Some(name) => (username.or(Some(name)), email),
        None => (username, email),
    };
    let email = email.or(invite.and_then(Invite::email));
    let is_confirmed = email.zip(invite).is_some_and(|(email, invite)| invite.confirms(email));
    // What an administrator's browser says is not what another person reads.
    let reads = languages.and_then(wanted_most);
    NewUser {
        username,
        email,
        password: typed(Input::Password),
        password_length: Some(client.password),
        external_id: None,
        next_id: Some((client.profile, client.next_id)),
        is_admin: false,
        role: None,
        name: typed(Input::FullName),
        given_name: typed(Input::GivenName),
        family_name: typed(Input::FamilyName),
        language: typed(Input::Language).or(reads.filter(|_| !is_trusted)),
        confirmation: if is_trusted || is_confirmed { Confirmation::Off } else { client.confirmation },
        invite,
    }
}

/// Holds whoever comes without having been asked to the lists of names, and whoever was asked to the address they were asked at. Says
/// with the refusal which of the names it is about.
pub(crate) fn expect_choosable(lists: &NameLists, user: &NewUser<'_>) -> Result<(), (Input, Refusal)> {
    lists.expect_free(user.username, None).map_err(|refusal| (Input::Username, refusal))?;
    match (user.invite, user.email) {
        (Some(invite), Some(email)) if !invite.is_for(email) => {
            let why = "this invitation is for another address; use the one that it was sent to";
            Err((Input::Email, Refusal::NameInvalid(why)))
        }
        (Some(invite), _) if invite.email().is_some() => Ok(()),
        _ => lists.expect_free(None, user.email).map_err(|refusal| (Input::Email, refusal)),
    }
}
