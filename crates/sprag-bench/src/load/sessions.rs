//! Sessions opened and ended over HTTP, as any client does it: slow and honest.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;

use super::driver::LiveSession;
use super::load_profile::LoadProfile;
use super::progress::Progress;
use super::wire::{Client, text_in};

/// How many connections log out at once.
const LEAVING: usize = 16;

/// A user who logs in again and again.
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) password: String,
}

/// Logs `user` in `count` times.
pub(crate) async fn log_in(
    address: SocketAddr,
    profile: &LoadProfile,
    user: &User,
    count: usize,
) -> anyhow::Result<Vec<LiveSession>> {
    let (path, body) = log_in_request(profile, user)?;
    let field = profile.field();
    let mut client = Client::to(address);
    let mut progress = Progress::new("logging in", count as u64);
    let mut sessions = Vec::with_capacity(count);
    while sessions.len() < count {
        let reply = client.post(path, &body).await.context("could not log in")?;
        let token = text_in(&reply.body, &field).filter(|_| reply.status == 200);
        let Some(token) = token else {
            bail!(
                "log-in number {} was answered {}{}",
                sessions.len() + 1,
                super::tally::refusal_text(reply.status, &reply.body),
                advice(reply.status)
            );
        };
        sessions.push(LiveSession::new(token));
        progress.at(sessions.len() as u64);
    }
    Ok(sessions)
}

/// Logs `user` in once; `false` where the server found no time for it (503), and nothing has happened.
pub(crate) async fn log_in_in_time(
    address: SocketAddr,
    profile: &LoadProfile,
    user: &User,
) -> anyhow::Result<bool> {
    let (path, body) = log_in_request(profile, user)?;
    let reply = Client::to(address).post(path, &body).await.context("could not log in")?;
    match reply.status {
        200 => Ok(true),
        503 => Ok(false),
        status => {
            let told = super::tally::refusal_text(status, &reply.body);
            bail!("a log-in was answered {told}{}", advice(status))
        }
    }
}

/// Logs `user` in on that many connections, each again as soon as it is answered, until it is over. A log-in that finds no
/// place in the queue of passwords comes again. Gives back how many there were.
pub(crate) async fn keep_logging_in(
    address: SocketAddr,
    profile: &LoadProfile,
    user: &User,
    connections: usize,
    is_over: &Arc<AtomicBool>,
) -> anyhow::Result<u32> {
    let (path, body) = log_in_request(profile, user)?;
    let mut clients = JoinSet::new();
    for _ in 0..connections {
        let (path, body, is_over) = (path.to_owned(), body.clone(), Arc::clone(is_over));
        clients.spawn(async move {
            let (mut client, mut count) = (Client::to(address), 0);
            while !is_over.load(Ordering::Relaxed) {
                match client.post(&path, &body).await.context("could not log in")?.status {
                    200 => count += 1,
                    503 => {}
                    status => bail!("a log-in was answered {status}{}", advice(status)),
                }
            }
            anyhow::Ok(count)
        });
    }
    let mut count = 0;
    while let Some(counted) = clients.join_next().await {
        count += counted.context("a connection that logs in panicked")??;
    }
    Ok(count)
}

/// Where a log-in goes, and what it says.
fn log_in_request<'a>(profile: &'a LoadProfile, user: &User) -> anyhow::Result<(&'a str, Value)> {
    let Some(call) = &profile.login else {
        bail!(
            "the profile {} has no log-in with a name and a password; use --in-store",
            profile.profile.name
        );
    };
    let mut body = Map::new();
    body.insert(call.name_field.clone(), json!(user.name));
    body.insert(call.password_field.clone(), json!(user.password));
    Ok((&call.path, Value::Object(body)))
}

fn advice(status: u16) -> &'static str {
    match status {
        401 => "; check the user name and the password",
        429 => "; start the server with --rate-limits off to load it",
        _ => "",
    }
}

/// Logs all of them out, and says how many of them could not be.
pub(crate) async fn log_out(address: SocketAddr, profile: &LoadProfile, sessions: Vec<LiveSession>) -> usize {
    let Some(path) = &profile.logout_path else { return sessions.len() };
    let mut shares: Vec<Vec<LiveSession>> = Vec::new();
    shares.resize_with(LEAVING.min(sessions.len().max(1)), Vec::new);
    let count = shares.len();
    for (index, session) in sessions.into_iter().enumerate() {
        shares[index % count].push(session);
    }
    let mut leaving = JoinSet::new();
    for share in shares {
        let (path, field) = (path.clone(), profile.token_field.clone());
        leaving.spawn(log_out_in_turn(address, path, field, share));
    }
    leaving.join_all().await.into_iter().sum()
}

async fn log_out_in_turn(
    address: SocketAddr,
    path: String,
    field: String,
    sessions: Vec<LiveSession>,
) -> usize {
    let mut client = Client::to(address);
    let mut left_behind = 0;
    for session in sessions {
        let body = json!({ field.as_str(): String::from_utf8_lossy(session.token()) });
        let reply = client.post(&path, &body).await;
        left_behind += usize::from(!reply.is_ok_and(|reply| reply.status < 300));
    }
    left_behind
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_given_where_there_is_some() {
        assert!(advice(429).contains("--rate-limits off"));
        assert_eq!(advice(500), "");
    }
}
