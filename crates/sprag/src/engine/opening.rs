//! What a session begins with.

use super::hooks::AskedClaims;
use super::letters::addressed;
use super::pair::{About, Told};
use super::{ClientPolicy, Confirmation, Engine, Requester, TokenPair, commits, tried_too_often};
use crate::account::Account;
use crate::audit::Event;
use crate::authn::{self, Authenticated, DeviceText, remembered};
use crate::clock::Timestamp;
use crate::counts::Counts;
use crate::error::{Error, Fault, Refusal};
use crate::factor::Held;
use crate::hooks::LoginAsked;
use crate::place::Country;
use crate::ratchet::{MAX_MISSES, SessionState, access};
use crate::risk::{Decision, Risk};
use crate::session::{AccountId, EndCause, Epoch, Methods, Session, SessionDetail, SessionId, SessionKey};
use crate::store::{Committed, CredentialId, Ending, Room, Rotated, Step, Was};
use crate::token::RefreshToken;

/// What a client asks of a new session.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenRequest<'a> {
    /// What the user calls the device.
    pub device: Option<&'a str>,
    /// The refresh token this device still has from before, if it shows one: that session gives way.
    pub superseded: Option<&'a str>,
    /// Whether the account shall know the device from now on, by what the pair's [`device`](super::TokenPair::device) says; the
    /// client is to keep that and show it at its next log-in.
    pub remembers_device: bool,
    /// What the device was given when a second factor was shown on it, so that it is not asked for one for a while; there may be
    /// what others were given who use it.
    pub remembered: &'a [DeviceText],
    /// Whether the device shall not be asked for a second factor for a while, by what the pair's
    /// [`remembered`](super::TokenPair::remembered) says. It comes to nothing where none is shown now.
    pub remembers_factor: bool,
}

/// What opening a session came to.
pub(super) enum Opened {
    /// There is one.
    Session(Box<TokenPair>),
    /// More is to be shown first.
    Waits(Box<Unshown>),
    /// What was shown besides was spent in the meantime.
    Spent,
}

/// Whoever has shown something, and not all that the account wants.
pub(super) struct Unshown {
    pub(super) somebody: Authenticated,
    pub(super) held: Held,
    pub(super) wants: Wants,
    pub(super) risk: Option<Risk>,
}

/// What is to be shown before a session opens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wants {
    /// One of the account's second factors.
    Factor,
    /// That its owner reads the account's mail: the log-in is unlike those before it, and there is no second factor.
    MailedCode,
    /// That it has a second factor, which the client asks for and it has not.
    Enrolment,
}

/// What hooks said of a log-in.
#[derive(Default)]
struct Asked {
    is_done: bool,
    claims: AskedClaims,
}

/// What somebody showed besides a password, and what it takes to go on.
#[derive(Clone, Debug, Default)]
pub(super) struct Spending {
    pub(super) steps: Vec<Step>,
    pub(super) events: Vec<Event>,
    /// How unlike those before it the log-in was when it began.
    pub(super) risk: Option<Risk>,
}

/// A session that is about to open.
struct Begun<'a> {
    client: &'a ClientPolicy,
    request: OpenRequest<'a>,
    requester: &'a Requester,
    token: RefreshToken,
    room: Room,
    risk: Option<Risk>,
    now: Timestamp,
}

/// What opens a session, and what is handed out once it did.
struct Planned {
    opening: commits::Opening,
    told: Told,
    device: Option<DeviceText>,
    remembered: Option<DeviceText>,
    /// How many of its first steps spend a link or a code by mail.
    once: usize,
    /// How many of its first steps spend what was shown, or expect that no more need be shown.
    spent_by: usize,
}

impl Engine {
    /// Opens a session, or refuses where more is to be shown first.
    pub(super) async fn opened(
        &self,
        client: &ClientPolicy,
        somebody: Authenticated,
        request: OpenRequest<'_>,
        requester: &Requester,
    ) -> Result<TokenPair, Error> {
        match self.open(client, somebody, None, request, requester).await? {
            Opened::Session(pair) => Ok(*pair),
            Opened::Waits(unshown) if unshown.wants == Wants::Enrolment => {
                Err(Refusal::EnrolmentRequired.into())
            }
            Opened::Waits(..) | Opened::Spent => Err(Refusal::SecondFactorRequired.into()),
        }
    }

