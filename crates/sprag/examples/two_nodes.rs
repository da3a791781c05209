//! Two nodes on one PostgreSQL: a session opened at one is refreshed at the other, and ended at both at once.
//!
//! `cargo run -p sprag --example two_nodes --features postgres -- postgres://user:password@host/database`
//!
//! It makes a key ring at each run, so the database must be an empty one.

use std::sync::Arc;

use sprag::Engine;
use sprag::clock::{Clock as _, SystemClock};
use sprag::engine::{ClientPolicy, LogOutRequest, OpenRequest, RefreshRequest, Requester};
use sprag::keys::{Algorithm, KeyRing};
use sprag::random::SystemRandom;
use sprag::session::{Methods, ProfileId};
use sprag::store::postgres::{PostgresStore, Settings};
use sprag::store::{Rings as _, Store as _};
use zeroize::Zeroizing;

const PROFILE: ProfileId = ProfileId(100);

type Outcome<T = ()> = Result<T, Box<dyn std::error::Error>>;

#[tokio::main]
pub(crate) async fn main() -> Outcome {
    let url = std::env::args().nth(1).ok_or("say which database: postgres://user:password@host/database")?;
    for line in story(&url).await? {
        println!("{line}");
    }
    Ok(())
}

/// One node. Each may do this at its start: the first one migrates, the others find it done.
async fn node(url: &str, ring: &str) -> Outcome<Engine> {
    let settings = Settings::new(url.parse()?);
    PostgresStore::migrate(&settings).await?;
    let store = PostgresStore::open(settings).await?;
    // Nodes follow the database's clock, or their own would have to agree.
    let clock = store.clock();
    let keys = KeyRing::from_json(ring)?;
    // A node whose ring has nothing to do with the tokens in this database would refuse everybody.
    if !store.admit(keys.fingerprints(), clock.now()).await? {
        return Err("this key ring is not the one that the database's tokens were made with".into());
    }
    Ok(Engine::builder(Arc::new(store)).clock(clock).keys(keys).issuer("https://auth.example.org").build()?)
}

/// What happens at both, told in lines.
pub(crate) async fn story(url: &str) -> Outcome<Vec<String>> {
    // One ring for all nodes, kept outside the database.
    let ring = KeyRing::generate(Algorithm::Es256, &SystemRandom::default(), SystemClock.now())?.to_json();
    let ring: Zeroizing<String> = ring;
    let (one, other) = tokio::try_join!(node(url, &ring), node(url, &ring))?;
    let (client, requester) = (ClientPolicy::new(PROFILE, "app"), Requester::nobody());

    let account = one.accounts().of_own_user(PROFILE, "user-1", &requester).await?;
    let somebody = one.authn().vouch_for(account.id, Methods::PASSWORD).await?;
    let first = one.open_session(&client, somebody, OpenRequest::default(), &requester).await?;
    let mut told = vec!["one node opened a session".to_owned()];

    let request = RefreshRequest { token: first.refresh.text(), retry_id: None };
    let second = other.refresh(&client, request, &requester).await.answer?;
    told.push("the other node refreshed it".to_owned());

    one.log_out(&client, LogOutRequest::with(second.refresh.text()), &requester).await?;
    let request = RefreshRequest { token: second.refresh.text(), retry_id: None };
    let refused = other.refresh(&client, request, &requester).await.answer.err();
    let refused = refused.ok_or("what ended at one node has ended at the other")?;
    told.push(format!("after a log-out at one, the other says: {refused}"));
    Ok(told)
}
