//! A name and a password.
//!
//! An unknown name and a wrong password take the same path: the same work, the same note for the journal, the same answer at
//! the same moment.

use std::time::{Duration, Instant};

use tokio::join;
use tokio::time::timeout;

use super::devices::{Known, Shown};
use super::failures::{DISABLED, SECOND_FACTOR, Told, WRONG_PASSKEY};
use super::mail::WRONG_CODE;
use super::tries::At;
use super::{Authenticated, Authn, Proof};
use crate::account::Account;
use crate::audit::{EventKind, NOBODY, Severity};
use crate::error::{Error, Fault, FaultKind, Refusal};
use crate::hooks::{OldAccount, OldAccounts};
use crate::password::{Compared, Match, Password, Presence};
use crate::prefix::Prefix;
use crate::requester::Requester;
use crate::security::Outcome;
use crate::seldom;
use crate::session::{AccountId, Methods, SessionKey};
use crate::store::{Commit, Credential, Expect, Step, Was, meant_by};

/// What the journal says of who is not let in by what they typed.
const UNKNOWN_OR_WRONG: &str = "unknown name or wrong password";

/// What it says where the password is right, and nobody is to learn by that who has an address.
pub(crate) const UNCONFIRMED: &str = "right password, and the address is not confirmed yet";

/// What it says where the password was right a moment ago.
pub(super) const ANOTHER_MEANWHILE: &str = "another password was set meanwhile";

/// Another password than the account's, which nobody has been told yet.
pub(crate) struct Wrong {
    account: AccountId,
    came: Instant,
    compared: Compared,
}

/// Another system that may be asked where nobody here has a name.
#[derive(Clone, Copy)]
pub(crate) struct Elsewhere<'a> {
    pub(crate) old: &'a dyn OldAccounts,
    /// Whether the name never led to anybody here.
    pub(crate) may_be_asked: bool,
    /// How long it may take.
    pub(crate) patience: Duration,
}

/// Whose name and password were typed.
pub(crate) enum Typed {
    /// Somebody's here.
    Here(Box<Authenticated>),
    /// Somebody's in another system.
    Elsewhere(OldAccount),
    /// Somebody's here whose address must be confirmed first, which nobody is to be told: they are refused as whoever typed a wrong
    /// password.
    Unconfirmed(Box<Account>, Wrong),
}

impl Elsewhere<'_> {
    /// Whose they are there. Where nobody answers, they are nobody's.
    async fn ask(&self, name: &str, password: &str) -> Option<OldAccount> {
        let why = match timeout(self.patience, self.old.with_password(name, password)).await {
            Ok(Ok(found)) => return found,
            Ok(Err(fault)) => fault.source.map(|why| why.to_string()).unwrap_or_default(),
            Err(_) => "no answer in time".to_owned(),
        };
        if let Some(left_out) = seldom::left_out("ask the old system") {
            tracing::warn!(
                left_out,
                "the old system did not answer, so nobody is let in whom only it knows: {why}"
            );
        }
        None
    }
}

