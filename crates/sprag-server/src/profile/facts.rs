//! What one answer has to tell: the values of its facts.

use sprag::account::Account;
use sprag::audit::{Entry, Event, NOBODY};
use sprag::clock::Timestamp;
use sprag::session::{AccountId, ProfileId, Session, SessionDetail, SessionId};
use uuid::Uuid;

use super::fact::Fact;
use super::node::Node;
use crate::places::OpenedAt;

/// What one answer has to tell; the HTTP layer fills in what its action knows.
#[derive(Clone, Copy, Default)]
pub struct Facts<'a> {
    /// The new access token.
    pub access_token: Option<&'a str>,
    /// The refresh token to keep. Where a refresh left it unchanged, the one presented: a client that stores
    /// the answer must not lose it. `None` where it travels in a cookie only.
    pub refresh_token: Option<&'a str>,
    /// Seconds until the access token expires.
    pub expires_in: Option<u64>,
    /// Seconds until the client shall refresh.
    pub refresh_in: Option<u64>,
    /// Seconds until the refresh token expires unless it is used.
    pub refresh_expires_in: Option<u64>,
    /// When the access token expires.
    pub expires_at: Option<Timestamp>,
    /// When the refresh token expires unless it is used.
    pub refresh_expires_at: Option<Timestamp>,
    /// The session that this answer is about.
    pub session_id: Option<SessionId>,
    /// Whose answer this is, where the account itself was not read.
    pub account_id: Option<AccountId>,
    /// The profile that answers: by which key it knows the account from before.
    pub profile: Option<ProfileId>,
    /// The account, where it was read.
    pub account: Option<&'a Account>,
    /// The invitation that was made, and from when on it is worth nothing.
    pub invite: Option<(&'a str, Timestamp)>,
    /// When the account is erased, unless its owner logs in before.
    pub erase_at: Option<Timestamp>,
    /// The accounts that are listed.
    pub accounts: &'a [Account],
    /// The cursor of the list's next slice, if there is one.
    pub next: Option<&'a str>,
    /// What a code by mail must come with.
    pub login_id: Option<&'a str>,
    /// By which a new password is chosen.
    pub reset_token: Option<&'a str>,
    /// What the device keeps, so that it is not asked for a second factor for a while.
    pub device_token: Option<&'a str>,
    /// The account's live sessions.
    pub sessions: &'a [SessionFacts<'a>],
    /// The session that is explained.
    pub session: Option<SessionFacts<'a>>,
    /// What happened to it, oldest first.
    pub events: &'a [Entry],
    /// What was refused.
    pub refusal: Option<RefusalFacts<'a>>,
}

/// A session of a list. Of others the times that move with a rotation are shown to the hour; of the session that asks none
/// is, for rounding has edges, and whoever copied its tokens would see it cross one.
#[derive(Clone, Copy)]
pub struct SessionFacts<'a> {
    /// The row.
    pub session: &'a Session,
    /// What people read of it.
    pub detail: &'a SessionDetail,
    /// What its device and the place of its address are called.
    pub opened_at: &'a OpenedAt,
    /// Of the session that asks, and of no other: when the idle timeout would end it, counted from this answer.
    pub own_idle_end: Option<Timestamp>,
}

impl SessionFacts<'_> {
    /// When the session ends unless it rotates. Of the one that asks it moves with the clock, never with a rotation.
    fn idle_expires_at(&self) -> Timestamp {
        match self.own_idle_end {
            Some(end) => end.hour().min(self.session.expires_at),
            None => self.session.idle_expires_at.hour(),
        }
    }

    fn is_current(&self) -> bool {
        self.own_idle_end.is_some()
    }

    fn last_used_at(&self) -> Option<Timestamp> {
        (!self.is_current()).then(|| self.session.rotated_at.hour())
    }
}

/// What one element of a list is about.
#[derive(Clone, Copy)]
pub(super) enum Item<'a> {
    Session(&'a SessionFacts<'a>),
    Account(&'a Account),
    Event(&'a Event),
    Field(&'a FieldFacts<'a>),
}

impl<'a> Item<'a> {
    /// How this element is written, where that is not how the list has it.
    pub(super) fn own_shape(self) -> Option<&'a Node> {
        match self {
            Self::Field(field) => field.shape,
            Self::Session(_) | Self::Account(_) | Self::Event(_) => None,
        }
    }
}