    /// Opens a session, where whoever asks has shown as much as the account wants: a second factor, where it has one. What they
    /// showed of that is spent in the commit that opens the session.
    pub(super) async fn open(
        &self,
        client: &ClientPolicy,
        mut somebody: Authenticated,
        spending: Option<Spending>,
        request: OpenRequest<'_>,
        requester: &Requester,
    ) -> Result<Opened, Error> {
        let (now, account) = (self.now(), somebody.account().id);
        let is_going_on = spending.is_some();
        let Spending { steps, events, risk } = spending.unwrap_or_default();
        expect_confirmed(client, somebody.account())?;
        let risk = match is_going_on {
            true => risk,
            false => self.before_opening(&somebody, request, requester, now).await?,
        };
        let (key, mut asked) = match somebody.take_asked(client.profile) {
            Some(ahead) => (ahead.session, Asked { is_done: true, claims: ahead.claims }),
            None => (self.key_of_new_session(account, now), Asked::default()),
        };
        let token = RefreshToken::first(client.profile, key, self.random.as_ref());
        let ending = requester.ending(EndCause::Replaced, now);
        let room = self.room_for(client, somebody.account(), request, ending).await?;
        let begun = Begun { client, request, requester, token, room, risk, now };
        for _ in 0..=MAX_MISSES {
            let held = self.authn().held(account).await?;
            let remembered = self.device_remembered(&begun, &somebody, &held);
            if let Some(wants) = still_wanted(&begun, &somebody, &held, remembered.is_some()) {
                let has_shown_mail = somebody.methods().contains(Methods::MAIL);
                let wants_mail = wants == Wants::MailedCode
                    || wants == Wants::Enrolment && is_risky(&begun) && !has_shown_mail;
                if wants_mail && !self.mails(somebody.account()) {
                    // There is nothing more that could be asked of them; to add a factor, the password would do.
                    return Err(self.refuse_risky(&somebody, &begun.risk, requester, now).await?);
                }
                let unshown = Unshown { somebody, held, wants, risk: begun.risk };
                return Ok(Opened::Waits(Box::new(unshown)));
            }
            self.ask_once(&mut asked, client, &somebody, (request, requester), key.session).await?;
            let planned = self.planned(&begun, &somebody, (&steps, &events), remembered);
            let Planned { opening, told, device, remembered, once, spent_by } = planned;
            let is_new_device = request.remembers_device && somebody.known().is_none();
            let count = self.counting_login(is_new_device, requester);
            match self.store.commit_telling(opening.commit(), count).await? {
                Committed::Done { .. } => {
                    let about = About::of(somebody.account(), &asked.claims);
                    let pair = self.pair(client, about, &begun.token, None, told, now)?;
                    return Ok(Opened::Session(Box::new(TokenPair { device, remembered, ..pair })));
                }
                // Somebody else came first with a link or a code by mail.
                Committed::Missed { step } if step < once => return Err(Refusal::LinkInvalid.into()),
                Committed::Missed { step } if step < spent_by && is_going_on => return Ok(Opened::Spent),
                // A second factor was added a moment ago, or the device is remembered no more.
                Committed::Missed { step } if step < spent_by => {}
                Committed::AccountMoved if is_going_on => return Ok(Opened::Spent),
                Committed::AccountMoved => somebody = self.authn().look_again(somebody, requester).await?,
                Committed::Missed { .. } => {
                    let what = "there is a session of this id already";
                    return Err(Fault::internal("open a session", what).into());
                }
            }
        }
        Err(tried_too_often("open a session").into())
    }

    /// The commit that opens a session, and what is handed out by it.
    fn planned(
        &self,
        begun: &Begun<'_>,
        somebody: &Authenticated,
        (steps, events): (&[Step], &[Event]),
        remembered: Option<(CredentialId, &[u8])>,
    ) -> Planned {
        let Begun { client, request, requester, token, room, risk, now } = begun;
        let session = Session {
            authenticated_at: somebody.at(),
            methods: somebody.methods(),
            ..new_session(client, token, somebody.epoch(), requester, *now)
        };
        let told = Told::fresh(client, Rotated::of(&session), *now);
        let (device, remembers) = self.remembered(somebody, *request, *now);
        let has_shown = somebody.methods().has_factor();
        let (news, told_along) =
            self.along_with_login(somebody.account(), risk.as_ref(), requester, token.key, *now);
        let once = somebody.spends().len();
        let holds = (!has_shown).then(|| still_holds(remembered, *now));
        let first: Vec<Step> = somebody.spends().iter().chain(steps).cloned().chain(holds).collect();
        let spent_by = first.len();
        let for_a_while = self.remember_for.filter(|_| has_shown && request.remembers_factor);
        let (own, put) =
            for_a_while.map(|span| remembered::remember(self.random.as_ref(), now.plus(span), *now)).unzip();
        let opening = commits::Opening {
            news,
            remembers: first.into_iter().chain(remembers).chain(put.into_iter().flatten()).collect(),
            events: told_along.into_iter().chain(events.iter().cloned()).collect(),
            detail: detail(requester, request.device),
            session,
            room: Some(room.clone()),
        };
        Planned { opening, told, device, remembered: own, once, spent_by }
    }

