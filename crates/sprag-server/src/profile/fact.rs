//! The closed list of what an answer may tell.

use sprag::account::Account;
use sprag::audit::{Entry, Event};
use sprag::clock::Timestamp;
use sprag::session::{AccountId, ProfileId, Session, SessionDetail, SessionId};
use uuid::Uuid;

use super::template::Node;

macro_rules! facts {
    ($($(#[doc = $doc:literal])* $fact:ident = $name:literal, $kind:ident;)*) => {
        /// Something a template may name; the names are part of the profile format.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        pub enum Fact {
            $($(#[doc = $doc])* $fact,)*
        }

        impl Fact {
            /// Every fact, in the order of the reference.
            pub const ALL: &'static [Self] = &[$(Self::$fact),*];

            /// The name, as a template writes it after `$`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$fact => $name,)*
                }
            }

            /// What it is, in a sentence.
            #[must_use]
            pub fn about(self) -> &'static str {
                match self {
                    $(Self::$fact => concat!($($doc),*).trim_ascii(),)*
                }
            }

            /// What its value looks like.
            #[must_use]
            pub fn kind(self) -> FactKind {
                match self {
                    $(Self::$fact => FactKind::$kind,)*
                }
            }
        }
    };
}

facts! {
    /// The new access token.
    AccessToken = "access_token", Text;
    /// The refresh token to keep: the new one, or the one presented where it stays in force. Absent where it
    /// travels in a cookie only.
    RefreshToken = "refresh_token", Text;
    /// Seconds until the access token expires.
    ExpiresIn = "expires_in", Number;
    /// Seconds until the refresh token expires unless it is used.
    RefreshExpiresIn = "refresh_expires_in", Number;
    /// When the access token expires.
    ExpiresAt = "expires_at", Time;
    /// When the refresh token expires unless it is used.
    RefreshExpiresAt = "refresh_expires_at", Time;
    /// The id of the session that this answer is about.
    SessionId = "session_id", Id;
    /// The account's id.
    AccountId = "account.id", Id;
    /// The account's user name, if it has one.
    AccountUsername = "account.username", Text;
    /// The account's e-mail address, if it has one.
    AccountEmail = "account.email", Text;
    /// Whether the account may administer others.
    AccountIsAdmin = "account.is_admin", Flag;
    /// What the account may do, as other systems call it: `admin` or `user`, or what it brought along from its former
    /// home.
    AccountRole = "account.role", Text;
    /// What other systems know the account by: its key in the source system, else its id.
    AccountSubject = "account.subject", Text;
    /// The same, as a number where it is one.
    AccountSubjectNumber = "account.subject_number", NumberOrText;
    /// What people call the account's owner, if that is known.
    AccountName = "account.name", Text;
    /// The owner's given name, if it is known.
    AccountGivenName = "account.given_name", Text;
    /// The owner's family name, if it is known.
    AccountFamilyName = "account.family_name", Text;
    /// Whether the account may log in.
    AccountIsActive = "account.is_active", Flag;
    /// When the account was made.
    AccountCreatedAt = "account.created_at", Time;
    /// A listed session's id.
    ItemId = "session.id", Id;
    /// When a listed session was opened.
    ItemCreatedAt = "session.created_at", Time;
    /// The hour in which a listed session last turned.
    ItemLastUsedAt = "session.last_used_at", Time;
    /// The hour in which a listed session ends unless it turns before.
    ItemIdleExpiresAt = "session.idle_expires_at", Time;
    /// When a listed session ends at the latest.
    ItemExpiresAt = "session.expires_at", Time;
    /// The address that opened a listed session, if it is known.
    ItemIp = "session.ip", Text;
    /// The client that opened a listed session, as it called itself.
    ItemUserAgent = "session.user_agent", Text;
    /// What the user calls the device of a listed session.
    ItemDevice = "session.device", Text;
    /// Whether a listed session is the one that asks.
    ItemIsCurrent = "session.is_current", Flag;
    /// When the explained session ended, if it has.
    SessionEndedAt = "session.ended_at", Time;
    /// Why it ended.
    SessionEndedCause = "session.ended_cause", Text;
    /// The address that ended it, if it is known.
    SessionEndedIp = "session.ended_ip", Text;
    /// When an event of the explained session happened.
    EventAt = "event.at", Time;
    /// What happened, as `docs/reference/events.md` names it.
    EventKind = "event.kind", Text;
    /// Why the session ended, where it did.
    EventCause = "event.cause", Text;
    /// The address it came from, if it is known.
    EventIp = "event.ip", Text;
    /// The client it came from, as it called itself.
    EventUserAgent = "event.user_agent", Text;
    /// What else the journal says of it: of a rotation, which generation took whose place.
    EventNote = "event.note", Text;
    /// A refusal's sentence for a person.
    Message = "message", Text;
    /// A refusal's stable code.
    Code = "code", Text;
    /// Why the session of a genuine token has ended.
    Cause = "cause", Text;
    /// The status of the answer, as a number.
    Status = "status", Number;
    /// The name of that status.
    Title = "title", Text;
    /// The field of the request that is missing or wrong.
    Field = "field", Text;
}

