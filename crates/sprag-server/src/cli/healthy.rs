//! `sprag healthy`: whether the server of these settings answers, for whatever watches a container.
//!
//! It asks over the server's own socket, so that an image needs neither a shell nor curl.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use serde_json::Value;
use tokio::time::timeout;

use super::on_node::block_on;
use super::output::say;
use crate::config::Sources;
use crate::http_client::{ClientError, HttpClient, Reply};
use crate::run::node::names_of_profiles;

/// How long the answer may take in all. `/readyz` gives up on a store that is near within three seconds.
const PATIENCE: Duration = Duration::from_secs(5);

/// What `sprag healthy` is asked.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Ask whether the server is ready (its store answers, its clock is sane), and not only whether it is alive
    #[arg(long)]
    ready: bool,
}

/// What is asked, and the word that the answer has then.
struct Question {
    path: &'static str,
    expected: &'static str,
}

const ALIVE: Question = Question { path: "/healthz", expected: "ok" };
const READY: Question = Question { path: "/readyz", expected: "ready" };

/// Asks the server that listens where these settings say. Fails unless it is well.
///
/// Of the settings it takes the address alone: whoever watches need not be allowed to read the server's secrets.
///
/// # Errors
/// Nobody answers, or not as a server that is well does.
pub(super) fn run(args: &Args, sources: &Sources) -> anyhow::Result<ExitCode> {
    let (listen, origin) = sources.listen_address(&names_of_profiles(sources)?)?;
    if listen.port() == 0 {
        bail!(
            "{listen} is whichever port was free when the server started, and only its own screen tells which; give listen \
             (--listen, SPRAG_LISTEN) a port, for the server and for this command"
        );
    }
    let question = if args.ready { READY } else { ALIVE };
    let (address, reply) = block_on(async {
        let asked = timeout(PATIENCE, ask(&addresses(listen), question.path)).await;
        let asked = asked.map_err(|_late| {
            anyhow!(
                "no answer from {listen} within {} s; one that has just started may be waiting for its database, and its log says so",
                PATIENCE.as_secs()
            )
        });
        // Where the address came from, for whoever gave the server another one.
        asked?.with_context(|| {
            format!("nobody answers where the server listens by listen = {listen} ({origin})")
        })
    })?;
    say(judged(address, &question, &reply)?)?;
    Ok(ExitCode::SUCCESS)
}

/// The addresses of this machine by which that one is reached. Every address includes the loopback's; a container without
/// IPv6 has no `::1`, though `[::]` can be bound there and serves IPv4.
fn addresses(listen: SocketAddr) -> Vec<SocketAddr> {
    let loopback: &[IpAddr] = match listen.ip() {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => &[IpAddr::V4(Ipv4Addr::LOCALHOST)],
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => {
            &[IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)]
        }
        _ => return vec![listen],
    };
    loopback.iter().map(|ip| SocketAddr::new(*ip, listen.port())).collect()
}

/// Asks the first address at which anybody can be reached.
async fn ask(addresses: &[SocketAddr], path: &str) -> Result<(SocketAddr, Reply), ClientError> {
    let (last, others) = addresses.split_last().expect("there is an address to ask");
    for address in others {
        match HttpClient::to(*address).read(path, None).await {
            Err(ClientError::Connect { .. }) => {}
            answer => return Ok((*address, answer?)),
        }
    }
    Ok((*last, HttpClient::to(*last).read(path, None).await?))
}

/// What to tell of a server that is well.
///
/// # Errors
/// It is not, or it is no server of ours.
fn judged(address: SocketAddr, question: &Question, reply: &Reply) -> anyhow::Result<String> {
    let body: Value = reply.json().unwrap_or_default();
    let text = |key: &str| body[key].as_str();
    match (reply.status, text("status"), text("code"), text("detail")) {
        (200, Some(word), ..) if word == question.expected => {
            let remarks = ["detail", "store", "clock"].into_iter().filter_map(text);
            let told = format!("the server at {address} answers {}: {word}", question.path);
            Ok(remarks.fold(told, |told, remark| format!("{told}\n{remark}")))
        }
        (503, Some("not ready"), Some(code), Some(detail)) => {
            bail!("the server at {address} is alive and not ready: {detail} ({code})")
        }
        (status, ..) => bail!(
            "{address} answers {} with {status}, and not as this server does; is another program listening there?",
            question.path
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_every_address_is_asked_on_the_loopback() {
        let of = |text: &str| {
            let asked = addresses(text.parse().unwrap());
            asked.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of("0.0.0.0:8080"), "127.0.0.1:8080");
        assert_eq!(of("[::]:8080"), "[::1]:8080 127.0.0.1:8080");
        assert_eq!(of("10.1.2.3:80"), "10.1.2.3:80");
        assert_eq!(of("[fd00::7]:80"), "[fd00::7]:80");
    }

    fn told(question: &Question, status: u16, body: &'static str) -> String {
        let reply = Reply { status, body: body.into() };
        let address = SocketAddr::from(([127, 0, 0, 1], 8080));
        judged(address, question, &reply).unwrap_or_else(|error| format!("no: {error}"))
    }

    #[test]
    fn only_the_answer_of_a_server_that_is_well_counts() {
        assert!(told(&ALIVE, 200, r#"{"status":"ok"}"#).ends_with("/healthz: ok"));
        assert!(told(&READY, 200, r#"{"status":"ready"}"#).ends_with("/readyz: ready"));
        let went_back = r#"{"status":"ready","store":"it lost"}"#;
        assert!(
            told(&READY, 200, went_back).ends_with("ready\nit lost"),
            "what a person should know is told"
        );
        let stopping =
            r#"{"status":"not ready","code":"shutting_down","detail":"the server is shutting down"}"#;
        assert!(told(&READY, 503, stopping).starts_with("no: the server at 127.0.0.1:8080 is alive and not"));
        for (status, body) in [(200, "welcome"), (404, r#"{"status":"ok"}"#), (200, r#"{"status":"ready"}"#)]
        {
            assert!(told(&ALIVE, status, body).contains("is another program listening"), "{status} {body}");
        }
    }
}
