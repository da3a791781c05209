//! The tools by which others attack: slowhttptest, h2load, and Python's h2 (scripts/siege-h2).

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use sprag_testkit::binary::server::Server;
use sprag_testkit::binary::wire::Request;

use super::Figure;
use super::refreshes::{CONNECTIONS, Refreshes};
use super::target::Target;

/// How long a refresh may take meanwhile.
const MOST_MILLIS: f64 = 100.0;

/// In which second of a slow attack nobody may be left any more: two to come, ten to stay, and one in which it is seen.
const GONE_SECOND: u64 = 13;

/// The interpreter for which Debian packages h2.
const PYTHON: &str = "/usr/bin/python3";

/// One run of a tool.
pub(super) struct Tool {
    pub(super) name: &'static str,
    program: &'static str,
    /// Its arguments, where `{url}`, `{host}` and `{port}` are the server's.
    arguments: &'static str,
    /// For about how long it runs.
    lasts: Duration,
    /// What it has found, in what it prints.
    found: fn(&str) -> Figure,
}

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// All runs.
pub(super) const TOOLS: [Tool; 10] = [
    Tool {
        name: "slowhttptest -H: 2,000 slow heads",
        program: "slowhttptest",
        arguments: "-H -c 2000 -r 1000 -i 1 -x 8 -l 20 -p 3 -u {url}/healthz",
        lasts: seconds(14),
        found: closed,
    },
    Tool {
        name: "slowhttptest -B: 2,000 slow bodies",
        program: "slowhttptest",
        arguments: "-B -c 2000 -r 1000 -i 1 -x 8 -s 8192 -l 20 -p 3 -f application/json -u {url}/api/v1/auth/login",
        lasts: seconds(14),
        found: closed,
    },
    Tool {
        name: "slowhttptest -X: 2,000 slow readers",
        program: "slowhttptest",
        arguments: "-X -c 2000 -r 1000 -w 1 -y 64 -n 5 -z 8 -k 8 -l 20 -p 3 -u {url}/openapi.json",
        lasts: seconds(14),
        found: gone_at_server,
    },
    flood("h2 (Python): rapid reset", "scripts/siege-h2 {host} {port} reset"),
    flood("h2 (Python): CONTINUATION", "scripts/siege-h2 {host} {port} continuation"),
    flood("h2 (Python): pings", "scripts/siege-h2 {host} {port} ping"),
    flood("h2 (Python): settings", "scripts/siege-h2 {host} {port} settings"),
    flood("h2 (Python): empty data", "scripts/siege-h2 {host} {port} data"),
    Tool {
        name: "h2load, an honest client: 20,000 requests, 16 at once on each of 32 connections",
        program: "h2load",
        arguments: "-n 20000 -c 32 -m 16 {url}/healthz",
        lasts: seconds(2),
        found: all_answered,
    },
    Tool {
        name: "h2load, an honest client: 2,000 large answers",
        program: "h2load",
        arguments: "-n 2000 -c 16 -m 8 {url}/openapi.json",
        lasts: seconds(2),
        found: all_answered,
    },
];

const fn flood(name: &'static str, arguments: &'static str) -> Tool {
    Tool { name, program: PYTHON, arguments, lasts: seconds(8), found: cut_off }
}

/// Runs a tool while others refresh; `None` where this machine does not have it.
pub(super) fn run(target: &Target, tool: &Tool) -> anyhow::Result<Option<Vec<Figure>>> {
    let is_there =
        Command::new(tool.program).arg("-h").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    let scripts_are_here = tool.program != PYTHON || Path::new("scripts/siege-h2").is_file();
    if !is_there || !scripts_are_here {
        return Ok(None);
    }
    let mut refreshes = Refreshes::start(target, 0, &[])?;
    let attack = |_: &_, server: &Server| attack(tool, server);
    let (seen, printed) = refreshes.beside(tool.lasts, attack)?;
    Ok(Some(vec![(tool.found)(&printed?), seen.figure(MOST_MILLIS), seen.served(), refreshes.memory(200)?]))
}

fn attack(tool: &Tool, server: &Server) -> anyhow::Result<String> {
    let address = server.address();
    let fill = |word: &str| {
        let word = word.replace("{url}", &format!("http://{address}"));
        word.replace("{host}", &address.ip().to_string()).replace("{port}", &address.port().to_string())
    };
    let mut ran = Command::new(tool.program);
    ran.args(tool.arguments.split(' ').map(fill))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let ran = ran.spawn().with_context(|| format!("could not run {}", tool.program))?;
    thread::sleep(seconds(GONE_SECOND).min(tool.lasts));
    let left = connected(server);
    let ran = ran.wait_with_output().with_context(|| format!("could not run {}", tool.program))?;
    let printed = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
    Ok(format!(
        "{printed}\n{AT_SERVER} {}\n",
        left.context("the server does not tell how many are connected")?
    ))
}

