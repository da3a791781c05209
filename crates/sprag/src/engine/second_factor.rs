//! A log-in that waits for its second factor: what goes on with it is a one-time token, bound to the account, and to the client
//! instance where that was named both times.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::opening::{Opened, Spending};
use super::{ClientPolicy, Engine, OpenRequest, Requester, TokenPair, tried_too_often};
use crate::account::Account;
use crate::authn::{Authenticated, Code, Shown, ShownFactor};
use crate::error::{Error, Fault, Refusal};
use crate::factor::{FactorKind, Held};
use crate::limits::Reserved;
use crate::one_time::{
    Digest, MAX_TRIES, OneTimeText, OneTimeToken, Parsed, Proof, Purpose, TokenId, hashed,
};
use crate::random;
use crate::ratchet::MAX_MISSES;
use crate::session::{AccountId, Methods, ProfileId};
use crate::store::{Commit, Committed, Expect, Step};

/// What a log-in came to.
#[derive(Debug)]
pub enum LoggedIn {
    /// A session was opened.
    Opened(Box<TokenPair>),
    /// The account has a second factor, and it is to be shown.
    Waits(WaitingLogIn),
}

/// A log-in whose password was right, and that goes on once a second factor is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WaitingLogIn {
    /// What goes on with it, for its client alone.
    pub token: OneTimeText,
    /// What may be shown, in the order in which it is to be offered.
    pub factors: Vec<FactorKind>,
    /// For how many seconds it can be gone on with.
    pub expires_in: u64,
}

/// A second factor that somebody shows to go on with their log-in.
#[derive(Clone, Copy)]
pub struct FactorRequest<'a> {
    /// The token of the [`WaitingLogIn`].
    pub token: &'a str,
    /// What is shown.
    pub proof: FactorProof<'a>,
    /// What the client asks of the session; what it called the device before stands where it says nothing now.
    pub open: OpenRequest<'a>,
}

/// What somebody shows as a second factor.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum FactorProof<'a> {
    /// The code of an app, or a recovery code, as typed.
    Code(&'a str),
    /// A passkey: what a browser answered, as JSON.
    #[cfg(feature = "passkeys")]
    Passkey(&'a serde_json::Value),
}

impl FactorProof<'_> {
    /// What is refused where nothing comes of it.
    pub(super) fn refusal(self) -> Refusal {
        match self {
            Self::Code(_) => Refusal::CodeWrong,
            #[cfg(feature = "passkeys")]
            Self::Passkey(_) => Refusal::PasskeyWrong,
        }
    }

    /// Whether it has worked once it was looked at, whatever came of that.
    fn is_spent_by_a_look(self) -> bool {
        match self {
            Self::Code(_) => false,
            #[cfg(feature = "passkeys")]
            Self::Passkey(_) => true,
        }
    }
}

/// Prints what a log may show: no code and no passkey.
impl fmt::Debug for FactorProof<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FactorProof")
    }
}

/// Prints what a log may show: no token and no code.
impl fmt::Debug for FactorRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FactorRequest")
    }
}

/// What whoever goes on with a log-in must know, sealed in its token's row.
#[derive(Serialize, Deserialize)]
struct Waiting {
    profile: ProfileId,
    methods: u16,
    device: Option<String>,
}

/// A log-in that waits, as it stands in the store.
struct Found {
    account: Account,
    parsed: Parsed,
    bound_to: Digest,
    waiting: Waiting,
}

impl Engine {
    /// Opens a session for somebody who has shown who they are, or says that a second factor is to be shown first.
    ///
    /// # Errors
    /// As [`open_session`](Self::open_session), but for [`Refusal::SecondFactorRequired`].
    pub async fn log_in(
        &self,
        client: &ClientPolicy,
        somebody: Authenticated,
        request: OpenRequest<'_>,
        requester: &Requester,
    ) -> Result<LoggedIn, Error> {
        match self.open(client, somebody, None, request, requester).await? {
            Opened::Session(pair) => Ok(LoggedIn::Opened(pair)),
            Opened::Waits(somebody, held) => {
                let waits = self.has_wait(client, &somebody, &held, request, requester).await?;
                Ok(LoggedIn::Waits(waits))
            }
            Opened::Spent => Err(tried_too_often("open a session").into()),
        }
    }