/// What a refusal has to tell, its status and sentence already as the profile wants them.
#[derive(Clone, Copy)]
pub struct RefusalFacts<'a> {
    /// The stable code.
    pub code: &'a str,
    /// One sentence for a person.
    pub message: &'a str,
    /// Why the session of a genuine token has ended.
    pub cause: Option<&'a str>,
    /// The fields of the request that are missing or wrong.
    pub fields: &'a [FieldFacts<'a>],
    /// What goes on with a log-in that waits for a second factor.
    pub waits: Option<WaitingFacts<'a>>,
    /// The status of the answer.
    pub status: u16,
    /// The name of that status.
    pub title: &'a str,
}

/// A log-in that waits for a second factor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WaitingFacts<'a> {
    /// What goes on with it.
    pub token: &'a str,
    /// What may be shown.
    pub factors: &'a [&'static str],
    /// For how many seconds it can be gone on with.
    pub expires_in: u64,
}

/// One field of a request that is missing or wrong.
#[derive(Clone, Copy)]
pub struct FieldFacts<'a> {
    /// Its name on the wire.
    pub name: &'a str,
    /// The code that it alone would have.
    pub code: &'a str,
    /// What is wrong with it, as the profile says it.
    pub message: &'a str,
    /// How the profile writes such a fault in a list, where it differs from the list's own.
    pub(super) shape: Option<&'a Node>,
}

/// The value of a fact.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Scalar<'a> {
    Text(&'a str),
    Number(u64),
    Flag(bool),
    Time(Timestamp),
    Id(Uuid),
    Texts(&'a [&'static str]),
}

impl<'a> Facts<'a> {
    /// What a list has an element for: the sessions or accounts of a listing, the events of a session that is explained, or the
    /// fields at fault of a request. A refusal that finds fault with no field has one element all the same.
    pub(super) fn items(&self) -> impl Iterator<Item = Option<Item<'a>>> + use<'a> {
        let events = self.events.iter().map(|entry| Item::Event(&entry.event));
        let fields = self.refusal.map_or(&[][..], |refusal| refusal.fields);
        let nothing = (self.refusal.is_some() && fields.is_empty()).then_some(None);
        let accounts = self.accounts.iter().map(Item::Account);
        let items = self.sessions.iter().map(Item::Session).chain(accounts).chain(events);
        items.chain(fields.iter().map(Item::Field)).map(Some).chain(nothing)
    }

