//! Showing who one is, apart from opening a session.
//!
//! Every way to authenticate ends in an [`Authenticated`], which only this module makes, and every session begins with
//! one: [`Engine::open_session`](crate::Engine::open_session) takes nothing else. [`password`] is the way that Sprag
//! offers itself; a second factor goes on from there. An application that knows its users already (a log-in of its own, an
//! upstream provider, a client certificate) [vouches](Authn::vouch_for) for them.

use arc_swap::ArcSwap;
use serde_json::{Map, Value};

use crate::account::Account;
use crate::clock::{Clock, Timestamp};
use crate::counts::CountedStore;
use crate::error::{Error, Refusal};
use crate::keys::KeyRing;
use crate::limits::Gate;
use crate::password::{Hasher, Password, Presence};
use crate::random::Random;
use crate::requester::Requester;
use crate::session::{AccountId, Epoch, Methods, ProfileId, SessionKey};
use crate::store::{Credential, Step};

mod devices;
mod factor;
mod failures;
pub mod mail;
pub mod password;
pub(crate) mod remembered;
mod tries;
mod unproven;

pub use devices::{DeviceText, MAX_DEVICES, Shown};
pub(crate) use devices::{Known, remember};
pub(crate) use factor::{Code, ShownFactor};
pub use failures::failures_told;
pub(crate) use failures::{Failures, More};

/// Somebody who has shown who they are, good for one session.
///
/// It names the account's epoch at that moment. If the epoch moves before the session is opened, what was shown is looked at
/// again: if the account is disabled by then, or its password another one, none is.
#[derive(Debug)]
#[must_use = "it opens a session, or nothing has come of it"]
pub struct Authenticated {
    account: Account,
    methods: Methods,
    at: Timestamp,
    proof: Proof,
    known: Option<Known>,
    /// What is spent where something comes of it: it goes into the commit that opens their session, or asks for more.
    spends: Vec<Step>,
    /// What hooks said already, where they were asked before there was an account.
    asked: Option<Box<AskedAhead>>,
}

/// What hooks said of a log-in before its account was made.
#[derive(Debug)]
pub(crate) struct AskedAhead {
    /// Whose hooks they are: those of another client have said nothing yet.
    pub(crate) profile: ProfileId,
    /// The session that they were told of, which is the one that opens.
    pub(crate) session: SessionKey,
    /// What they have its access token say.
    pub(crate) claims: Option<Box<Map<String, Value>>>,
}

/// What somebody showed, for when the account moves on before their session is opened.
struct Proof {
    /// The password that they typed, if it was one.
    password: Option<Password>,
    /// What the account's password was verified with then, if it had one.
    hash: Option<String>,
}

/// Prints what a log may show.
impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proof")
    }
}

impl Authenticated {
    /// The account, as it was when they showed it.
    #[must_use]
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The account's epoch, under which what they showed was good.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.account.epoch
    }

    /// In which ways they showed it.
    #[must_use]
    pub fn methods(&self) -> Methods {
        self.methods
    }

    /// When they showed it.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// Whether they showed it on a device that the account has logged in from: one that brought back what it was given at that
    /// log-in, or the refresh token of a live session. What this is false for is a new device, or one that shows nothing.
    #[must_use]
    pub fn is_on_known_device(&self) -> bool {
        self.known.is_some()
    }

    /// What is spent where something comes of it, as the first steps of a commit; one that misses was used meanwhile.
    pub(crate) fn spends(&self) -> &[Step] {
        &self.spends
    }

    /// The password that they typed, if it was one.
    pub(crate) fn password(&self) -> Option<&Password> {
        self.proof.password.as_ref()
    }

    /// How the account knows the device.
    pub(crate) fn known(&self) -> Option<&Known> {
        self.known.as_ref()
    }

    /// What the hooks of a profile said already, so that nobody asks them once more. It counts once.
    pub(crate) fn take_asked(&mut self, profile: ProfileId) -> Option<Box<AskedAhead>> {
        self.asked.take().filter(|asked| asked.profile == profile)
    }

    /// With what hooks said already.
    pub(crate) fn asked_ahead(self, asked: Option<Box<AskedAhead>>) -> Self {
        Self { asked, ..self }
    }

    /// Whoever made an account a moment ago, and chose its password, with its hash, where it has one.
    pub(crate) fn by_sign_up(account: Account, password: Option<(Password, String)>) -> Self {
        let methods = if password.is_some() { Methods::PASSWORD } else { Methods::NONE };
        let ((password, hash), at) = (password.unzip(), account.created_at);
        let proof = Proof { password, hash };
        Self { account, methods, at, proof, known: None, spends: Vec::new(), asked: None }
    }
}

