//! The table of refusals: a row for each way of saying "no", and everything that is known of it.
//!
//! The wire's codes and usual statuses, the sentences, the description of the API and `docs/reference/errors.md` are all
//! taken from here. Most rows are what a [`Refusal`] or a [`Fault`](super::Fault) of the library comes to; those that say "the server" are made by `sprag-server` alone, before the library is asked.
//! `docs/adding/a-refusal.md` says how to add one.

use std::error::Error as StdError;
use std::fmt;

use crate::budget::Spent;
use crate::policy::MAX_PASSWORD_BYTES;
use crate::session::EndCause;

/// A row: one way of saying "no".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// What stands in the `code` of the answer; stable, part of the wire.
    pub name: &'static str,
    /// The status of HTTP that it has, unless a profile gives it another.
    pub status: u16,
    /// What a person is told, and what to do about it, where nothing more is known of the case at hand.
    pub sentence: &'static str,
    /// When it is answered, in Markdown.
    pub when: &'static str,
    /// What the journal says of it, in Markdown; mostly nothing, as a refusal is no event.
    pub event: &'static str,
}

macro_rules! table {
    ($($(#[doc = $doc:literal])* $row:ident: $name:literal, $status:literal, $sentence:literal, $when:literal, $event:literal;)*) => {
        $($(#[doc = $doc])* pub const $row: Code = Code {
            name: $name,
            status: $status,
            sentence: $sentence,
            when: $when,
            event: $event,
        };)*

        /// Every row, in the order in which they are shown.
        pub const CODES: &[Code] = &[$($row),*];
    };
}

table! {
    /// The server: the request cannot be read.
    REQUEST_INVALID: "request_invalid", 400,
        "this request cannot be understood; send what /docs describes",
        "The body cannot be read, or what was sent contradicts itself: no JSON, no object, deeper than 32 levels, cookie and body of two sessions",
        "";
    /// The server: somebody else might read another request.
    REQUEST_AMBIGUOUS: "request_ambiguous", 400,
        "others may read this request otherwise; mend it, and send it on a new connection",
        "A proxy in front might read another request: two lengths, a bare line feed, no `Host` or two, two `Authorization` lines. The connection is closed, and nothing behind the request is looked at",
        "";
    /// The server: a field is not there.
    FIELD_MISSING: "field_missing", 400,
        "a field that this call needs is missing; send it",
        "A field that is needed did not come; the sentence names one that came in its place",
        "";
    /// The server: a field cannot be read.
    FIELD_INVALID: "field_invalid", 400,
        "a field must be a text; send it as one",
        "A field holds something other than a text",
        "";
    /// No token came with the request.
    TOKEN_MISSING: "token_missing", 401,
        "no token was sent; log in, or send the token this call needs",
        "No token came with a call that needs one; the sentence says where it is looked for, and what came in its place",
        "";
    /// The token is not one of ours, or not for this profile.
    TOKEN_INVALID: "token_invalid", 401,
        "this token is not valid here; log in again",
        "Not a token of ours, or another profile's: malformed, wrong tag, retired key",
        "counted; `secret_mismatch` where the tag was right";
    /// The token was spent a moment ago and this profile answers no retries.
    TOKEN_SPENT: "token_spent", 401,
        "this refresh token has been used already; use the one that replaced it",
        "A refresh token used already, inside the reuse interval, on a profile that answers no retries, or by a request whose twin was answered before; nothing ends",
        "`foreign_retry`, `late_twin` or `contested` where another client is about";
    /// The token's or session's lifetime is over.
    TOKEN_EXPIRED: "token_expired", 401,
        "this token has expired; refresh it or log in again",
        "The access token, or the session's idle timeout or lifetime, has run out",
        "`session_ended`";
    /// The session is over.
    SESSION_ENDED: "session_ended", 401,
        "this session has ended; log in again",
        "The session is over; a genuine token also learns the cause",
        "`session_ended`, once";
    /// The account may not log in.
    ACCOUNT_DISABLED: "account_disabled", 401,
        "this account is disabled; ask whoever runs this service",
        "The account may not log in; told only to who knows the password or has a genuine token",
        "`session_ended` or `login_failed`";
    /// Unknown name or wrong password: deliberately not told apart.
    CREDENTIALS_INVALID: "credentials_invalid", 401,
        "the name or the password is wrong",
        "Unknown name or wrong password; not told apart, in answer or time",
        "`login_failed`";
    /// The present password, asked for once more, is wrong. Not 401: front ends answer that with a refresh, and the token
    /// is not what is wrong.
    CURRENT_PASSWORD_WRONG: "current_password_wrong", 403,
        "the current password is wrong",
        "A password change or step-up with the wrong password; not 401, or clients would refresh",
        "`login_failed`";
    /// The password is right, and the account has a second factor.
    SECOND_FACTOR_REQUIRED: "second_factor_required", 401,
        "this account has a second factor, so its password alone is not enough; show a code of it, or a passkey, in the password's place",
        "The password is right, and the account has a second factor: `mfa_token`, good for five minutes and five tries, goes on with the log-in. At a step-up: the password is not asked for where there is a second factor. Without `mfa_token` where the profile has no call that goes on with a log-in",
        "";
    /// The password is right, and the account must have a second factor and has none.
    ENROLMENT_REQUIRED: "enrolment_required", 401,
        "this account must have a second factor and has none; log in again to add one",
        "The password is right, and the profile wants a second factor of this account, which has none: `mfa_token`, good for 15 minutes, adds one and does nothing else. Where `factors` has `mailed_code`, the code of a letter comes first",
        "";
    /// The code is not one of the account's second factors, or was used before. Not 401: front ends answer that with a refresh.
    CODE_WRONG: "code_wrong", 403,
        "this code is wrong, or has been used already; wait for the next one, or use a recovery code",
        "A code of a second factor that is wrong, of another time, or has been used before (one of an app costs no try then); a passkey of another account or site, or an answer to no challenge, or to one that was used",
        "`login_failed`";
    /// They showed who they are too long ago for this. Not 401: front ends answer that with a refresh, which mends nothing.
    STEP_UP_REQUIRED: "step_up_required", 403,
        "this takes a log-in of a moment ago; show once more who you are at the step-up, then send this again with its tokens",
        "The call takes somebody who showed who they are at most `fresh-for` ago; a step-up mends it, or a log-in",
        "";
    /// Only an administrator may do this.
    FORBIDDEN: "forbidden", 403,
        "only an administrator may do this",
        "Only an administrator may do this; or one asked what happened to the session they ask with, which nobody is told, or would shut themselves out",
        "";
    /// Nobody registers here.
    REGISTRATION_CLOSED: "registration_closed", 403,
        "nobody can make an account here; ask whoever runs this service for one",
        "Somebody would register, or an administrator invite somebody, on a profile whose `registration` does not allow that",
        "";
    /// The server: a request that a cookie authenticates, from another site.
    ORIGIN_REFUSED: "origin_refused", 403,
        "this request carries or asks for a session cookie, and no Origin or Sec-Fetch-Site header shows that a page of this site sent it; send it from such a page, or the token in the body",
        "A request with a session cookie, and nothing shows that a page of this site, or of one named by `cors-origins`, sent it",
        "";
    /// The server: the address is of a place that is not let in.
    PLACE_REFUSED: "place_refused", 403,
        "this service cannot be used from where you are; nothing has ended: go on from a place where it can, or ask whoever runs it",
        "Log-in, refresh or another call that answers with tokens, from a country that `geo-allow` or `geo-deny`, or the profile's `[geo]`, keeps out; asked before any name or password is looked at, and nothing ends",
        "`place_refused`, once a minute";
    /// The address must be confirmed first.
    EMAIL_UNCONFIRMED: "email_unconfirmed", 403,
        "your address is not confirmed yet, so no session was opened; follow the link of the letter that you got, or ask for a new password, which confirms it too",
        "The account's owner has not confirmed the address where `email-confirmation` is `required`, and your own application let them in; whoever typed a password is told `credentials_invalid`",
        "";
    /// The log-in is too unlike those before it.
    RISK_REFUSED: "risk_refused", 403,
        "this log-in is too unlike those before it, so no session was opened; log in from a device and a place that you have used before, or ask whoever runs this service",
        "The password is right, and the [risk](risk.md) of the log-in reaches `risk-refuse`; told only to who knows the password",
        "`login_refused`";
    /// Another system, which is asked before a log-in, says no.
    LOGIN_REFUSED: "login_refused", 403,
        "this log-in is not allowed, so no session was opened; ask whoever runs this service",
        "Who they are has been shown, and the hook that a profile has asked [before a log-in](../guide/hooks.md) says no",
        "`login_refused`";
    /// The server: nothing is there.
    NOT_FOUND: "not_found", 404,
        "there is nothing at this address; /docs lists what there is",
        "There is nothing at this address",
        "";
    /// The account has no such session.
    SESSION_UNKNOWN: "session_unknown", 404,
        "there is no such live session; list the sessions to see which there are",
        "The account has no such live session",
        "";
    /// The link or code of a letter is not good, or no longer. Not 401: front ends answer that with a refresh.
    LINK_INVALID: "link_invalid", 400,
        "this link is no longer good: it was used, has expired, or another one took its place; ask for a new letter",
        "The one-time token of a letter was used, has expired, is of another account, address or purpose, or none at all; not told apart",
        "";
    /// The account has no such second factor.
    FACTOR_UNKNOWN: "factor_unknown", 404,
        "there is no such second factor; list them to see which there are",
        "The account has no such second factor, or one that was begun more than an hour ago and never confirmed",
        "";
    /// The account has as many second factors as it may have.
    FACTORS_FULL: "factors_full", 409,
        "this account has as many second factors as it may have; remove one first",
        "The account has as many second factors of this kind as it may have: five apps or ten passkeys",
        "";
    /// There is no such account.
    ACCOUNT_UNKNOWN: "account_unknown", 404,
        "there is no such account",
        "There is no such account",
        "";
    /// The server: the path has no such method.
    METHOD_NOT_ALLOWED: "method_not_allowed", 405,
        "this address takes another method; the Allow header names it",
        "The address takes another method; `Allow` names it",
        "";
    /// The server: the body is slow.
    REQUEST_TIMEOUT: "request_timeout", 408,
        "the body did not arrive within 9 seconds; send the request again",
        "The body did not arrive within 9 seconds",
        "";
    /// Another account has that user name or e-mail.
    NAME_TAKEN: "name_taken", 409,
        "another account has this user name or e-mail; choose another",
        "Another account has this user name or e-mail address",
        "";
    /// The server: the body is large.
    REQUEST_TOO_LARGE: "request_too_large", 413,
        "the body is larger than 64 KiB; send less",
        "The body is larger than 64 KiB",
        "";
    /// The server: the body is of a kind that is not read.
    MEDIA_TYPE_UNSUPPORTED: "media_type_unsupported", 415,
        "the body is neither JSON nor a form, or is compressed; send plain JSON",
        "Neither JSON nor a form (urlencoded or multipart), or compressed",
        "";
    /// The user name or e-mail cannot be taken.
    NAME_INVALID: "name_invalid", 400,
        "this cannot be a user name or an e-mail address; choose another",
        "A user name or e-mail address that cannot be one, or a name of a person that is too long",
        "";
    /// The password cannot be taken.
    PASSWORD_REJECTED: "password_rejected", 400,
        "a password is long enough for its profile, has at most 1024 bytes and none of them zero, and is none that others try first; choose another",
        "A password that is too short for its [profile](../guide/passwords.md), of more than 1024 bytes or with a zero byte, one that many people have, one made of the account's own names, or one known from a breach; the sentence says which. Never truncated",
        "";
    /// One spent token was presented too often.
    TOO_MANY_RETRIES: "too_many_retries", 429,
        "this refresh token was presented too many times; use the one that replaced it",
        "One spent token answered 16 times already; use its successor",
        "";
    /// A budget has no room.
    RATE_LIMITED: "rate_limited", 429,
        "too many requests; come again when Retry-After says",
        "Too many tries at one account, known or unknown, or too many requests of one kind from one network; nothing was looked at. Come back after `Retry-After`",
        "`login_failed`, counted together, where an account is tried";
    /// There are no passkeys at this address.
    PASSKEYS_UNAVAILABLE: "passkeys_unavailable", 501,
        "there are no passkeys here, for browsers have them at an https address with a name only; ask whoever runs this service",
        "The public URL has an IP address, or is not https and not localhost, so that browsers have no passkeys there; the start says so",
        "";
    /// A defect.
    INTERNAL: "internal", 500,
        "something broke here; try again later",
        "A defect of ours; the log has it",
        "";
    /// The store fails.
    UNAVAILABLE: "unavailable", 503,
        "the service cannot answer just now; try again in a second, with the same token",
        "The store fails, is full or too slow; what was asked for may have happened and was not acknowledged; come back after `Retry-After`",
        "";
    /// A bounded queue is full.
    BUSY: "busy", 503,
        "too many requests of this kind at once; try again in a second",
        "Too many passwords wait to be hashed, and nothing was done; come back after `Retry-After`",
        "";
}

/// A "no" with a stable code and a sentence for a person; [`Refusal::row`] is what the [table](CODES) says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// No token came with the request.
    TokenMissing,
    /// The token is not one of ours, or not for this profile.
    TokenInvalid,
    /// The token was spent a moment ago and this profile answers no retries.
    TokenSpent,
    /// The token's or session's lifetime is over.
    TokenExpired,
    /// The session is over; whoever has a genuine token of it learns why.
    SessionEnded(Option<EndCause>),
    /// The account may not log in.
    AccountDisabled,
    /// One spent token was presented too often.
    TooManyRetries,
    /// Unknown name or wrong password: deliberately not told apart.
    CredentialsInvalid,
    /// The present password, asked for once more, is wrong.
    CurrentPasswordWrong,
    /// The password cannot be taken, for this reason.
    PasswordRejected(Rejected),
    /// The user name or e-mail cannot be taken, for this reason.
    NameInvalid(&'static str),
    /// Another account has that user name or e-mail.
    NameTaken,
    /// The password is right, and the account has a second factor.
    SecondFactorRequired,
    /// The password is right, and the account must have a second factor and has none.
    EnrolmentRequired,
    /// The code is not one of the account's second factors, or was used before.
    CodeWrong,
    /// The passkey is not one of the account's, was made or used elsewhere, or answers no challenge of ours.
    PasskeyWrong,
    /// There are no passkeys at this address.
    PasskeysUnavailable,
    /// A log-in that waited for its second factor cannot be gone on with.
    LogInLapsed,
    /// The account has no such second factor.
    FactorUnknown,
    /// The account has as many second factors as it may have.
    FactorsFull,
    /// They showed who they are too long ago for this.
    StepUpRequired,
    /// The address must be confirmed first.
    EmailUnconfirmed,
    /// The log-in is too unlike those before it.
    RiskRefused,
    /// A hook says that they may not log in.
    LoginRefused,
    /// Only an administrator may do this.
    Forbidden,
    /// Nobody registers here.
    RegistrationClosed,
    /// The account has no such session.
    SessionUnknown,
    /// The link or code of a letter is not good, or no longer.
    LinkInvalid,
    /// There is no such account.
    AccountUnknown,
    /// A budget has no room for another try; nothing was looked at.
    RateLimited(Spent),
}

impl Refusal {
    /// Its row in the table of refusals.
    #[must_use]
    pub fn row(&self) -> &'static Code {
        match self {
            Self::TokenMissing => &TOKEN_MISSING,
            Self::TokenInvalid => &TOKEN_INVALID,
            Self::TokenSpent => &TOKEN_SPENT,
            Self::TokenExpired => &TOKEN_EXPIRED,
            Self::SessionEnded(_) => &SESSION_ENDED,
            Self::AccountDisabled => &ACCOUNT_DISABLED,
            Self::TooManyRetries => &TOO_MANY_RETRIES,
            Self::CredentialsInvalid => &CREDENTIALS_INVALID,
            Self::CurrentPasswordWrong => &CURRENT_PASSWORD_WRONG,
            Self::PasswordRejected(_) => &PASSWORD_REJECTED,
            Self::NameInvalid(_) => &NAME_INVALID,
            Self::NameTaken => &NAME_TAKEN,
            Self::SecondFactorRequired => &SECOND_FACTOR_REQUIRED,
            Self::CodeWrong | Self::PasskeyWrong => &CODE_WRONG,
            Self::PasskeysUnavailable => &PASSKEYS_UNAVAILABLE,
            Self::EnrolmentRequired => &ENROLMENT_REQUIRED,
            Self::FactorUnknown => &FACTOR_UNKNOWN,
            Self::FactorsFull => &FACTORS_FULL,
            Self::StepUpRequired => &STEP_UP_REQUIRED,
            Self::EmailUnconfirmed => &EMAIL_UNCONFIRMED,
            Self::RiskRefused => &RISK_REFUSED,
            Self::LoginRefused => &LOGIN_REFUSED,
            Self::Forbidden => &FORBIDDEN,
            Self::RegistrationClosed => &REGISTRATION_CLOSED,
            Self::SessionUnknown => &SESSION_UNKNOWN,
            Self::LinkInvalid | Self::LogInLapsed => &LINK_INVALID,
            Self::AccountUnknown => &ACCOUNT_UNKNOWN,
            Self::RateLimited(_) => &RATE_LIMITED,
        }
    }

    /// The stable code, part of the wire.
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.row().name
    }
}