    /// The value of a fact about invitations, codes and deletion.
    fn of_letters(&self, fact: Fact) -> Option<Scalar<'a>> {
        match fact {
            Fact::Invite => self.invite.map(|(text, _)| Scalar::Text(text)),
            Fact::InviteExpiresAt => self.invite.map(|(_, at)| Scalar::Time(at)),
            Fact::EraseAt => self.erase_at.map(Scalar::Time),
            Fact::LoginId => self.login_id.map(Scalar::Text),
            Fact::ResetToken => self.reset_token.map(Scalar::Text),
            _ => None,
        }
    }

    /// The value of `fact`; `item` is what the element of a list is about that is being told.
    pub(super) fn value(&self, fact: Fact, item: Option<Item<'a>>) -> Option<Scalar<'a>> {
        match fact {
            Fact::AccessToken => self.access_token.map(Scalar::Text),
            Fact::RefreshToken => self.refresh_token.map(Scalar::Text),
            Fact::ExpiresIn => self.expires_in.map(Scalar::Number),
            Fact::RefreshIn => self.refresh_in.map(Scalar::Number),
            Fact::RefreshExpiresIn => self.refresh_expires_in.map(Scalar::Number),
            Fact::ExpiresAt => self.expires_at.map(Scalar::Time),
            Fact::RefreshExpiresAt => self.refresh_expires_at.map(Scalar::Time),
            Fact::SessionId => self.session_id.map(|id| Scalar::Id(id.0)),
            Fact::AccountId => {
                if let Some(Item::Account(account)) = item {
                    return Some(Scalar::Id(account.id.0));
                }
                self.account.map(|account| account.id).or(self.account_id).map(|id| Scalar::Id(id.0))
            }
            Fact::AccountUsername
            | Fact::AccountEmail
            | Fact::AccountEmailVerified
            | Fact::AccountIsAdmin
            | Fact::AccountRole
            | Fact::AccountSubject
            | Fact::AccountSubjectNumber
            | Fact::AccountName
            | Fact::AccountGivenName
            | Fact::AccountFamilyName
            | Fact::AccountLanguage
            | Fact::AccountIsActive
            | Fact::AccountIsDisabled
            | Fact::AccountCreatedAt => match item {
                Some(Item::Account(account)) => account_value(account, self.profile, fact),
                _ => account_value(self.account?, self.profile, fact),
            },
            Fact::ItemId
            | Fact::ItemCreatedAt
            | Fact::ItemLastUsedAt
            | Fact::ItemIdleExpiresAt
            | Fact::ItemExpiresAt
            | Fact::ItemIp
            | Fact::ItemUserAgent
            | Fact::ItemDevice
            | Fact::ItemIsCurrent
            | Fact::ItemLabel
            | Fact::ItemCountry
            | Fact::ItemCity
            | Fact::SessionEndedAt
            | Fact::SessionEndedCause
            | Fact::SessionEndedIp => match item {
                Some(Item::Session(session)) => session_value(session, fact),
                _ => session_value(&self.session?, fact),
            },
            Fact::EventAt
            | Fact::EventKind
            | Fact::EventCause
            | Fact::EventIp
            | Fact::EventUserAgent
            | Fact::EventNote
            | Fact::EventSeverity
            | Fact::EventAccountId
            | Fact::EventSessionId => match item? {
                Item::Event(event) => event_value(event, fact),
                Item::Session(_) | Item::Account(_) | Item::Field(_) => None,
            },
            Fact::Next => self.next.map(Scalar::Text),
            Fact::Invite | Fact::InviteExpiresAt | Fact::EraseAt | Fact::LoginId | Fact::ResetToken => {
                self.of_letters(fact)
            }
            Fact::DeviceToken => self.device_token.map(Scalar::Text),
            Fact::Message
            | Fact::Code
            | Fact::Cause
            | Fact::Status
            | Fact::Title
            | Fact::Field
            | Fact::MfaToken
            | Fact::MfaFactors
            | Fact::MfaExpiresIn => refusal_value(self.refusal.as_ref()?, item, fact),
        }
    }
}

fn account_value(account: &Account, profile: Option<ProfileId>, fact: Fact) -> Option<Scalar<'_>> {
    match fact {
        Fact::AccountUsername => account.username.as_deref().map(Scalar::Text),
        Fact::AccountEmail => account.email.as_deref().map(Scalar::Text),
        Fact::AccountEmailVerified => Some(Scalar::Flag(account.email_confirmed_at().is_some())),
        Fact::AccountIsAdmin => Some(Scalar::Flag(account.is_admin)),
        Fact::AccountRole => Some(Scalar::Text(account.role())),
        Fact::AccountSubject => Some(subject(account, profile)),
        Fact::AccountSubjectNumber => {
            Some(subject_number(account, profile).unwrap_or_else(|| subject(account, profile)))
        }
        Fact::AccountName => account.particulars.name.as_deref().map(Scalar::Text),
        Fact::AccountGivenName => account.particulars.given_name.as_deref().map(Scalar::Text),
        Fact::AccountFamilyName => account.particulars.family_name.as_deref().map(Scalar::Text),
        Fact::AccountLanguage => account.particulars.language.as_deref().map(Scalar::Text),
        Fact::AccountIsActive => Some(Scalar::Flag(account.disabled_at.is_none())),
        Fact::AccountIsDisabled => Some(Scalar::Flag(account.disabled_at.is_some())),
        Fact::AccountCreatedAt => Some(Scalar::Time(account.created_at)),
        _ => None,
    }
}

fn subject(account: &Account, profile: Option<ProfileId>) -> Scalar<'_> {
    let key = profile.and_then(|profile| account.external_id(profile));
    key.map_or(Scalar::Id(account.id.0), Scalar::Text)
}