    /// Goes on with a log-in whose password was right. `shown` is what the client shows of the device that it runs on.
    ///
    /// # Errors
    /// [`Refusal::LogInLapsed`] if the token is good no longer, or never was; [`Refusal::CodeWrong`], or of a passkey
    /// [`Refusal::PasskeyWrong`]; [`Refusal::PasskeysUnavailable`]; [`Refusal::RateLimited`]; what [`open_session`](Self::open_session) refuses; a [`Fault`].
    pub async fn log_in_with_factor(
        &self,
        client: &ClientPolicy,
        request: FactorRequest<'_>,
        shown: &Shown,
        requester: &Requester,
    ) -> Result<TokenPair, Error> {
        let found = self.waiting(client, request.token, requester).await?;
        let (authn, account) = (self.authn(), found.account.id);
        let reserved = authn.reserve_code(account, requester).await?;
        for _ in 0..=MAX_MISSES {
            let held = authn.held(account).await?;
            let factor = self.factor_shown(&found, &held, (request.proof, &reserved), requester).await?;
            let now = self.now();
            let told = factor.event().map(|kind| requester.event_of_account(account, kind, now, None));
            let letter = self.tells_of_code(&found.account, &held, &factor, requester);
            let has_letter = letter.is_some();
            let spends = [self.counts_try(&found), spends(&found, now), factor.spends];
            let spending = Spending {
                steps: spends.into_iter().chain(letter).collect(),
                events: told.into_iter().collect(),
            };
            let methods = Methods::from_bits(found.waiting.methods) | factor.methods;
            let known = authn.known(account, shown).await?;
            let somebody = Authenticated::by_factor(found.account.clone(), methods, now, known);
            let device = request.open.device.or(found.waiting.device.as_deref());
            let open = OpenRequest { device, ..request.open };
            match self.open(client, somebody, Some(spending), open, requester).await? {
                Opened::Session(pair) => {
                    authn.give_code_back(&reserved).await;
                    if has_letter {
                        self.letters_wait.notify_one();
                    }
                    return Ok(*pair);
                }
                // The token, the account or the code: whichever it was shows when it is looked at again.
                Opened::Spent | Opened::Waits(..) => {
                    self.waiting(client, request.token, requester).await?;
                    if request.proof.is_spent_by_a_look() {
                        return Err(request.proof.refusal().into());
                    }
                }
            }
        }
        Err(tried_too_often("open a session").into())
    }