impl Authn<'_> {
    /// Says who knows the password of the account that a user name or e-mail address leads to, both as typed; on a device that
    /// shows nothing, as [`password_on`](Self::password_on) has it.
    ///
    /// # Errors
    /// As [`password_on`](Self::password_on).
    pub async fn password(
        &self,
        name: &str,
        password: &str,
        requester: &Requester,
    ) -> Result<Authenticated, Error> {
        self.password_on(&Shown::default(), name, password, requester).await
    }

    /// Says who knows the password of the account that a user name or e-mail address leads to, both as typed, on a device that
    /// shows what it has from before. Before anything is hashed, the try is reserved of a [budget](crate::limits): the known
    /// device's, or else the account's and the network's. A right password gives it back.
    ///
    /// # Errors
    /// [`Refusal::CredentialsInvalid`], [`Refusal::AccountDisabled`] (only to who knows the password),
    /// [`Refusal::PasswordRejected`] for a password nobody can have, [`Refusal::RateLimited`] if too many were tried; a
    /// [`Fault`], busy if too many log in at once.
    pub async fn password_on(
        &self,
        shown: &Shown,
        name: &str,
        password: &str,
        requester: &Requester,
    ) -> Result<Authenticated, Error> {
        match self.typed(None, shown, name, password, requester).await? {
            Typed::Here(somebody) => Ok(*somebody),
            Typed::Elsewhere(_) => Err(Refusal::CredentialsInvalid.into()),
            Typed::Unconfirmed(_, wrong) => {
                self.refuse(wrong, UNCONFIRMED, requester).await?;
                Err(Refusal::CredentialsInvalid.into())
            }
        }
    }

    /// Says whose name and password these are: somebody's here, as [`password_on`](Self::password_on) has it, or, where nobody
    /// here has the name, somebody's in another system that is asked meanwhile.
    pub(crate) async fn typed(
        &self,
        elsewhere: Option<Elsewhere<'_>>,
        shown: &Shown,
        name: &str,
        password: &str,
        requester: &Requester,
    ) -> Result<Typed, Error> {
        let (came, from, text) = (Instant::now(), requester.prefix(), password);
        let password = Password::typed(password)?;
        let credential = meant_by(self.store.as_ref(), name).await?;
        let (at, known) = match &credential {
            Some(Credential { account, .. }) => {
                (At::Account(account.id), self.known(account.id, shown).await?)
            }
            None => {
                // A known name takes this second look, and the answer must come no earlier without it.
                self.store.credential_of(NOBODY).await?;
                (At::Nobody(name), None)
            }
        };
        let tried =
            self.reserve_try((came, password.count_forms()), at, (known, shown.solved), requester).await?;
        let stored = credential.as_ref().and_then(|credential| credential.password_hash.clone());
        let place = Presence::default();
        let unless_looked_at = self.unless_looked_at(&tried, &place);
        let asks = elsewhere.filter(|elsewhere| credential.is_none() && elsewhere.may_be_asked);
        let (compared, found) =
            join!(self.hasher.verify_from(from, password.clone(), stored, &place), async {
                match asks {
                    Some(elsewhere) => Box::pin(elsewhere.ask(name, text)).await,
                    None => None,
                }
            });
        drop(unless_looked_at);
        let compared = match compared {
            Ok(compared) => compared,
            Err(fault) => {
                self.tell_busy(&fault, requester);
                self.was_not_looked_at(&tried, &fault).await;
                return Err(fault.into());
            }
        };
        if let Some(found) = found {
            self.was_right(&tried).await;
            return Ok(Typed::Elsewhere(found));
        }
        let account = credential.as_ref().map_or(NOBODY, |credential| credential.account.id);
        let matched = matched(&compared.outcome, account);
        let Some(credential) = credential.filter(|_| matched != Match::No) else {
            // On the account's chain, or on nobody's. Either may cost a write or none; what is waited for below covers that.
            // The name that was typed is not recorded, for people type passwords there.
            self.note_failure(account, requester, UNKNOWN_OR_WRONG).await?;
            self.hasher.wait_to_refuse(came, &compared, self.random).await;
            return Err(Refusal::CredentialsInvalid.into());
        };
        if shown.hides_unconfirmed && credential.account.is_unconfirmed() {
            // Whoever signed up with somebody's address chose that password, and would learn by another answer whether it was free.
            return Ok(Typed::Unconfirmed(Box::new(credential.account), Wrong { account, came, compared }));
        }
        self.was_right(&tried).await;
        let account = credential.account;
        if account.disabled_at.is_some() {
            self.note_failure(account.id, requester, DISABLED).await?;
            self.hasher.wait_to_refuse(came, &compared, self.random).await;
            return Err(Refusal::AccountDisabled.into());
        }
        let hash = credential.password_hash;
        if let Some(old) = hash.clone().filter(|_| matched == Match::Outdated) {
            // Of the form that matched: what was typed may be another text, which the hash is not of.
            self.renew(account.id, compared.form.clone(), old, from).await;
        }
        let somebody = self.by_password(account, password, hash);
        Ok(Typed::Here(Box::new(Authenticated { known: tried.into_known(), ..somebody })))
    }

    /// Says that whoever uses this session knows the password of its account too, or that what they typed is another one. The
    /// try is reserved as at a log-in on a known device: a session lives there.
    ///
    /// # Errors
    /// [`Refusal::AccountUnknown`]; [`Refusal::RateLimited`] if too many were tried; a [`Fault`](crate::Fault).
    pub(crate) async fn password_of(
        &self,
        session: SessionKey,
        password: Password,
        requester: &Requester,
    ) -> Result<Result<Authenticated, Wrong>, Error> {
        let account = session.account;
        let credential = self.store.credential_of(account).await?.ok_or(Refusal::AccountUnknown)?;
        let known = Some(Known::Session(session));
        let came = (Instant::now(), password.count_forms());
        let tried = self.reserve_try(came, At::Account(account), (known, None), requester).await?;
        let place = Presence::default();
        let unless_looked_at = self.unless_looked_at(&tried, &place);
        let compared = self.compare(credential, password, requester, &place).await;
        drop(unless_looked_at);
        match &compared {
            Ok(Ok(_)) => self.was_right(&tried).await,
            Ok(Err(_)) | Err(Error::Refused(_)) => {}
            Err(Error::Failed(fault)) => self.was_not_looked_at(&tried, fault).await,
        }
        compared
    }

    /// Compares a password with an account's, which waits in this place.
    pub(super) async fn compare(
        &self,
        credential: Credential,
        password: Password,
        requester: &Requester,
        place: &Presence,
    ) -> Result<Result<Authenticated, Wrong>, Error> {
        let came = Instant::now();
        let Credential { account, password_hash: hash } = credential;
        let from = requester.prefix();
        let compared = self.hasher.verify_from(from, password.clone(), hash.clone(), place).await;
        let compared = compared.inspect_err(|fault| self.tell_busy(fault, requester))?;
        if matched(&compared.outcome, account.id) == Match::No {
            return Ok(Err(Wrong { account: account.id, came, compared }));
        }
        Ok(Ok(self.by_password(account, password, hash)))
    }

    /// Notes in the journal that a password was wrong, and waits until the moment at which that may be told.
    pub(crate) async fn refuse(
        &self,
        wrong: Wrong,
        why: &'static str,
        requester: &Requester,
    ) -> Result<(), Error> {
        self.note_failure(wrong.account, requester, why).await?;
        self.hasher.wait_to_refuse(wrong.came, &wrong.compared, self.random).await;
        Ok(())
    }

    /// Whoever typed the password that this hash is of.
    fn by_password(&self, account: Account, password: Password, hash: Option<String>) -> Authenticated {
        let proof = Proof { password: Some(password), hash };
        let (methods, at) = (Methods::PASSWORD, self.clock.now());
        Authenticated { account, methods, at, proof, known: None, spends: Vec::new(), asked: None }
    }

    /// Hashes a password anew with today's parameters. If that fails, the next log-in tries again.
    async fn renew(&self, account: AccountId, password: Password, old: String, from: Prefix) {
        let renewed = match self.hasher.hash_from(from, password, self.random).await {
            Ok(newer) => {
                let was = Was::This(old.into_bytes());
                let steps = vec![Step::put_password(was, newer, self.clock.now())];
                let commit = Commit { account, expect: Expect::Anything, steps, events: Vec::new() };
                self.store.commit(commit).await.map(drop)
            }
            Err(fault) => Err(fault),
        };
        if let Err(fault) = renewed
            && let Some(left_out) = seldom::left_out("renew a password hash")
        {
            tracing::warn!(%fault, %account, left_out, "an outdated password hash was not renewed");
        }
    }

    /// Notes that a log-in failed: in the journal, or where many did so before, in a count that the journal gets.
    pub(super) async fn note_failure(
        &self,
        account: AccountId,
        requester: &Requester,
        why: &'static str,
    ) -> Result<(), Error> {
        let (kind, now) = (EventKind::LoginFailed, self.clock.now());
        self.store.counts.login_refused(refusal_of(why).code());
        let event = requester.event_of_account(account, kind, now, Some(why.to_owned()));
        match self.failures.count(account, why, requester, now) {
            Told::Each => self.store.record(event).await?,
            Told::Nothing => Outcome::of(&event).tell_seldom(),
            Told::Together(more) => {
                let journalled = self.store.record(more.event(now)).await;
                if journalled.is_err() {
                    self.failures.put_back(more);
                }
                journalled?;
            }
        }
        Ok(())
    }

    /// Counts a password that nobody had the time to look at, and tells the security log of it.
    fn tell_busy(&self, fault: &Fault, requester: &Requester) {
        if fault.kind == FaultKind::Busy {
            let (ip, user_agent) = (requester.ip.as_deref(), requester.user_agent.as_deref());
            let refusal = fault.kind.row().name;
            Outcome::named("", Severity::Warning, ip, user_agent).refused(refusal).tell_seldom();
            self.store.counts.login_refused(refusal);
        }
    }
}

/// What is told to who fails for this reason.
fn refusal_of(why: &'static str) -> Refusal {
    match why {
        UNKNOWN_OR_WRONG | ANOTHER_MEANWHILE | UNCONFIRMED => Refusal::CredentialsInvalid,
        DISABLED => Refusal::AccountDisabled,
        WRONG_CODE => Refusal::LinkInvalid,
        SECOND_FACTOR => Refusal::CodeWrong,
        WRONG_PASSKEY => Refusal::PasskeyWrong,
        _ => Refusal::CurrentPasswordWrong,
    }
}

/// What a comparison came to. A stored hash that nothing can be compared with matches no password: an answer of its own would
/// tell that there is such an account.
fn matched(outcome: &Result<Match, Fault>, account: AccountId) -> Match {
    outcome.as_ref().copied().unwrap_or_else(|fault| {
        if let Some(left_out) = seldom::left_out("compare with a stored hash") {
            let why = fault.source.as_ref().map(ToString::to_string).unwrap_or_default();
            tracing::error!(
                %account,
                left_out,
                "the stored password hash of this account cannot be used, and nobody logs in with it; let its owner set a new \
                 password: {fault}: {why}"
            );
        }
        Match::No
    })
}
