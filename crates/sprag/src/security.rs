//! The security log: a line for whatever concerns security, under the target [`TARGET`], at the level INFO.
//!
//! Its words are those of the journal, of the verdict table and of the table of refusals. It says who by the account's id, and
//! [`NOBODY`] where there is none; never what somebody typed or presented.
//!
//! What the journal keeps is told each time, once it is committed: it has cost more than a line. A refusal that writes nothing
//! can come thousands of times a second, so of each kind and network the [first few](ALLOWANCE) are told, and then one a second
//! with how many were left out.

use std::time::Instant;

use crate::audit::{self, Event, EventKind, Severity};
use crate::prefix::Prefix;
use crate::session::{AccountId, EndCause, SessionId};
use crate::text;
use crate::verdict::Row;

mod allowance;
mod asked;

pub use allowance::ALLOWANCE;
pub use asked::{Asked, RequestId, TraceId, asked, asked_by};

/// What a filter of the log calls it.
pub const TARGET: &str = "sprag::security";

/// What a line calls a refusal that the journal does not keep; its code stands beside it.
pub const REFUSED: &str = "refused";

/// What the line says in place of an account where there is none: nobody has the name that was typed, or no genuine token
/// came.
pub const NOBODY: &str = "nobody";

/// How much is told of what a client calls itself, in bytes.
const MAX_USER_AGENT_BYTES: usize = 256;

/// How much is told of an address, in bytes.
const MAX_ADDRESS_BYTES: usize = 64;

/// How many events of one commit are told each.
const MOST_AT_ONCE: usize = 100;

/// Something that concerns security, as a line tells it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome<'a> {
    /// What it is: the name of a kind of event; or [`REFUSED`].
    pub name: &'static str,
    /// The code of the refusal, where it is one.
    pub refusal: Option<&'static str>,
    /// How much it should worry its reader.
    pub severity: Severity,
    /// Whose account.
    pub account: Option<AccountId>,
    /// Which session.
    pub session: Option<SessionId>,
    /// Why, where a session ended.
    pub cause: Option<EndCause>,
    /// The row of the verdict table that decided, where one did.
    pub verdict: Option<Row>,
    /// From which address.
    pub ip: Option<&'a str>,
    /// From which client, as it called itself.
    pub user_agent: Option<&'a str>,
    /// What else a reader needs; never a secret, nor what somebody typed.
    pub note: Option<&'a str>,
}

impl<'a> Outcome<'a> {
    /// What an event of the journal says.
    #[must_use]
    pub fn of(event: &'a Event) -> Self {
        Self {
            account: Some(event.account).filter(|account| *account != audit::NOBODY),
            session: event.session,
            cause: event.cause,
            note: event.note.as_deref(),
            ..Self::named(
                event.kind.name(),
                event.severity(),
                event.ip.as_deref(),
                event.user_agent.as_deref(),
            )
        }
    }

    /// An outcome of this name that concerns whoever asks from there.
    #[must_use]
    pub fn named(
        name: &'static str,
        severity: Severity,
        ip: Option<&'a str>,
        user_agent: Option<&'a str>,
    ) -> Self {
        let (refusal, account, session, cause, verdict, note) = (None, None, None, None, None, None);
        Self { name, refusal, severity, account, session, cause, verdict, ip, user_agent, note }
    }

    /// It as the refusal of this code.
    #[must_use]
    pub fn refused(self, code: &'static str) -> Self {
        Self { name: REFUSED, refusal: Some(code), ..self }
    }

    /// Tells it.
    pub fn tell(&self) {
        self.tell_with(None);
    }

    /// Tells it, unless too many of its kind came from the same network a moment ago.
    pub fn tell_seldom(&self) {
        if let Some(left_out) =
            allowance::take((self.name, self.refusal), Prefix::of(self.ip), Instant::now())
        {
            self.tell_with((left_out > 0).then_some(left_out));
        }
    }

    fn tell_with(&self, left_out: Option<u64>) {
        let Self { name, refusal, severity, account, session, cause, verdict, ip, user_agent, note } = *self;
        let account = account.map(|account| account.to_string());
        let client = asked().map(|asked| asked.client);
        tracing::info!(
            target: TARGET,
            refusal,
            severity = severity.name(),
            account = account.as_deref().unwrap_or(NOBODY),
            session = session.map(|session| session.to_string()),
            cause = cause.map(EndCause::name),
            verdict = verdict.map(Row::name),
            client = client.as_deref(),
            ip = ip.map(|ip| text::label(ip, MAX_ADDRESS_BYTES)),
            user_agent = user_agent.map(|agent| text::label(agent, MAX_USER_AGENT_BYTES)),
            left_out,
            note,
            "{name}"
        );
    }
}

/// Tells what the journal has just been given by one commit. What is many and in good order is left out: what an
/// import brings, and plain rotations. Of many that came at once, as at a log-out everywhere, the rest is counted.
pub(crate) fn journalled<'a>(events: impl IntoIterator<Item = &'a Event>) {
    let is_told = |event: &&Event| {
        !matches!(
            event.kind,
            EventKind::SessionRotated | EventKind::SessionImported | EventKind::AccountImported
        )
    };
    let mut told = events.into_iter().filter(is_told);
    told.by_ref().take(MOST_AT_ONCE).for_each(|event| Outcome::of(event).tell());
    if let Some(next) = told.next() {
        Outcome::of(next).tell_with(Some(told.count() as u64));
    }
}

/// Tells how many refusals were left out whose network has been quiet since, or of all networks: now and then, or nobody would
/// learn of them.
pub(crate) fn tell_left_out(all: bool) {
    for ((name, refusal), network, left_out) in allowance::left_over(Instant::now(), all) {
        let network = network.map_or_else(|| "all others".to_owned(), |network| network.network());
        tracing::info!(target: TARGET, refusal, network, left_out, "{name}");
    }
}
