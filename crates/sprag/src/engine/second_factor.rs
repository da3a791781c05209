//! A log-in that goes on once a second factor is shown.

use std::fmt;

use super::opening::{Opened, Spending};
use super::waiting::{Found, WaitingLogIn, code_hash};
use super::{ClientPolicy, Engine, OpenRequest, Requester, TokenPair, tried_too_often};
use crate::authn::{Authenticated, Code, Shown};
use crate::error::{Error, Refusal};
use crate::factor::Held;
use crate::limits::Reserved;
use crate::one_time::login::typed_code;
use crate::one_time::{Digest, Proof, Purpose};
use crate::random;
use crate::ratchet::MAX_MISSES;
use crate::session::{AccountId, Methods};
use crate::store::{Commit, Expect};

/// What a log-in came to.
#[derive(Debug)]
pub enum LoggedIn {
    /// A session was opened.
    Opened(Box<TokenPair>),
    /// More is to be shown first: a second factor, where the account has one.
    Waits(WaitingLogIn),
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
    /// The code of an app, a recovery code, or the code of a letter, as typed.
    Code(&'a str),
    /// A passkey: what a browser answered, as JSON.
    Passkey(&'a serde_json::Value),
}

impl FactorProof<'_> {
    /// What is refused where nothing comes of it.
    pub(super) fn refusal(self) -> Refusal {
        match self {
            Self::Code(_) => Refusal::CodeWrong,
            Self::Passkey(_) => Refusal::PasskeyWrong,
        }
    }

    /// Whether it has worked once it was looked at, whatever came of that.
    fn is_spent_by_a_look(self) -> bool {
        match self {
            Self::Code(_) => false,
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

/// What was shown to go on, and what spends it.
struct GoesOn {
    methods: Methods,
    spending: Spending,
    has_letter: bool,
}

impl Engine {
    /// Opens a session for somebody who has shown who they are, or says that a second factor is to be shown first.
    ///
    /// # Errors
    /// As [`open_session`](Self::open_session), but for [`Refusal::SecondFactorRequired`] and [`Refusal::EnrolmentRequired`].
    pub async fn log_in(
        &self,
        client: &ClientPolicy,
        somebody: Authenticated,
        request: OpenRequest<'_>,
        requester: &Requester,
    ) -> Result<LoggedIn, Error> {
        match self.open(client, somebody, None, request, requester).await? {
            Opened::Session(pair) => Ok(LoggedIn::Opened(pair)),
            Opened::Waits(unshown) => {
                Ok(LoggedIn::Waits(self.has_wait(client, &unshown, request, requester).await?))
            }
            Opened::Spent => Err(tried_too_often("open a session").into()),
        }
    }

    /// Goes on with a log-in whose password was right. `shown` is what the client shows of the device that it runs on.
    ///
    /// # Errors
    /// [`Refusal::LogInLapsed`] if the token is good no longer, or never was; [`Refusal::CodeWrong`], or of a passkey
    /// [`Refusal::PasskeyWrong`]; [`Refusal::PasskeysUnavailable`]; [`Refusal::RateLimited`]; what [`open_session`](Self::open_session) refuses; a [`Fault`](crate::Fault).
    pub async fn log_in_with_factor(
        &self,
        client: &ClientPolicy,
        request: FactorRequest<'_>,
        shown: &Shown,
        requester: &Requester,
    ) -> Result<TokenPair, Error> {
        let found = self.waiting(client, Purpose::SecondFactor, request.token, requester).await?;
        let (authn, account) = (self.authn(), found.account.id);
        let reserved = self.reserve_look(account, request.proof, requester).await?;
        for _ in 0..=MAX_MISSES {
            let goes_on = match found.waiting.wants_mailed_code {
                true => self.by_mailed_code(&found, request, requester).await?,
                false => self.by_factor(&found, request, reserved.as_ref(), requester).await?,
            };
            let GoesOn { methods, spending, has_letter } = goes_on;
            let methods = Methods::from_bits(found.waiting.methods) | methods;
            let known = authn.known(account, shown).await?;
            let somebody = Authenticated::by_factor(found.account.clone(), methods, self.now(), known);
            let device = request.open.device.or(found.waiting.device.as_deref());
            let open = OpenRequest { device, ..request.open };
            match self.open(client, somebody, Some(spending), open, requester).await? {
                Opened::Session(pair) => {
                    self.give_look_back(reserved.as_ref()).await;
                    if has_letter {
                        self.letters_wait.notify_one();
                    }
                    return Ok(*pair);
                }
                // The token, the account or the code: whichever it was shows when it is looked at again.
                Opened::Spent | Opened::Waits(..) => {
                    self.waiting(client, Purpose::SecondFactor, request.token, requester).await?;
                    if request.proof.is_spent_by_a_look() {
                        return Err(request.proof.refusal().into());
                    }
                    if found.waiting.wants_mailed_code && authn.held(account).await?.has_factor() {
                        self.give_look_back(reserved.as_ref()).await;
                        // Its owner has added a factor since, which the code of a letter does not stand in for.
                        return Err(Refusal::LogInLapsed.into());
                    }
                }
            }
        }
        Err(tried_too_often("open a session").into())
    }

    /// Goes on by one of the account's factors, whose use is spent in the commit that opens the session.
    async fn by_factor(
        &self,
        found: &Found,
        request: FactorRequest<'_>,
        reserved: Option<&Reserved>,
        requester: &Requester,
    ) -> Result<GoesOn, Error> {
        let (authn, account) = (self.authn(), found.account.id);
        let held = authn.held(account).await?;
        let now = self.now();
        let random = self.random.as_ref();
        let counts_try = found.tries(random::bytes(random), random::bytes(random), now);
        let factor = match self.look_at(account, &held, request.proof, requester).await? {
            Code::Right(factor) => factor,
            Code::UsedBefore => {
                self.give_look_back(reserved).await;
                return Err(request.proof.refusal().into());
            }
            Code::Wrong => {
                // What was compared is told to whoever has a try left.
                let counted = Commit { steps: vec![counts_try], ..nothing(account) };
                if !self.store.commit(counted).await?.is_done() {
                    return Err(Refusal::LogInLapsed.into());
                }
                self.note_wrong(account, request.proof, requester).await?;
                return Err(request.proof.refusal().into());
            }
        };
        let told = factor.event().map(|kind| requester.event_of_account(account, kind, now, None));
        let letter = self.tells_of_code(&found.account, &held, &factor, requester);
        let has_letter = !letter.is_empty();
        let spends = [counts_try, found.spend(Proof::Secret(found.parsed.secret_hash), now), factor.spends];
        let spending = Spending {
            steps: spends.into_iter().chain(letter).collect(),
            events: told.into_iter().collect(),
            risk: found.risk(),
        };
        Ok(GoesOn { methods: factor.methods, spending, has_letter })
    }

    /// Goes on by the code of a letter. Each try is counted by the step that compares it, before anybody looks at what came of it.
    async fn by_mailed_code(
        &self,
        found: &Found,
        request: FactorRequest<'_>,
        requester: &Requester,
    ) -> Result<GoesOn, Error> {
        let code = match request.proof {
            FactorProof::Code(code) => code,
            FactorProof::Passkey(_) => return Err(Refusal::CodeWrong.into()),
        };
        let solver = self.solves(found, (request.token, code), requester).await?;
        let steps = vec![found.spend(Proof::Solved(solver), self.now())];
        let spending = Spending { steps, events: Vec::new(), risk: found.risk() };
        Ok(GoesOn { methods: Methods::MAIL, spending, has_letter: false })
    }

    /// Reserves the look at a code. What a passkey has signed is no guess, and is looked at however many were wrong: nobody is kept from
    /// theirs by whoever knows the password. One that is wrong costs a try all the same.
    pub(super) async fn reserve_look(
        &self,
        account: AccountId,
        proof: FactorProof<'_>,
        requester: &Requester,
    ) -> Result<Option<Reserved>, Error> {
        match proof {
            FactorProof::Code(_) => self.authn().reserve_code(account, requester).await.map(Some),
            FactorProof::Passkey(_) => Ok(None),
        }
    }

    /// Gives a look back that was at no guess.
    pub(super) async fn give_look_back(&self, reserved: Option<&Reserved>) {
        if let Some(reserved) = reserved {
            self.authn().give_code_back(reserved).await;
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
            FactorProof::Code(code) => Ok(self.authn().factor_code(account, held, code, requester).await?),
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
            FactorProof::Passkey(_) => {
                let _ = self.authn().reserve_code(account, requester).await?;
                self.authn().note_wrong_passkey(account, requester).await
            }
        }
    }

    /// Tries the code of a letter; says which try was the right one.
    ///
    /// # Errors
    /// [`Refusal::CodeWrong`]; [`Refusal::LogInLapsed`] where no try is left; a [`Fault`](crate::Fault).
    pub(super) async fn solves(
        &self,
        found: &Found,
        (token, code): (&str, &str),
        requester: &Requester,
    ) -> Result<Digest, Error> {
        let account = found.account.id;
        let code = typed_code(code).ok_or(Refusal::CodeWrong)?;
        let solver: Digest = random::bytes(self.random.as_ref());
        let step = found.tries(code_hash(token, &code), solver, self.now());
        let tried = Commit { steps: vec![step], ..nothing(account) };
        if !self.store.commit(tried).await?.is_done() {
            return Err(Refusal::LogInLapsed.into());
        }
        let token = self.store.one_time_token(account, found.parsed.id).await?;
        if token.is_some_and(|token| token.solved_by == Some(solver)) {
            return Ok(solver);
        }
        self.authn().note_wrong_code(account, requester).await?;
        Err(Refusal::CodeWrong.into())
    }
}

fn nothing(account: AccountId) -> Commit {
    Commit { account, expect: Expect::Anything, steps: Vec::new(), events: Vec::new() }
}