/// Stands before how many are connected, as the server tells it when those who attack must be gone.
const AT_SERVER: &str = "connected at the server:";

/// How many connections the server has, by its own metrics.
fn connected(server: &Server) -> Option<u64> {
    let answer = server.ask(&Request::get("/metrics"));
    let text = String::from_utf8(answer.body).ok()?;
    text.lines().find_map(|line| line.strip_prefix("sprag_connections ")?.trim().parse().ok())
}

/// The number behind the last place where that stands. What colours it begins with an escape, and is no number.
fn last_number(printed: &str, name: &str) -> Option<u64> {
    let (_, rest) = printed.rsplit_once(name)?;
    let mut plain = rest.split('\u{1b}').map(|part| part.strip_prefix('[').map_or(part, after_colour));
    let with_digits = plain.find(|part| part.contains(|one: char| one.is_ascii_digit()))?;
    let digits = with_digits.trim_start_matches(|one: char| !one.is_ascii_digit());
    let digits: String = digits.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// What stands behind a colour, which ends in an `m`.
fn after_colour(part: &str) -> &str {
    part.split_once('m').map_or(part, |(_, rest)| rest)
}

/// slowhttptest tells how many are left every five seconds, and when there are none. It takes two seconds to open them.
fn closed(printed: &str) -> Figure {
    let second = last_number(printed, "Test ended on").unwrap_or_default();
    let are_gone = printed.contains("No open connections left");
    let what = if are_gone {
        format!(
            "none of 2,000 connections left in the {second}th second, the first two of which they were opened in"
        )
    } else {
        let left = last_number(printed, "connected:").unwrap_or_default();
        format!("{left} connections left in the {second}th second")
    };
    let is_within = are_gone && second <= GONE_SECOND;
    Figure { what: format!("{what} (promised: none)"), is_within }
}

/// Who reads slowly has much of what its own system took at once, and calls a connection open until it has read that; so the
/// server is asked. Those that refresh beside it are connected, and who asks.
fn gone_at_server(printed: &str) -> Figure {
    let honest = u64::try_from(CONNECTIONS).unwrap_or(u64::MAX).saturating_add(1);
    let left = last_number(printed, AT_SERVER).map(|all| all.saturating_sub(honest));
    let what = match left {
        Some(left) => {
            format!(
                "{left} of 2,000 connections left at the server in the {GONE_SECOND}th second (promised: none)"
            )
        }
        None => "the server did not tell how many are connected".to_owned(),
    };
    Figure { what, is_within: left == Some(0) }
}

fn cut_off(printed: &str) -> Figure {
    let times = last_number(printed, "cut off");
    let what = match times {
        Some(times) => format!("64 connections at once, cut off {times} times (promised: all)"),
        None => format!("scripts/siege-h2 found nothing: {}", printed.lines().last().unwrap_or_default()),
    };
    Figure { what, is_within: times.is_some_and(|times| times >= 64) }
}

fn all_answered(printed: &str) -> Figure {
    let line = printed.lines().find(|line| line.starts_with("requests:")).unwrap_or_default();
    let is_within = line.contains(" 0 failed, 0 errored, 0 timeout") && !line.contains(" 0 succeeded");
    Figure { what: format!("{line} (promised: all succeeded)"), is_within }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_number_counts_also_where_it_is_coloured() {
        let printed = "connected:    \u{1b}[1;32m17\n\u{1b}[1;32mconnected:   \u{1b}[1;32m        2000\nTest ended on 11th second";
        assert_eq!(last_number(printed, "connected:"), Some(2000));
        assert_eq!(last_number(printed, "Test ended on"), Some(11));
        assert_eq!(last_number(printed, "nothing"), None);
        assert!(!closed(printed).is_within);
        assert!(
            closed("Test ended on 13th second\nExit status:\u{1b}[1;36m No open connections left").is_within
        );
    }

    #[test]
    fn slow_readers_are_gone_when_the_server_has_no_more_than_honest_clients() {
        let told = |all: usize| gone_at_server(&format!("connected: 2000\n{AT_SERVER} {all}\n"));
        assert!(told(CONNECTIONS + 1).is_within && !told(CONNECTIONS + 2).is_within);
        assert!(!gone_at_server("connected: 0").is_within, "nobody asked the server");
    }

    #[test]
    fn an_honest_client_has_all_of_its_requests_answered() {
        let line = |failed| {
            format!(
                "requests: 20 total, 20 started, 20 done, 20 succeeded, {failed} failed, 0 errored, 0 timeout"
            )
        };
        assert!(all_answered(&line(0)).is_within && !all_answered(&line(1)).is_within);
        assert!(!all_answered("").is_within);
    }
}
