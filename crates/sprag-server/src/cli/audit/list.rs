//! `sprag audit list`: what the journal says, newest last.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use serde_json::{Value, json};
use sprag::audit::{Entry, EventKind, NOBODY, Severity};
use sprag::clock::{Timestamp, rfc3339};
use sprag::session::{AccountId, SessionId};
use sprag::store::Slice;
use sprag::text::shown;
use sprag::{Error, Refusal};
use tokio::time::sleep;

use super::since::{Since, since};
use crate::cli::on_node::plainly;
use crate::cli::output::{Progress, say, say_json, say_json_line, tell};
use crate::cli::session::session_id;
use crate::quoted::quoted;
use crate::run::node::Node;

/// How many entries are read at a time.
const SLICE: u32 = 500;

/// The most that are shown at once: they are held in memory until the oldest of them is found.
const MOST: u32 = 10_000;

/// How often it is looked whether there is something new.
const FOLLOW_PAUSE: Duration = Duration::from_secs(1);

/// How much later than others, by its date, an entry may be committed and still be followed.
const LATE: Duration = Duration::from_secs(30);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only this account's: a user name, an e-mail address or an account's id, also of one that is gone
    #[arg(long, value_name = "WHO")]
    account: Option<String>,
    /// Only what tells of this session
    #[arg(long, value_name = "SESSION", value_parser = session_id)]
    session: Option<SessionId>,
    /// Only of this kind, as in docs/reference/events.md; several with commas between
    #[arg(long, value_name = "KIND", value_parser = kind, value_delimiter = ',')]
    kind: Vec<EventKind>,
    /// Only what is as severe as this, or more: notice, warning or critical
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    severity: Option<Severity>,
    /// Only what happened since: a span as 2h or 7d, a day as 2026-11-21, or a moment as 2026-11-21T03:02:11Z
    #[arg(long, value_name = "SPAN|MOMENT", value_parser = since)]
    since: Option<Since>,
    /// How many at most, the newest (1 to 10000)
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST)))]
    limit: u32,
    /// Go on with what happens from now on, until interrupted
    #[arg(long)]
    follow: bool,
    /// Print one JSON document; with --follow, one object a line
    #[arg(long)]
    json: bool,
}

/// An entry, by time.
type Position = (Timestamp, AccountId, u64);

/// What somebody asks for.
struct Asked<'a> {
    args: &'a Args,
    /// Whose chain is read; all, where nobody is named.
    account: Option<AccountId>,
    since: Timestamp,
}