/// A key that was a number in the source system: written as numbers are, and small enough for every JSON reader.
fn subject_number(account: &Account, profile: Option<ProfileId>) -> Option<Scalar<'_>> {
    const EXACT: u64 = (1 << 53) - 1;
    let text = account.external_id(profile?)?;
    let number: u64 = text.parse().ok().filter(|number| *number <= EXACT)?;
    (number.to_string() == text).then_some(Scalar::Number(number))
}

fn event_value(event: &Event, fact: Fact) -> Option<Scalar<'_>> {
    match fact {
        Fact::EventAt => Some(Scalar::Time(event.at)),
        Fact::EventKind => Some(Scalar::Text(event.kind.name())),
        Fact::EventCause => event.cause.map(|cause| Scalar::Text(cause.name())),
        Fact::EventIp => event.ip.as_deref().map(Scalar::Text),
        Fact::EventUserAgent => event.user_agent.as_deref().map(Scalar::Text),
        Fact::EventNote => event.note.as_deref().map(Scalar::Text),
        Fact::EventSeverity => Some(Scalar::Text(event.severity().name())),
        Fact::EventAccountId => (event.account != NOBODY).then_some(Scalar::Id(event.account.0)),
        Fact::EventSessionId => event.session.map(|session| Scalar::Id(session.0)),
        _ => None,
    }
}

fn session_value<'a>(item: &SessionFacts<'a>, fact: Fact) -> Option<Scalar<'a>> {
    let (session, detail) = (item.session, item.detail);
    match fact {
        Fact::ItemId => Some(Scalar::Id(session.key.session.0)),
        Fact::ItemCreatedAt => Some(Scalar::Time(session.created_at)),
        Fact::ItemLastUsedAt => item.last_used_at().map(Scalar::Time),
        Fact::ItemIdleExpiresAt => Some(Scalar::Time(item.idle_expires_at())),
        Fact::ItemExpiresAt => Some(Scalar::Time(session.expires_at)),
        Fact::ItemIp => detail.ip.as_deref().map(Scalar::Text),
        Fact::ItemUserAgent => detail.user_agent.as_deref().map(Scalar::Text),
        Fact::ItemDevice => detail.device.as_deref().map(Scalar::Text),
        Fact::ItemIsCurrent => Some(Scalar::Flag(item.is_current())),
        Fact::ItemLabel => item.opened_at.label.as_deref().map(Scalar::Text),
        Fact::ItemCountry => item.opened_at.country.as_ref().map(|country| Scalar::Text(country.code())),
        Fact::ItemCity => item.opened_at.city.as_deref().map(Scalar::Text),
        Fact::SessionEndedAt => session.ended.map(|ended| Scalar::Time(ended.at)),
        Fact::SessionEndedCause => session.ended.map(|ended| Scalar::Text(ended.cause.name())),
        Fact::SessionEndedIp => detail.ended_ip.as_deref().map(Scalar::Text),
        _ => None,
    }
}

/// In a list of fields at fault each tells of itself.
fn refusal_value<'a>(refusal: &RefusalFacts<'a>, item: Option<Item<'a>>, fact: Fact) -> Option<Scalar<'a>> {
    let field = if let Some(Item::Field(field)) = item { Some(field) } else { None };
    match fact {
        Fact::Message => Some(Scalar::Text(field.map_or(refusal.message, |field| field.message))),
        Fact::Code => Some(Scalar::Text(field.map_or(refusal.code, |field| field.code))),
        Fact::Cause => refusal.cause.map(Scalar::Text),
        Fact::Status => Some(Scalar::Number(u64::from(refusal.status))),
        Fact::Title => Some(Scalar::Text(refusal.title)),
        Fact::Field => field.or(refusal.fields.first()).map(|field| Scalar::Text(field.name)),
        Fact::MfaToken => refusal.waits.map(|waits| Scalar::Text(waits.token)),
        Fact::MfaFactors => refusal.waits.map(|waits| Scalar::Texts(waits.factors)),
        Fact::MfaExpiresIn => refusal.waits.map(|waits| Scalar::Number(waits.expires_in)),
        _ => None,
    }
}