/// The row's sentence, or what more is known of the case at hand.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SessionEnded(Some(cause)) => {
                write!(f, "this session has ended because {}; log in again", cause.sentence())
            }
            Self::NameInvalid(reason) => f.write_str(reason),
            Self::PasskeyWrong => f.write_str(
                "this passkey is not taken here, or its answer was used or came too late; ask for new options, and show it once more",
            ),
            Self::LogInLapsed => f.write_str(
                "this log-in cannot be gone on with: it was finished, has expired, was tried too often, or began elsewhere; log in again",
            ),
            Self::PasswordRejected(why) => why.fmt(f),
            _ => f.write_str(self.row().sentence),
        }
    }
}

/// Why a password cannot be taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rejected {
    /// It is empty, has too many bytes, or one of them is zero.
    Unfit,
    /// It has fewer characters than this.
    TooShort(u16),
    /// Many people have it, or it only repeats or counts.
    Common,
    /// It is made of the account's own names.
    OwnName,
    /// It is known from a breach.
    Breached,
}

impl fmt::Display for Rejected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unfit => write!(f, "a password has at most {MAX_PASSWORD_BYTES} bytes, and none of them is zero; choose another"),
            Self::TooShort(least) => {
                write!(f, "a password has at least {least} characters; choose a longer one, as a few words that belong together only for you")
            }
            Self::Common => f.write_str("many people have this password, or it is easily guessed; choose another"),
            Self::OwnName => f.write_str("this password is made of a name of the account; choose another"),
            Self::Breached => {
                f.write_str("this password was stolen elsewhere and is known to those who guess; choose another, and change it wherever it is used")
            }
        }
    }
}

impl StdError for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_stands_once_in_the_table() {
        for (position, code) in CODES.iter().enumerate() {
            assert!(CODES[..position].iter().all(|earlier| earlier.name != code.name), "{}", code.name);
        }
    }

    #[test]
    fn a_row_has_the_status_of_an_error_and_its_words() {
        for code in CODES {
            assert!((400..=599).contains(&code.status), "{}", code.name);
            assert!(!code.sentence.is_empty() && !code.sentence.ends_with('.'), "{}", code.name);
            assert!(code.when.starts_with(char::is_uppercase) && !code.when.ends_with('.'), "{}", code.name);
        }
    }
}
