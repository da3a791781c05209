//! `sprag audit patterns`: what in the journal looks like an attack.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Value, json};
use sprag::audit::NOBODY;
use sprag::clock::{Timestamp, rfc3339};
use sprag::patterns::{AIRLINER, Finding, Found, JOURNEY, Pattern, Thresholds, Watch};
use sprag::place::{Location, Whereabouts as _};
use sprag::store::Slice;

use super::cursor::Cursor;
use super::since::{Since, since};
use crate::cli::output::{Progress, counted, moment, say, say_json, tell};
use crate::duration;
use crate::run::node::Node;

/// How many entries are read at a time.
const SLICE: u32 = 1000;

/// What a shell is told where something was found.
const FOUND: u8 = 3;

/// The highest threshold: until it is reached, as many are remembered.
const MOST: i64 = 10_000;

/// How far back it is looked, where nobody says it.
const DAY: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Look at what happened since: a span as 2h or 7d, a day as 2026-11-21, or a moment as 2026-11-21T03:02:11Z [default: 24h]
    #[arg(long, value_name = "SPAN|MOMENT", value_parser = since)]
    since: Option<Since>,
    /// Within which time it must happen to be a pattern
    #[arg(long, value_name = "SPAN", default_value = "1h", value_parser = window)]
    window: Duration,
    /// From how many failed log-ins on of one network
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=MOST as u64))]
    failures: u64,
    /// From how many accounts on that one network tried in vain
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u16).range(2..=MOST))]
    accounts: u16,
    /// From how many networks on that one account was tried from
    #[arg(long, value_name = "COUNT", default_value_t = 10, value_parser = clap::value_parser!(u16).range(2..=MOST))]
    networks: u16,
    /// From how many new accounts on
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=MOST as u64))]
    new_accounts: u64,
    /// From what speed on between two log-ins of an account, in km/h; only where geo-database is set
    #[arg(long, value_name = "KM/H", default_value_t = AIRLINER, value_parser = clap::value_parser!(u32).range(1..))]
    speed: u32,
    /// Print one JSON document
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: &Args, node: &Node) -> anyhow::Result<ExitCode> {
    let until = node.engine.now();
    let since = args.since.map_or(until.minus(DAY), |since| since.moment(until));
    let (found, entries) = look(args, node, since).await?;
    if args.json {
        say_json(&json!({
            "since": rfc3339(since),
            "until": rfc3339(until),
            "entries": entries,
            "findings": found.findings.iter().map(record).collect::<Vec<_>>(),
            "more": found.more,
            "unwatched": found.unwatched,
        }))?;
    } else {
        for finding in &found.findings {
            say(told(finding))?;
        }
    }
    if found.more > 0 {
        tell(format_args!("and {} more; a shorter --since shows them", found.more));
    }
    if found.unwatched > 0 {
        tell(format_args!(
            "too many networks or accounts at once: {} could not be looked at; a shorter --since or --window looks at them",
            counted(found.unwatched, "entry", "entries")
        ));
    }
    let read = counted(entries, "entry", "entries");
    if found.findings.is_empty() {
        tell(format_args!("nothing in {read} since {} looks like an attack", moment(since)));
        return Ok(ExitCode::SUCCESS);
    }
    let patterns = counted(found.findings.len() as u64, "pattern", "patterns");
    tell(format_args!(
        "{patterns} in {read} since {}; `sprag audit list --account ID` shows entries",
        moment(since)
    ));
    Ok(ExitCode::from(FOUND))
}