    /// The row of the device that need not show a second factor for a while, where that counts: beside the password only, for whoever
    /// came by a letter has shown that they read mail; and not where the log-in is unlike those before it.
    fn device_remembered<'h>(
        &self,
        begun: &Begun<'_>,
        somebody: &Authenticated,
        held: &'h Held,
    ) -> Option<(CredentialId, &'h [u8])> {
        let methods = somebody.methods();
        let is_by_password = methods.contains(Methods::PASSWORD) && !methods.has_factor();
        let counts = self.remember_for.is_some() && !is_risky(begun) && is_by_password;
        if counts { remembered::shown(held, begun.request.remembered, begun.now) } else { None }
    }

    /// Whether a code can be mailed to the owner of an account: letters are sent, and the address is confirmed.
    pub(super) fn mails(&self, account: &Account) -> bool {
        self.sends_letters && account.email_confirmed_at().is_some() && addressed(account.clone()).is_some()
    }

    /// How unlike those before it a log-in is, before anything is opened.
    pub(super) async fn before_opening(
        &self,
        somebody: &Authenticated,
        request: OpenRequest<'_>,
        requester: &Requester,
        now: Timestamp,
    ) -> Result<Option<Risk>, Error> {
        // Whoever has just made the account has no log-in before this one.
        let is_signing_up = somebody.at() == somebody.account().created_at;
        if is_signing_up { Ok(None) } else { self.weigh(somebody, request, requester, now).await }
    }

    /// Asks the hooks, once for a log-in, and only where nothing more is to be shown: one that waits for its second factor asks
    /// when that was shown.
    async fn ask_once(
        &self,
        asked: &mut Asked,
        client: &ClientPolicy,
        somebody: &Authenticated,
        (request, requester): (OpenRequest<'_>, &Requester),
        session: SessionId,
    ) -> Result<(), Error> {
        if std::mem::replace(&mut asked.is_done, true) {
            return Ok(());
        }
        if let Some(hook) = &client.hooks.before_login {
            let methods: Vec<&'static str> = somebody.methods().amr().collect();
            let asked = LoginAsked {
                account: somebody.account(),
                methods: &methods,
                device: request.device,
                is_on_known_device: somebody.is_on_known_device(),
                requester,
            };
            let told = (somebody.account().id, "the hook that is asked before a log-in said no");
            Box::pin(self.ask_before_login(hook.as_ref(), &asked, told)).await?;
        }
        if client.hooks.claims.is_some() {
            asked.claims = Box::pin(self.claims_asked(client, somebody.account(), Some(session))).await?;
        }
        Ok(())
    }

    /// What gives way to a new session.
    async fn room_for(
        &self,
        client: &ClientPolicy,
        account: &Account,
        request: OpenRequest<'_>,
        ending: Ending,
    ) -> Result<Room, Fault> {
        Ok(Room {
            replaces: self.session_to_replace(client, account.id, request.superseded).await?,
            most: self.limits.sessions_per_account,
            // It may have come with more, and nobody is logged out by moving.
            spares_the_rest: account.particulars.external.is_some(),
            ending,
        })
    }

    /// What the device is given that the account is to know from now on, and what remembers it.
    fn remembered(
        &self,
        somebody: &Authenticated,
        request: OpenRequest<'_>,
        now: Timestamp,
    ) -> (Option<DeviceText>, Vec<Step>) {
        if !request.remembers_device {
            return (None, Vec::new());
        }
        let (account, keys) = (somebody.account().id, self.keys.load());
        authn::remember(account, somebody.known(), &keys, self.random.as_ref(), now)
    }

    /// The live session whose newest refresh token a client shows at a log-in: the account knows the device that it is on. The
    /// one before it will do, for the answer with the newest may have been lost; an older one may be a thief's.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn session_shown(
        &self,
        client: &ClientPolicy,
        text: &str,
    ) -> Result<Option<SessionKey>, Fault> {
        let now = self.now();
        let Some(token) = self.recognise(client, text, now).await? else { return Ok(None) };
        let found = self.store.find(token.key).await?;
        let is_its = |state: &SessionState| {
            state.session.profile == client.profile
                && state.session.secret_hash == token.secret_hash()
                && state.session.generation.0.abs_diff(token.generation.0) <= 1
                && access(state, now).is_none()
        };
        Ok(found.filter(is_its).map(|_| token.key))
    }

    /// The session on the same device whose place a new one takes. A tag alone is not enough to end a session: the token's
    /// secret must be the row's.
    pub(super) async fn session_to_replace(
        &self,
        client: &ClientPolicy,
        account: AccountId,
        superseded: Option<&str>,
    ) -> Result<Option<SessionId>, Fault> {
        let Some(text) = superseded else { return Ok(None) };
        let token = self.recognise(client, text, self.now()).await?;
        let Some(token) = token.filter(|token| token.key.account == account) else { return Ok(None) };
        let found = self.store.find(token.key).await?;
        let is_its = |state: &SessionState| {
            state.session.secret_hash == token.secret_hash() && state.session.ended.is_none()
        };
        Ok(found.filter(is_its).map(|_| token.key.session))
    }

    /// What counts, once it is done, what is known of a log-in besides that it opens a session.
    pub(super) fn counting_login(
        &self,
        is_new_device: bool,
        requester: &Requester,
    ) -> impl FnOnce(&Counts) + Send + 'static {
        let country = self.whereabouts.knows_places().then(|| {
            let address = requester.ip.as_deref().and_then(|ip| ip.parse().ok());
            let place = address.and_then(|address| self.whereabouts.place(address));
            place.and_then(|place| place.country)
        });
        move |counts| {
            if is_new_device {
                counts.new_device();
            }
            if let Some(country) = country {
                counts.login_from(country.as_ref().map(Country::code));
            }
        }
    }
}