pub(super) async fn run(args: &Args, node: &Node) -> anyhow::Result<ExitCode> {
    let now = node.engine.now();
    let since = args.since.map_or(Timestamp(i64::MIN), |since| since.moment(now));
    let asked = Asked { args, account: account(args, node).await?, since };
    let from = now.minus(LATE);
    let mut seen: BTreeSet<Position> = if args.follow {
        asked.all_since(node, from).await?.iter().map(place).collect()
    } else {
        BTreeSet::new()
    };
    let (found, has_older) = asked.newest(node).await?;
    seen.extend(found.iter().map(place));
    if args.json && !args.follow {
        say_json(&found.iter().map(record).collect::<Vec<_>>())?;
    } else {
        found.iter().try_for_each(|entry| asked.say(entry))?;
    }
    if has_older {
        tell(format_args!("there are older ones; --limit shows more than {}", args.limit));
    }
    if found.is_empty() && !args.json && !args.follow {
        tell("the journal says nothing of that");
    }
    if args.follow {
        follow(&asked, node, from, seen).await?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Shows what is new, once a second.
async fn follow(
    asked: &Asked<'_>,
    node: &Node,
    mut from: Timestamp,
    mut seen: BTreeSet<Position>,
) -> anyhow::Result<()> {
    loop {
        sleep(FOLLOW_PAUSE).await;
        for entry in asked.all_since(node, from).await?.iter().rev() {
            if seen.insert(place(entry)) && asked.wants(entry) {
                asked.say(entry)?;
            }
        }
        from = from.max(node.engine.now().minus(LATE));
        seen = seen.split_off(&(from, NOBODY, 0));
    }
}

/// Whose chain somebody asks for: the account's that is named, or the one whose session is.
async fn account(args: &Args, node: &Node) -> anyhow::Result<Option<AccountId>> {
    if let Some(who) = &args.account {
        let id = who.parse::<AccountId>();
        return match node.engine.accounts().find(who).await {
            Ok(account) => Ok(Some(account.id)),
            // The journal of an account that is gone stays, as does what concerns nobody.
            Err(Error::Refused(Refusal::AccountUnknown)) if id.is_ok() => Ok(id.ok()),
            Err(Error::Refused(Refusal::AccountUnknown)) => {
                bail!("there is no account {}; `sprag user list` shows all there are", quoted(who))
            }
            Err(error) => Err(plainly(error)),
        };
    }
    let Some(session) = args.session else { return Ok(None) };
    match node.engine.store().named(session).await? {
        Some((session, _)) => Ok(Some(session.key.account)),
        None => bail!(
            "there is no session {session} here, or no longer; the journal may still tell of it: name its account, too, with \
             --account"
        ),
    }
}

impl Asked<'_> {
    fn wants(&self, entry: &Entry) -> bool {
        let (args, event) = (self.args, &entry.event);
        args.session.is_none_or(|session| event.session == Some(session))
            && (args.kind.is_empty() || args.kind.contains(&event.kind))
            && args.severity.is_none_or(|least| event.severity() >= least)
            && event.at >= self.since
    }

    /// The newest that are wanted, oldest first, and whether there are older ones.
    async fn newest(&self, node: &Node) -> anyhow::Result<(Vec<Entry>, bool)> {
        let (mut progress, mut looked_at) = (Progress::new(), 0);
        let (mut found, mut after) = (Vec::new(), None);
        let most = self.args.limit as usize;
        loop {
            let slice = self.read(node, self.since, after).await?;
            let Some(last) = slice.last() else { break };
            after = Some(place(last));
            looked_at += slice.len();
            found.extend(slice.into_iter().filter(|entry| self.wants(entry)).take(most + 1 - found.len()));
            if found.len() > most {
                break;
            }
            progress.show(format_args!("looked at {looked_at} entries"));
        }
        let has_older = found.len() > most;
        found.truncate(most);
        found.reverse();
        Ok((found, has_older))
    }

    /// All entries since then, newest first.
    async fn all_since(&self, node: &Node, since: Timestamp) -> anyhow::Result<Vec<Entry>> {
        let mut found: Vec<Entry> = Vec::new();
        loop {
            let slice = self.read(node, since, found.last().map(place)).await?;
            if slice.is_empty() {
                return Ok(found);
            }
            found.extend(slice);
        }
    }

    /// The next entries, newest first: of one account by its chain, of all by time.
    async fn read(
        &self,
        node: &Node,
        since: Timestamp,
        after: Option<Position>,
    ) -> anyhow::Result<Vec<Entry>> {
        let store = node.engine.store();
        let Some(account) = self.account else {
            return Ok(store.recent(since, Slice::after(after, SLICE)).await?);
        };
        let after = after.map(|(_, _, number)| number);
        let mut slice = store.entries_of(account, Slice::after(after, SLICE)).await?;
        // Within a chain none is older than the one before it.
        slice.retain(|entry| entry.event.at >= since);
        Ok(slice)
    }

    fn say(&self, entry: &Entry) -> anyhow::Result<()> {
        if self.args.json {
            return say_json_line(&record(entry));
        }
        Ok(say(told(entry))?)
    }
}

fn place(entry: &Entry) -> Position {
    (entry.event.at, entry.event.account, entry.number)
}

/// An entry for people: what happened on its first line, and below it to whom and by whom.
fn told(entry: &Entry) -> String {
    let event = &entry.event;
    let (at, severity, kind) = (rfc3339(event.at), event.severity().name(), event.kind.name());
    let mut text = format!("{at}  {severity:<8}  {kind}");
    if let Some(cause) = event.cause {
        let _ = write!(text, " ({cause})");
    }
    if let Some(ip) = &event.ip {
        let _ = write!(text, "  from {}", shown(ip));
    }
    match event.account {
        NOBODY => text += "\n    nobody's account",
        account => {
            let _ = write!(text, "\n    account {account}");
        }
    }
    if let Some(session) = event.session {
        let _ = write!(text, "  session {session}");
    }
    let agent = event.user_agent.as_ref().map(|agent| format!("with {agent}"));
    for line in agent.iter().chain(&event.note) {
        let _ = write!(text, "\n    {}", shown(line));
    }
    text
}

/// An entry for machines.
fn record(entry: &Entry) -> Value {
    let event = &entry.event;
    json!({
        "account_id": (event.account != NOBODY).then_some(event.account),
        "entry": entry.number,
        "at": rfc3339(event.at),
        "severity": event.severity().name(),
        "kind": event.kind.name(),
        "session_id": event.session,
        "cause": event.cause,
        "ip": event.ip,
        "user_agent": event.user_agent,
        "note": event.note,
    })
}

fn kind(text: &str) -> Result<EventKind, String> {
    EventKind::named(text).ok_or_else(|| {
        let names: Vec<_> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
        format!("there is no such kind; the kinds are {}", names.join(", "))
    })
}

fn severity(text: &str) -> Result<Severity, String> {
    let named = Severity::ALL.iter().find(|severity| severity.name() == text);
    named.copied().ok_or_else(|| "it is notice, warning or critical".to_owned())
}

#[cfg(test)]
mod tests {
    use sprag::audit::{Event, Head};
    use sprag::session::EndCause;
    use uuid::Uuid;

    use super::*;

    const AT: Timestamp = Timestamp(1_795_230_131_000);

    fn entry() -> Entry {
        let account = AccountId(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0001));
        let event = Event {
            account,
            at: AT,
            kind: EventKind::SessionEnded,
            session: Some(SessionId(Uuid::from_u128(0x0198_0000_0000_7000_8000_0000_0000_0002))),
            cause: Some(EndCause::Reuse),
            ip: Some("192.0.2.7".to_owned()),
            user_agent: Some("Firefox\u{1b}[31m\u{202e}/140.0\n2026-11-21 forged".to_owned()),
            note: Some("an old token came back".to_owned()),
        };
        Head::new(account).add(event, [0; 32])
    }

    #[test]
    fn an_entry_is_told_within_a_terminals_width_and_moves_nothing() {
        insta::assert_snapshot!(told(&entry()), @r"
        2026-11-21T03:02:11.000Z  critical  session_ended (reuse)  from 192.0.2.7
            account 01980000-0000-7000-8000-000000000001  session 01980000-0000-7000-8000-000000000002
            with Firefox�[31m�/140.0�2026-11-21 forged
            an old token came back
        ");
        let of_nobody =
            Event { account: NOBODY, session: None, user_agent: None, note: None, ..entry().event };
        insta::assert_snapshot!(told(&Head::new(NOBODY).add(of_nobody, [0; 32])), @r"
        2026-11-21T03:02:11.000Z  critical  session_ended (reuse)  from 192.0.2.7
            nobody's account
        ");
    }

    #[test]
    fn machines_get_the_same() {
        let record = record(&entry());
        assert_eq!((&record["at"], &record["cause"]), (&json!("2026-11-21T03:02:11.000Z"), &json!("reuse")));
        assert_eq!((&record["severity"], &record["entry"]), (&json!("critical"), &json!(1)));
    }
}
