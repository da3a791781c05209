//! Wrong passwords, as many at once as an attacker has connections, while somebody honest logs in.

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use sprag_testkit::binary::server::PASSWORD;

use super::target::{Target, attacker};
use super::{Figure, honest, http1};

/// How many of them there are.
const ATTACKERS: usize = 64;

/// Tries wrong passwords from one network, while somebody of another one logs in again and again.
pub(super) async fn run(target: &Target) -> anyhow::Result<Vec<Figure>> {
    let started = target.start();
    started.home.create_user("ann");
    let (to, until) = (started.address(), Instant::now() + target.lasts);
    let mut attackers = JoinSet::new();
    for _ in 0..ATTACKERS {
        attackers.spawn(async move {
            let wrong = http1::login("ann", "a wrong password");
            // Each is refused; what counts is that the server has had to hash.
            let _ = timeout_at(until, honest::ask_without_pause(attacker(0, 1), to, &wrong)).await;
        });
    }
    let seen = honest::ask(honest::ADDRESS, to, &http1::login("ann", PASSWORD), target.lasts).await;
    attackers.join_all().await;
    Ok(vec![seen.figure("honest log-ins"), started.memory()?])
}