/// What the value of a fact looks like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FactKind {
    /// A text.
    Text,
    /// A whole number.
    Number,
    /// A whole number, or a text.
    NumberOrText,
    /// `true` or `false`.
    Flag,
    /// A moment, as text after RFC 3339.
    Time,
    /// A UUID, as text.
    Id,
}

impl Fact {
    /// The facts about a token pair that was handed out.
    pub const PAIR: &'static [Self] = &[
        Self::AccessToken,
        Self::RefreshToken,
        Self::ExpiresIn,
        Self::RefreshExpiresIn,
        Self::ExpiresAt,
        Self::RefreshExpiresAt,
        Self::SessionId,
    ];
    /// The facts about the account.
    pub const ACCOUNT: &'static [Self] = &[
        Self::AccountId,
        Self::AccountUsername,
        Self::AccountEmail,
        Self::AccountIsAdmin,
        Self::AccountRole,
        Self::AccountSubject,
        Self::AccountSubjectNumber,
        Self::AccountName,
        Self::AccountGivenName,
        Self::AccountFamilyName,
        Self::AccountIsActive,
        Self::AccountCreatedAt,
    ];
    /// The facts about one session of a list.
    pub const ITEM: &'static [Self] = &[
        Self::ItemId,
        Self::ItemCreatedAt,
        Self::ItemLastUsedAt,
        Self::ItemIdleExpiresAt,
        Self::ItemExpiresAt,
        Self::ItemIp,
        Self::ItemUserAgent,
        Self::ItemDevice,
        Self::ItemIsCurrent,
    ];
    /// The facts about the session that is explained, besides those of a listed one.
    pub const ENDED: &'static [Self] = &[Self::SessionEndedAt, Self::SessionEndedCause, Self::SessionEndedIp];
    /// The facts about one event of the session that is explained.
    pub const EVENT: &'static [Self] = &[
        Self::EventAt,
        Self::EventKind,
        Self::EventCause,
        Self::EventIp,
        Self::EventUserAgent,
        Self::EventNote,
    ];
    /// The facts about a refusal.
    pub const REFUSAL: &'static [Self] =
        &[Self::Message, Self::Code, Self::Cause, Self::Status, Self::Title, Self::Field];

    /// The fact that [`name`](Self::name) stands for.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|fact| fact.name() == name)
    }

    /// Whether an answer may lack it although its action can give it.
    #[must_use]
    pub fn may_be_absent(self) -> bool {
        matches!(
            self,
            Self::RefreshToken
                | Self::AccountUsername
                | Self::AccountEmail
                | Self::AccountName
                | Self::AccountGivenName
                | Self::AccountFamilyName
                | Self::ItemIp
                | Self::ItemUserAgent
                | Self::ItemDevice
                | Self::SessionEndedAt
                | Self::SessionEndedCause
                | Self::SessionEndedIp
                | Self::EventCause
                | Self::EventIp
                | Self::EventUserAgent
                | Self::EventNote
                | Self::Cause
                | Self::Field
        )
    }
}

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
    /// The account's live sessions.
    pub sessions: &'a [SessionFacts<'a>],
    /// The session that is explained.
    pub session: Option<SessionFacts<'a>>,
    /// What happened to it, oldest first.
    pub events: &'a [Entry],
    /// What was refused.
    pub refusal: Option<RefusalFacts<'a>>,
}

/// A session of a list. Times that move with a rotation are shown to the hour, whoever asks.
#[derive(Clone, Copy)]
pub struct SessionFacts<'a> {
    /// The row.
    pub session: &'a Session,
    /// What people read of it.
    pub detail: &'a SessionDetail,
    /// Whether it is the session that asks.
    pub is_current: bool,
}

/// What one element of a list is about.
#[derive(Clone, Copy)]
pub(super) enum Item<'a> {
    Session(&'a SessionFacts<'a>),
    Event(&'a Event),
    Field(&'a FieldFacts<'a>),
}