/// Reads the journal once, oldest first; what goes on since then may have begun a window before, and a journey longer ago.
async fn look(args: &Args, node: &Node, since: Timestamp) -> anyhow::Result<(Found, u64)> {
    let thresholds = Thresholds {
        window: args.window,
        failures_of_network: args.failures,
        accounts_of_network: args.accounts.into(),
        networks_of_account: args.networks.into(),
        new_accounts: args.new_accounts,
        speed: args.speed,
    };
    let spot = |address: &str| node.places.of(Some(address)).as_ref().and_then(Location::somewhere);
    let knows_places = node.places.knows_places();
    let mut watch = Watch::new(thresholds, if knows_places { Some(&spot) } else { None });
    let before = if knows_places { args.window.max(JOURNEY) } else { args.window };
    let (mut progress, mut entries) = (Progress::new(), 0);
    let mut after = Some((since.minus(before), NOBODY, 0));
    loop {
        let slice = node.engine.store().by_time(Timestamp(i64::MAX), Slice::after(after, SLICE)).await?;
        let Some(last) = slice.last() else { break };
        after = Some(Cursor::place(last));
        for entry in &slice {
            watch.entry(entry);
            entries += u64::from(entry.event.at >= since);
        }
        progress.show(format_args!("looked at {entries} entries"));
    }
    let mut found = watch.finish();
    found.findings.retain(|finding| finding.last >= since);
    Ok((found, entries))
}

/// A finding for people.
fn told(finding: &Finding) -> String {
    let Finding { pattern, severity, account, network, first, last, note, .. } = finding;
    let mut text = format!("{:<8}  {}: {}", severity.name(), pattern.name(), pattern.told());
    let mut about = Vec::new();
    about.extend(account.map(|account| format!("account {account}")));
    about.extend(network.as_ref().map(|network| format!("network {network}")));
    about.push(amount(finding));
    about.extend(note.clone());
    let _ = write!(text, "\n    {}", about.join(", "));
    let _ = write!(text, "\n    from {} to {}", moment(*first), moment(*last));
    for line in entries(finding) {
        let _ = write!(text, "\n    {line}");
    }
    let _ = write!(text, "\n    what to do: {}\n", pattern.advice());
    text
}

/// How many of what.
fn amount(finding: &Finding) -> String {
    let (one, many) = match finding.pattern {
        Pattern::FailuresOfNetwork => ("failure", "failures"),
        Pattern::AccountsOfNetwork | Pattern::NewAccounts => ("account", "accounts"),
        Pattern::NetworksOfAccount => ("network", "networks"),
        Pattern::Reuse | Pattern::Lockstep => ("time", "times"),
        Pattern::ImpossibleTravel => ("journey", "journeys"),
    };
    counted(finding.count, one, many)
}

/// The entries behind it: those of each account on a line.
fn entries(finding: &Finding) -> Vec<String> {
    let mut lines: Vec<(sprag::session::AccountId, Vec<String>)> = Vec::new();
    for (account, number) in &finding.evidence {
        match lines.iter_mut().find(|(known, _)| known == account) {
            Some((_, numbers)) => numbers.push(number.to_string()),
            None => lines.push((*account, vec![number.to_string()])),
        }
    }
    let line = |(account, numbers): (sprag::session::AccountId, Vec<String>)| {
        let whose = if account == NOBODY { "nobody".to_owned() } else { account.to_string() };
        format!("entries of {whose}: {}", numbers.join(", "))
    };
    lines.into_iter().map(line).collect()
}

/// A finding for machines.
fn record(finding: &Finding) -> Value {
    let Finding { pattern, severity, account, network, count, first, last, note, evidence } = finding;
    let evidence = evidence.iter().map(|(account, number)| json!({ "account_id": account, "entry": number }));
    json!({
        "pattern": pattern.name(),
        "severity": severity.name(),
        "account_id": account,
        "network": network,
        "count": count,
        "first": rfc3339(*first),
        "last": rfc3339(*last),
        "note": note,
        "entries": evidence.collect::<Vec<_>>(),
        "advice": pattern.advice(),
    })
}

fn window(text: &str) -> Result<Duration, String> {
    match duration::parse(text) {
        Ok(span) if span > Duration::ZERO && span <= 30 * DAY => Ok(span),
        _ => Err("write a span between a moment and 30 days, as 10m or 1h".to_owned()),
    }
}
