//! Making an account and logging in to it at once. Whoever is asked before a log-in is asked before there is an account, so that a refusal
//! leaves none: it would keep its names from whoever tries again.

use super::{ClientPolicy, Engine, Requester};
use crate::account::{Account, Name};
use crate::audit::NOBODY;
use crate::authn::AskedAhead;
use crate::error::{Error, Refusal};
use crate::hooks::LoginAsked;
use crate::password::Password;
use crate::session::Methods;
use crate::store::Step;

/// An account that was made.
pub(super) struct Made {
    pub(super) account: Account,
    /// Its password, if it has one, with the hash that it is kept as.
    pub(super) password: Option<(Password, String)>,
    /// What hooks said of its first log-in, where they were asked.
    pub(super) asked: Option<Box<AskedAhead>>,
}

/// Whose hooks are asked about an account that is to log in as soon as it is made, and on which device.
#[derive(Clone, Copy)]
pub(super) struct SigningUp<'a> {
    pub(super) client: &'a ClientPolicy,
    pub(super) device: Option<&'a str>,
}

/// An account as it will be, if it is made.
#[derive(Clone, Copy)]
pub(super) struct Planned<'a> {
    pub(super) account: &'a Account,
    /// The names that were chosen for it.
    pub(super) names: &'a [Name],
    pub(super) has_password: bool,
}

impl Engine {
    /// Asks the hooks about the first log-in of an account that is to be made; nothing where there are none, or where it opens no
    /// session yet. They are asked about the account with the key that it gets, and so once more where that turns out to be taken.
    pub(super) async fn ask_ahead(
        &self,
        signing_up: Option<SigningUp<'_>>,
        Planned { account, names, has_password }: Planned<'_>,
        requester: &Requester,
    ) -> Result<Option<Box<AskedAhead>>, Error> {
        let Some(SigningUp { client, device }) = signing_up else { return Ok(None) };
        let has_hooks = client.hooks.before_login.is_some() || client.hooks.claims.is_some();
        if !has_hooks || client.second_factor.is_asked_of(account) {
            return Ok(None);
        }
        // Nobody is asked about an account that is not made anyway.
        for name in names {
            if !self.store.alike(name).await?.is_empty() {
                return Err(Refusal::NameTaken.into());
            }
        }
        if let Some(hook) = &client.hooks.before_login {
            // As whoever has just chosen the password will have shown who they are.
            let methods = if has_password { Methods::PASSWORD } else { Methods::NONE };
            let methods: Vec<&'static str> = methods.amr().collect();
            let is_on_known_device = false;
            let asked = LoginAsked { account, methods: &methods, device, is_on_known_device, requester };
            let note = "the hook that is asked before a log-in said no to somebody who registered; no account was made";
            self.ask_before_login(hook.as_ref(), &asked, (NOBODY, note)).await?;
        }
        let session = self.key_of_new_session(account.id, self.now());
        let claims = self.claims_unkept(client, account, Some(session.session)).await?;
        Ok(Some(Box::new(AskedAhead { profile: client.profile, session, claims })))
    }

    /// What keeps with an account what its access tokens are to say, in the commit that makes it.
    pub(super) fn keeps_asked(&self, asked: Option<&AskedAhead>) -> Option<Step> {
        let AskedAhead { profile, session, claims } = asked?;
        Some(self.keeping_claims(*profile, session.account, claims.as_deref()?))
    }
}