fn expect_confirmed(client: &ClientPolicy, account: &Account) -> Result<(), Refusal> {
    let is_missing = account.is_unconfirmed() && client.confirmation == Confirmation::Required;
    if is_missing { Err(Refusal::EmailUnconfirmed) } else { Ok(()) }
}

/// Whether a log-in is so unlike those before it that the password alone will not do.
fn is_risky(begun: &Begun<'_>) -> bool {
    begun.risk.as_ref().is_some_and(|risk| risk.decision >= Decision::SecondFactor)
}

/// What is to be shown besides what was, if anything is.
fn still_wanted(
    begun: &Begun<'_>,
    somebody: &Authenticated,
    held: &Held,
    is_remembered: bool,
) -> Option<Wants> {
    let methods = somebody.methods();
    if methods.has_factor() {
        return None;
    }
    if held.has_factor() {
        return (!is_remembered).then_some(Wants::Factor);
    }
    if begun.client.second_factor.is_asked_of(somebody.account()) {
        return Some(Wants::Enrolment);
    }
    // Who came by a letter has shown what one would show.
    (is_risky(begun) && !methods.contains(Methods::MAIL)).then_some(Wants::MailedCode)
}

/// Applies where what nobody was asked for need not be asked for still, when the session opens: the device is remembered as it
/// was, or the account has no second factor.
fn still_holds(remembered: Option<(CredentialId, &[u8])>, at: Timestamp) -> Step {
    remembered.map_or(Step::ExpectNoFactor, |(id, row)| {
        let (was, to) = (Was::This(row.to_vec()), row.to_vec());
        Step::PutCredential { id, was, to, at }
    })
}

pub(super) fn new_session(
    client: &ClientPolicy,
    token: &RefreshToken,
    epoch: Epoch,
    requester: &Requester,
    now: Timestamp,
) -> Session {
    let begun = Session::begun(token.key, client.profile, token.secret_hash(), epoch, &client.policy, now);
    Session { instance_hash: requester.instance, ..begun }
}

pub(super) fn detail(requester: &Requester, device: Option<&str>) -> SessionDetail {
    SessionDetail {
        ip: requester.ip.clone(),
        user_agent: requester.user_agent.clone(),
        device: device.map(str::to_owned),
        ended_ip: None,
    }
}
