//! Guesses at one account that each claim to come from somewhere else.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::bail;
use sprag::budget::Budget;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::target::{Target, attacker, connect};
use super::{Figure, http1};

/// How many guesses there are.
pub(super) const GUESSES: u64 = 100_000;

/// How many connections make them.
const CONNECTIONS: usize = 64;

/// Every header by which some proxy says where a request comes from, each with another address.
fn guess(number: u64) -> String {
    let address = format!("203.{}.{}.{}", number >> 16 & 0xff, number >> 8 & 0xff, number & 0xff);
    let forged = [
        ("X-Forwarded-For", format!("{address}, 198.51.100.7")),
        ("Forwarded", format!("for={address};proto=https")),
        ("X-Real-IP", address.clone()),
        ("True-Client-IP", address.clone()),
        ("CF-Connecting-IP", address.clone()),
        ("X-Client-IP", address),
    ];
    let lines: String = forged.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    http1::kept_login("ann", "a wrong password").replacen(
        "Content-Length",
        &format!("{lines}Content-Length"),
        1,
    )
}

/// Makes the guesses; all but what the account's own budget holds must be turned away.
pub(super) async fn run(target: &Target) -> anyhow::Result<Vec<Figure>> {
    let started = target.start_limited();
    started.home.create_user("ann");
    let (to, begun) = (started.address(), Instant::now());
    let (next, looked_at) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut attackers = JoinSet::new();
    for number in 0..CONNECTIONS {
        let (next, looked_at) = (Arc::clone(&next), Arc::clone(&looked_at));
        attackers.spawn(async move {
            let mut stream = connect(attacker(number, CONNECTIONS), to, false).await?;
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= GUESSES {
                    return anyhow::Ok(());
                }
                match http1::exchange(&mut stream, guess(number).as_bytes()).await? {
                    401 => {
                        looked_at.fetch_add(1, Ordering::Relaxed);
                    }
                    429 => {}
                    status => bail!("a guess was answered with {status}"),
                }
            }
        });
    }
    while let Some(done) = attackers.join_next().await {
        done??;
    }
    let (looked_at, took) = (looked_at.load(Ordering::Relaxed), begun.elapsed());
    let usual = Budget::LoginAccount.usual();
    let most = u64::from(usual.burst) + took.as_secs() / usual.interval.as_secs() + 1;
    let what = format!(
        "{GUESSES} guesses in {} s, {looked_at} of them looked at (promised: {most}, ten at once and one a minute)",
        took.as_secs()
    );
    Ok(vec![Figure { what, is_within: looked_at <= most && looked_at > 0 }, started.memory()?])
}
