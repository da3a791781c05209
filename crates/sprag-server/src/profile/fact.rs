//! The closed list of what an answer may tell.

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
    /// Seconds until the client shall refresh, before the access token expires; drawn anew for each pair, so that a crowd that
    /// logged in at one moment does not come back at one moment.
    RefreshIn = "refresh_in", Number;
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
    /// Whether its owner has confirmed the e-mail address.
    AccountEmailVerified = "account.email_verified", Flag;
    /// Whether the account may administer others.
    AccountIsAdmin = "account.is_admin", Flag;
    /// What the account may do, as other systems call it: `admin` or `user`, or what it brought along from its
    /// source system.
    AccountRole = "account.role", Text;
    /// What other systems know the account by: its key in the source system, else its id.
    AccountSubject = "account.subject", Text;
    /// What other systems know the account by, as a number where it is one.
    AccountSubjectNumber = "account.subject_number", NumberOrText;
    /// What people call the account's owner, if that is known.
    AccountName = "account.name", Text;
    /// The owner's given name, if it is known.
    AccountGivenName = "account.given_name", Text;
    /// The owner's family name, if it is known.
    AccountFamilyName = "account.family_name", Text;
    /// In which language the account's owner is written to, if that is known: a tag such as `de` or `pt-BR`.
    AccountLanguage = "account.language", Text;
    /// Whether the account may log in.
    AccountIsActive = "account.is_active", Flag;
    /// Whether the account may log in no more.
    AccountIsDisabled = "account.is_disabled", Flag;
    /// When the account was made.
    AccountCreatedAt = "account.created_at", Time;
    /// A listed session's id.
    ItemId = "session.id", Id;
    /// When a listed session was opened.
    ItemCreatedAt = "session.created_at", Time;
    /// The hour in which a listed session last rotated; nothing for the session that asks.
    ItemLastUsedAt = "session.last_used_at", Time;
    /// The hour in which a listed session ends unless it rotates before; for the session that asks, counted from now.
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
    /// What people would call the device of a listed session: by the name that its user gave it, or what its client comes
    /// to, as `Firefox on Linux`.
    ItemLabel = "session.label", Text;
    /// The country of the address that opened a listed session, by its code of two letters, if it is known.
    ItemCountry = "session.country", Text;
    /// The city of the address that opened a listed session, if it is known.
    ItemCity = "session.city", Text;
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
    /// How severe an event is: `notice`, `warning` or `critical`.
    EventSeverity = "event.severity", Text;
    /// The account that an event is about, if it is about one.
    EventAccountId = "event.account_id", Id;
    /// The session that an event is about, if it is about one.
    EventSessionId = "event.session_id", Id;
    /// The invitation that was made.
    Invite = "invite", Text;
    /// From when on the invitation is worth nothing.
    InviteExpiresAt = "invite_expires_at", Time;
    /// When the account is erased, unless its owner logs in before.
    EraseAt = "erase_at", Time;
    /// The cursor of a list's next slice, if there is one.
    Next = "next", Text;
    /// What a code by mail must come with: only the browser has it that asked.
    LoginId = "login_id", Text;
    /// By which a new password is chosen, once a change was undone or sessions of somebody else have ended.
    ResetToken = "reset_token", Text;
    /// What this device keeps, so that it is not asked for a second factor for a while; absent where nobody asked for it, or it
    /// travels in a cookie.
    DeviceToken = "device_token", Text;
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
    /// What goes on with a log-in that was refused because a second factor is to be shown first; nobody else may have it.
    MfaToken = "mfa_token", Text;
    /// What may be shown as a second factor: `totp`, `passkey`, `recovery_code`, in the order in which it is to be offered.
    MfaFactors = "factors", Texts;
    /// For how many seconds that log-in can be gone on with.
    MfaExpiresIn = "mfa_expires_in", Number;
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
    /// A list of texts.
    Texts,
}

impl Fact {
    /// The facts about a token pair that was handed out.
    pub const PAIR: &'static [Self] = &[
        Self::AccessToken,
        Self::RefreshToken,
        Self::ExpiresIn,
        Self::RefreshIn,
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
        Self::AccountEmailVerified,
        Self::AccountIsAdmin,
        Self::AccountRole,
        Self::AccountSubject,
        Self::AccountSubjectNumber,
        Self::AccountName,
        Self::AccountGivenName,
        Self::AccountFamilyName,
        Self::AccountLanguage,
        Self::AccountIsActive,
        Self::AccountIsDisabled,
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
        Self::ItemLabel,
        Self::ItemCountry,
        Self::ItemCity,
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
        Self::EventSeverity,
        Self::EventAccountId,
        Self::EventSessionId,
    ];
    /// The facts about a refusal.
    pub const REFUSAL: &'static [Self] = &[
        Self::Message,
        Self::Code,
        Self::Cause,
        Self::Status,
        Self::Title,
        Self::Field,
        Self::MfaToken,
        Self::MfaFactors,
        Self::MfaExpiresIn,
    ];

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
                | Self::AccountLanguage
                | Self::ItemLastUsedAt
                | Self::ItemIp
                | Self::ItemUserAgent
                | Self::ItemDevice
                | Self::ItemLabel
                | Self::ItemCountry
                | Self::ItemCity
                | Self::SessionEndedAt
                | Self::SessionEndedCause
                | Self::SessionEndedIp
                | Self::EventCause
                | Self::EventIp
                | Self::EventUserAgent
                | Self::EventNote
                | Self::EventAccountId
                | Self::EventSessionId
                | Self::Next
                | Self::ResetToken
                | Self::Cause
                | Self::DeviceToken
                | Self::Field
                | Self::MfaToken
                | Self::MfaFactors
                | Self::MfaExpiresIn
        )
    }
}