    /// The factor that is shown to go on with a log-in; a wrong one costs the log-in a try.
    async fn factor_shown(
        &self,
        found: &Found,
        held: &Held,
        (proof, reserved): (FactorProof<'_>, &Reserved),
        requester: &Requester,
    ) -> Result<ShownFactor, Error> {
        let (authn, account) = (self.authn(), found.account.id);
        match self.look_at(account, held, proof, requester).await? {
            Code::Right(factor) => Ok(factor),
            Code::UsedBefore => {
                authn.give_code_back(reserved).await;
                Err(proof.refusal().into())
            }
            Code::Wrong => {
                // What was compared is told to whoever has a try left.
                let counted = Commit { steps: vec![self.counts_try(found)], ..nothing(account) };
                if !self.store.commit(counted).await?.is_done() {
                    return Err(Refusal::LogInLapsed.into());
                }
                self.note_wrong(account, proof, requester).await?;
                Err(proof.refusal().into())
            }
        }
    }

    /// What somebody shows as a second factor of this account. Its try is reserved.
    pub(super) async fn look_at(
        &self,
        account: AccountId,
        held: &Held,
        proof: FactorProof<'_>,
        requester: &Requester,
    ) -> Result<Code, Error> {
        match proof {
            FactorProof::Code(code) => Ok(self.authn().factor_code(account, held, code)?),
            #[cfg(feature = "passkeys")]
            FactorProof::Passkey(credential) => {
                Box::pin(self.passkey_of(account, credential, requester)).await
            }
        }
    }

    /// Notes that a second factor was wrong.
    pub(super) async fn note_wrong(
        &self,
        account: AccountId,
        proof: FactorProof<'_>,
        requester: &Requester,
    ) -> Result<(), Error> {
        match proof {
            FactorProof::Code(_) => self.authn().note_wrong_code(account, requester).await,
            #[cfg(feature = "passkeys")]
            FactorProof::Passkey(_) => self.authn().note_wrong_passkey(account, requester).await,
        }
    }

    /// Whose log-in waits for a second factor.
    #[cfg(feature = "passkeys")]
    pub(super) async fn account_waiting(
        &self,
        client: &ClientPolicy,
        text: &str,
        requester: &Requester,
    ) -> Result<AccountId, Error> {
        Ok(self.waiting(client, text, requester).await?.account.id)
    }

    /// Has a log-in wait: its token, and what goes on with it.
    async fn has_wait(
        &self,
        client: &ClientPolicy,
        somebody: &Authenticated,
        held: &Held,
        request: OpenRequest<'_>,
        requester: &Requester,
    ) -> Result<WaitingLogIn, Error> {
        let (now, keys, random) = (self.now(), self.keys.load(), self.random.as_ref());
        let (account, id) = (somebody.account().id, TokenId(random::id(random, now)));
        let (purpose, secret) = (Purpose::SecondFactor, random::bytes::<16>(random));
        let text = OneTimeText::write(&keys, now, (purpose, account, id), &secret);
        let waiting = Waiting {
            profile: client.profile,
            methods: somebody.methods().bits(),
            device: request.device.map(str::to_owned),
        };
        let plain =
            serde_json::to_vec(&waiting).map_err(|error| Fault::internal("have a log-in wait", error))?;
        let token = OneTimeToken {
            account,
            id,
            purpose,
            bound_to: instance_of(requester),
            secret_hash: hashed(&secret),
            // Nobody knows what this is of: it is there so that tries are counted.
            code_hash: Some(random::bytes(random)),
            solved_by: None,
            tries: 0,
            epoch: Some(somebody.epoch()),
            made_at: now,
            expires_at: now.plus(purpose.lives()),
            sealed: keys.seal(now, random, &bound_to(&account, &id), &plain),
        };
        // A link or a code by mail that got somebody here gets nobody here again.
        let spends = somebody.spends();
        let steps = spends.iter().cloned().chain([Step::PutToken(Box::new(token))]).collect();
        let commit = Commit { expect: Expect::Standing(somebody.epoch()), steps, ..nothing(account) };
        match self.store.commit(commit).await? {
            Committed::Done { .. } => {
                let expires_in = purpose.lives().as_secs();
                Ok(WaitingLogIn { token: text, factors: held.kinds(), expires_in })
            }
            // The password was changed meanwhile, or the account disabled: whoever logs in again hears it.
            Committed::AccountMoved => Err(Refusal::LogInLapsed.into()),
            Committed::Missed { step } if step < spends.len() => Err(Refusal::LinkInvalid.into()),
            Committed::Missed { .. } => Err(tried_too_often("have a log-in wait").into()),
        }
    }

    /// The log-in that a token goes on with, if it can be gone on with; a look, by which nothing is spent.
    async fn waiting(
        &self,
        client: &ClientPolicy,
        text: &str,
        requester: &Requester,
    ) -> Result<Found, Error> {
        let (now, keys) = (self.now(), self.keys.load());
        let lapsed = Refusal::LogInLapsed;
        let parsed = Parsed::read(&keys, now, Purpose::SecondFactor, text).ok_or(lapsed)?;
        let token = self.store.one_time_token(parsed.account, parsed.id).await?.ok_or(lapsed)?;
        let account = self.store.account(parsed.account).await?.ok_or(lapsed)?;
        let opened = keys.open(now, &bound_to(&parsed.account, &parsed.id), &token.sealed);
        let waiting =
            opened.and_then(|plain| serde_json::from_slice::<Waiting>(&plain).ok()).ok_or(lapsed)?;
        let named = instance_of(requester);
        let is_elsewhere = ![token.bound_to, named].contains(&UNNAMED) && token.bound_to != named;
        let is_usable = token.is_for(Purpose::SecondFactor, &token.bound_to, now)
            && token.secret_hash == parsed.secret_hash
            && token.tries < MAX_TRIES
            && token.epoch == Some(account.epoch)
            && account.disabled_at.is_none()
            && waiting.profile == client.profile
            && !is_elsewhere;
        if !is_usable {
            return Err(lapsed.into());
        }
        Ok(Found { account, parsed, bound_to: token.bound_to, waiting })
    }

    /// Counts a try, if one is left.
    fn counts_try(&self, found: &Found) -> Step {
        let random = self.random.as_ref();
        Step::TryCode {
            token: found.parsed.id,
            purpose: found.parsed.purpose,
            bound_to: found.bound_to,
            code_hash: random::bytes(random),
            solver: random::bytes(random),
            at: self.now(),
        }
    }
}

/// What a log-in is bound to where nobody said which client instance asks.
const UNNAMED: Digest = [0; 32];

fn instance_of(requester: &Requester) -> Digest {
    if requester.is_instance_named { hashed(&requester.instance) } else { UNNAMED }
}

fn spends(found: &Found, at: crate::clock::Timestamp) -> Step {
    Step::SpendToken {
        token: found.parsed.id,
        purpose: found.parsed.purpose,
        bound_to: found.bound_to,
        proof: Proof::Secret(found.parsed.secret_hash),
        at,
    }
}

fn bound_to<'a>(account: &'a AccountId, id: &'a TokenId) -> [&'a [u8]; 4] {
    [b"one_time_token", account.0.as_bytes(), Purpose::SecondFactor.name().as_bytes(), id.0.as_bytes()]
}

fn nothing(account: AccountId) -> Commit {
    Commit { account, expect: Expect::Anything, steps: Vec::new(), events: Vec::new() }
}
