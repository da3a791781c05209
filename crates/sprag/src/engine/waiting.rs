//! A log-in that waits for what is still to be shown: what goes on with it is a one-time token, bound to the account, and to the
//! client instance where that was named both times.

use serde::{Deserialize, Serialize};

use super::one_time::NewToken;
use super::opening::{Unshown, Wants};
use super::{ClientPolicy, Engine, OpenRequest, Requester, tried_too_often};
use crate::account::Account;
use crate::clock::Timestamp;
use crate::error::{Error, Refusal};
use crate::factor::FactorKind;
use crate::letter::{Letter, LetterKind};
use crate::one_time::login::new_code;
use crate::one_time::{Digest, MAX_TRIES, OneTimeText, OneTimeToken, Parsed, Proof, Purpose, hashed, sealed};
use crate::random;
use crate::risk::Risk;
use crate::session::ProfileId;
use crate::store::{Commit, Committed, Expect, Step};

/// A log-in whose password was right, and that goes on once more is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WaitingLogIn {
    /// What goes on with it, for its client alone.
    pub token: OneTimeText,
    /// What may be shown, in the order in which it is to be offered. Where a factor is to be added: what is to be shown before.
    pub factors: Vec<FactorKind>,
    /// For how many seconds it can be gone on with.
    pub expires_in: u64,
    /// Whether it goes on once the account has a second factor, which it must have and has not.
    pub is_enrolment: bool,
}

/// What whoever goes on with a log-in must know, sealed in its token's row.
#[derive(Serialize, Deserialize)]
pub(super) struct Waiting {
    profile: ProfileId,
    pub(super) methods: u16,
    pub(super) device: Option<String>,
    /// How unlike those before it the log-in was, as the journal says it.
    risk: Option<String>,
    /// Whether the code of a letter is to be shown.
    pub(super) wants_mailed_code: bool,
}

/// A log-in that waits, as it stands in the store.
pub(super) struct Found {
    pub(super) account: Account,
    pub(super) parsed: Parsed,
    pub(super) token: OneTimeToken,
    pub(super) waiting: Waiting,
}

impl Found {
    /// Counts a try of a code, if one is left.
    pub(super) fn tries(&self, code_hash: Digest, solver: Digest, at: Timestamp) -> Step {
        let (token, purpose, bound_to) = (self.parsed.id, self.parsed.purpose, self.token.bound_to);
        Step::TryCode { token, purpose, bound_to, code_hash, solver, at }
    }

    /// Spends the token.
    pub(super) fn spend(&self, proof: Proof, at: Timestamp) -> Step {
        let (token, purpose, bound_to) = (self.parsed.id, self.parsed.purpose, self.token.bound_to);
        Step::SpendToken { token, purpose, bound_to, proof, at }
    }

    /// How unlike those before it the log-in was when it began.
    pub(super) fn risk(&self) -> Option<Risk> {
        self.waiting.risk.as_deref().and_then(|note| note.parse().ok())
    }
}

impl Engine {
    /// Has a log-in wait: its token, and the letter with its code where one is to be shown.
    pub(super) async fn has_wait(
        &self,
        client: &ClientPolicy,
        unshown: &Unshown,
        request: OpenRequest<'_>,
        requester: &Requester,
    ) -> Result<WaitingLogIn, Error> {
        let (now, somebody) = (self.now(), &unshown.somebody);
        let account = somebody.account();
        let is_enrolment = unshown.wants == Wants::Enrolment;
        let purpose = if is_enrolment { Purpose::Enrolment } else { Purpose::SecondFactor };
        // Who came by a letter has shown that they read the account's mail.
        let by_mail = somebody.methods().contains(crate::session::Methods::MAIL);
        let wants_mailed_code = match unshown.wants {
            Wants::Factor => false,
            Wants::MailedCode => true,
            Wants::Enrolment => !by_mail && self.mails(account),
        };
        let waiting = Waiting {
            profile: client.profile,
            methods: somebody.methods().bits(),
            device: request.device.map(str::to_owned),
            risk: unshown.risk.as_ref().and_then(Risk::note),
            wants_mailed_code,
        };
        let (token, text) = self.new_token(
            &NewToken {
                account: account.id,
                purpose,
                bound_to: instance_of(requester),
                epoch: Some(somebody.epoch()),
                payload: &waiting,
            },
            now,
        );
        let code = new_code(self.random.as_ref());
        // Where no code is mailed, nobody knows what the hash is of: it is there so that tries are counted.
        let code_hash = match wants_mailed_code {
            true => code_hash(text.as_str(), &code),
            false => random::bytes(self.random.as_ref()),
        };
        let token = OneTimeToken { code_hash: Some(code_hash), ..token };
        let letter = match wants_mailed_code {
            true => Some(self.letter_with_code(account, code, &token, requester, now).await?),
            false => None,
        };
        // A link or a code by mail that got somebody here gets nobody here again.
        let spends = somebody.spends();
        let steps = spends.iter().cloned().chain([Step::PutToken(Box::new(token))]).chain(letter).collect();
        let expect = Expect::Standing(somebody.epoch());
        let commit = Commit { account: account.id, expect, steps, events: Vec::new() };
        match self.store.commit(commit).await? {
            Committed::Done { .. } => {
                self.letters_wait.notify_one();
                let factors = match (unshown.wants, wants_mailed_code) {
                    (Wants::Factor, _) => self.shown_here(unshown.held.kinds()),
                    (_, true) => vec![FactorKind::MailedCode],
                    (_, false) => Vec::new(),
                };
                let expires_in = purpose.lives().as_secs();
                Ok(WaitingLogIn { token: text, factors, expires_in, is_enrolment })
            }
            // The password was changed meanwhile, or the account disabled: whoever logs in again hears it.
            Committed::AccountMoved => Err(Refusal::LogInLapsed.into()),
            Committed::Missed { step } if step < spends.len() => Err(Refusal::LinkInvalid.into()),
            Committed::Missed { .. } => Err(tried_too_often("have a log-in wait").into()),
        }
    }