/// The ways to authenticate, over what they need. An engine gives it: [`Engine::authn`](crate::Engine::authn).
#[derive(Clone, Copy)]
pub struct Authn<'a> {
    pub(crate) store: &'a CountedStore,
    pub(crate) clock: &'a dyn Clock,
    pub(crate) random: &'a dyn Random,
    pub(crate) hasher: &'a Hasher,
    pub(crate) failures: &'a Failures,
    pub(crate) keys: &'a ArcSwap<KeyRing>,
    pub(crate) gate: &'a Gate,
}

impl Authn<'_> {
    /// Takes an embedder's word for it that this account's owner is here, and showed so by these methods.
    ///
    /// For applications that authenticate people by themselves. Nothing is asked or compared: call it only after your own
    /// log-in has succeeded, in the request that it succeeded in. The account is read here, with the epoch it stands in; if
    /// it is disabled afterwards, or its password here is changed, no session is opened.
    ///
    /// # Errors
    /// [`Refusal::AccountUnknown`], [`Refusal::AccountDisabled`]; a [`Fault`](crate::Fault) if the store fails.
    pub async fn vouch_for(&self, account: AccountId, methods: Methods) -> Result<Authenticated, Error> {
        let at = self.clock.now();
        let credential = self.store.credential_of(account).await?.ok_or(Refusal::AccountUnknown)?;
        let Credential { account, password_hash: hash } = credential;
        if account.disabled_at.is_some() {
            return Err(Refusal::AccountDisabled.into());
        }
        let proof = Proof { password: None, hash };
        Ok(Authenticated { account, methods, at, proof, known: None, spends: Vec::new(), asked: None })
    }

    /// Looks again at what somebody showed whose account has moved on since.
    ///
    /// Whoever is disabled by now hears that. Where the password is the one that was verified, the account was disabled and
    /// enabled again, and they are who they were; with another one, what they typed is compared once more.
    ///
    /// # Errors
    /// [`Refusal::AccountDisabled`]; [`Refusal::CredentialsInvalid`] if the password is another one, or the account is gone; a
    /// [`Fault`](crate::Fault).
    pub(crate) async fn look_again(
        &self,
        somebody: Authenticated,
        requester: &Requester,
    ) -> Result<Authenticated, Error> {
        let Authenticated { account, methods, at, proof, known, spends, asked } = somebody;
        let found = self.store.credential_of(account.id).await?.ok_or(Refusal::CredentialsInvalid)?;
        if found.account.disabled_at.is_some() {
            self.note_failure(account.id, requester, failures::DISABLED).await?;
            return Err(Refusal::AccountDisabled.into());
        }
        if found.password_hash == proof.hash {
            return Ok(Authenticated { account: found.account, methods, at, proof, known, spends, asked });
        }
        let Some(password) = proof.password else { return Err(Refusal::CredentialsInvalid.into()) };
        match self.compare(found, password, requester, &Presence::default()).await? {
            Ok(somebody) => Ok(Authenticated { methods, known, spends, ..somebody }),
            Err(wrong) => {
                self.refuse(wrong, password::ANOTHER_MEANWHILE, requester).await?;
                Err(Refusal::CredentialsInvalid.into())
            }
        }
    }
}

impl std::fmt::Debug for Authn<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authn")
    }
}