impl<'a> Item<'a> {
    /// How this element is written, where that is not how the list has it.
    pub(super) fn own_shape(self) -> Option<&'a Node> {
        match self {
            Self::Field(field) => field.shape,
            Self::Session(_) | Self::Event(_) => None,
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
    /// The status of the answer.
    pub status: u16,
    /// The name of that status.
    pub title: &'a str,
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
}

impl<'a> Facts<'a> {
    /// What a list has an element for: the sessions of a listing, the events of a session that is explained, or the
    /// fields at fault of a request. A refusal that finds fault with no field has one element all the same.
    pub(super) fn items(&self) -> impl Iterator<Item = Option<Item<'a>>> + use<'a> {
        let events = self.events.iter().map(|entry| Item::Event(&entry.event));
        let fields = self.refusal.map_or(&[][..], |refusal| refusal.fields);
        let nothing = (self.refusal.is_some() && fields.is_empty()).then_some(None);
        let items = self.sessions.iter().map(Item::Session).chain(events);
        items.chain(fields.iter().map(Item::Field)).map(Some).chain(nothing)
    }

    /// The value of `fact`; `item` is what the element of a list is about that is being told.
    pub(super) fn value(&self, fact: Fact, item: Option<Item<'a>>) -> Option<Scalar<'a>> {
        match fact {
            Fact::AccessToken => self.access_token.map(Scalar::Text),
            Fact::RefreshToken => self.refresh_token.map(Scalar::Text),
            Fact::ExpiresIn => self.expires_in.map(Scalar::Number),
            Fact::RefreshExpiresIn => self.refresh_expires_in.map(Scalar::Number),
            Fact::ExpiresAt => self.expires_at.map(Scalar::Time),
            Fact::RefreshExpiresAt => self.refresh_expires_at.map(Scalar::Time),
            Fact::SessionId => self.session_id.map(|id| Scalar::Id(id.0)),
            Fact::AccountId => {
                self.account.map(|account| account.id).or(self.account_id).map(|id| Scalar::Id(id.0))
            }
            Fact::AccountUsername
            | Fact::AccountEmail
            | Fact::AccountIsAdmin
            | Fact::AccountRole
            | Fact::AccountSubject
            | Fact::AccountSubjectNumber
            | Fact::AccountName
            | Fact::AccountGivenName
            | Fact::AccountFamilyName
            | Fact::AccountIsActive
            | Fact::AccountCreatedAt => account_value(self.account?, self.profile, fact),
            Fact::ItemId
            | Fact::ItemCreatedAt
            | Fact::ItemLastUsedAt
            | Fact::ItemIdleExpiresAt
            | Fact::ItemExpiresAt
            | Fact::ItemIp
            | Fact::ItemUserAgent
            | Fact::ItemDevice
            | Fact::ItemIsCurrent
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
            | Fact::EventNote => match item? {
                Item::Event(event) => event_value(event, fact),
                Item::Session(_) | Item::Field(_) => None,
            },
            Fact::Message | Fact::Code | Fact::Cause | Fact::Status | Fact::Title | Fact::Field => {
                refusal_value(self.refusal.as_ref()?, item, fact)
            }
        }
    }
}

fn account_value(account: &Account, profile: Option<ProfileId>, fact: Fact) -> Option<Scalar<'_>> {
    match fact {
        Fact::AccountUsername => account.username.as_deref().map(Scalar::Text),
        Fact::AccountEmail => account.email.as_deref().map(Scalar::Text),
        Fact::AccountIsAdmin => Some(Scalar::Flag(account.is_admin)),
        Fact::AccountRole => Some(Scalar::Text(account.role())),
        Fact::AccountSubject => Some(subject(account, profile)),
        Fact::AccountSubjectNumber => {
            Some(subject_number(account, profile).unwrap_or_else(|| subject(account, profile)))
        }
        Fact::AccountName => account.particulars.name.as_deref().map(Scalar::Text),
        Fact::AccountGivenName => account.particulars.given_name.as_deref().map(Scalar::Text),
        Fact::AccountFamilyName => account.particulars.family_name.as_deref().map(Scalar::Text),
        Fact::AccountIsActive => Some(Scalar::Flag(account.disabled_at.is_none())),
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
        _ => None,
    }
}

fn session_value<'a>(item: &SessionFacts<'a>, fact: Fact) -> Option<Scalar<'a>> {
    let (session, detail) = (item.session, item.detail);
    match fact {
        Fact::ItemId => Some(Scalar::Id(session.key.session.0)),
        Fact::ItemCreatedAt => Some(Scalar::Time(session.created_at)),
        Fact::ItemLastUsedAt => Some(Scalar::Time(session.rotated_at.hour())),
        Fact::ItemIdleExpiresAt => Some(Scalar::Time(session.idle_expires_at.hour())),
        Fact::ItemExpiresAt => Some(Scalar::Time(session.expires_at)),
        Fact::ItemIp => detail.ip.as_deref().map(Scalar::Text),
        Fact::ItemUserAgent => detail.user_agent.as_deref().map(Scalar::Text),
        Fact::ItemDevice => detail.device.as_deref().map(Scalar::Text),
        Fact::ItemIsCurrent => Some(Scalar::Flag(item.is_current)),
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
        _ => None,
    }
}