    /// Of these kinds the ones that this engine takes: an account may have a passkey of a site that is no more.
    fn shown_here(&self, kinds: Vec<FactorKind>) -> Vec<FactorKind> {
        let takes = |kind: &FactorKind| *kind != FactorKind::Passkey || self.passkeys.is_some();
        kinds.into_iter().filter(takes).collect()
    }

    /// The letter with the code of a log-in that waits for it.
    async fn letter_with_code(
        &self,
        account: &Account,
        code: String,
        token: &OneTimeToken,
        requester: &Requester,
        now: Timestamp,
    ) -> Result<Step, Error> {
        let address = account.email.as_deref().unwrap_or_default();
        self.letters().reserve_letter(Some(account), address, None, requester).await?;
        let letter = Letter::asked_for(LetterKind::LogInCode, address, requester, now);
        let letter = Letter { code: Some(code), ..letter.to_owner_of(account) };
        let (keys, random) = (self.keys.load(), self.random.as_ref());
        Ok(Step::PutMessage(Box::new(letter.sealed(account.id, (&keys, random), token.expires_at))))
    }

    /// The log-in that a token goes on with, if it can be gone on with; a look, by which nothing is spent.
    ///
    /// # Errors
    /// [`Refusal::LogInLapsed`]; a [`Fault`](crate::Fault).
    pub(super) async fn waiting(
        &self,
        client: &ClientPolicy,
        purpose: Purpose,
        text: &str,
        requester: &Requester,
    ) -> Result<Found, Error> {
        let found = self.waiting_anywhere(purpose, text).await?;
        let named = instance_of(requester);
        let is_elsewhere = ![found.token.bound_to, named].contains(&UNNAMED) && found.token.bound_to != named;
        match found.waiting.profile == client.profile && !is_elsewhere {
            true => Ok(found),
            false => Err(Refusal::LogInLapsed.into()),
        }
    }

    /// The profile of a log-in that waits for a second factor, for a page that goes on with it.
    ///
    /// # Errors
    /// [`Refusal::LogInLapsed`]; a [`Fault`](crate::Fault).
    pub async fn profile_of_waiting(&self, text: &str) -> Result<ProfileId, Error> {
        Ok(self.waiting_anywhere(Purpose::SecondFactor, text).await?.waiting.profile)
    }

    async fn waiting_anywhere(&self, purpose: Purpose, text: &str) -> Result<Found, Error> {
        let (now, keys) = (self.now(), self.keys.load());
        let lapsed = Refusal::LogInLapsed;
        let parsed = Parsed::read(&keys, now, purpose, text).ok_or(lapsed)?;
        let token = self.store.one_time_token(parsed.account, parsed.id).await?.ok_or(lapsed)?;
        let account = self.store.account(parsed.account).await?.ok_or(lapsed)?;
        let waiting: Waiting = sealed::open(&keys, now, &token).ok_or(lapsed)?;
        let is_usable = token.is_for(purpose, &token.bound_to, now)
            && token.secret_hash == parsed.secret_hash
            && (token.tries < MAX_TRIES || token.solved_by.is_some())
            && token.epoch == Some(account.epoch)
            && account.disabled_at.is_none();
        if is_usable { Ok(Found { account, parsed, token, waiting }) } else { Err(lapsed.into()) }
    }
}

/// What a log-in is bound to where nobody said which client instance asks.
const UNNAMED: Digest = [0; 32];

fn instance_of(requester: &Requester) -> Digest {
    requester.named_instance.map_or(UNNAMED, |named| hashed(&named))
}

/// What is kept of a mailed code: with the token, which no row has, so that a million guesses at the row find nothing.
pub(super) fn code_hash(token: &str, code: &str) -> Digest {
    hashed(&zeroize::Zeroizing::new([token.as_bytes(), b"\n", code.as_bytes()].concat()))
}
