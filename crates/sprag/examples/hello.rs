//! A whole session in one file: log in, refresh, lose an answer, catch a thief.
//!
//! `cargo run -p sprag --example hello`

use std::sync::Arc;
use std::time::Duration;

use sprag::access::Algorithm;
use sprag::clock::{Clock as _, HandClock, SystemClock};
use sprag::engine::{
    AccessTokenShape, ClientPolicy, Engine, Issuer, Limits, LogIn, NewUser, RefreshRequest, Requester,
};
use sprag::keys::KeyRing;
use sprag::password::Hasher;
use sprag::policy::Policy;
use sprag::random::SystemRandom;
use sprag::session::ProfileId;
use sprag::store::memory::MemoryStore;
use sprag::token::{Encoding, hash_instance};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // What the engine needs is handed in; here the clock is one that we wind ourselves.
    let clock = Arc::new(HandClock::at(SystemClock.now()));
    let random = Arc::new(SystemRandom::default());
    let keys = KeyRing::generate(Algorithm::Es256, random.as_ref(), clock.now())?;
    let url = "https://auth.example.org".to_owned();
    let issuer = Issuer { issuer: url.clone(), audience: url };
    let (store, hasher) = (Arc::new(MemoryStore::default()), Hasher::start(1, 8)?);
    let engine = Engine::new(store, clock.clone(), random, keys, hasher, issuer, Limits::default());

    let client = ClientPolicy {
        profile: ProfileId(1),
        client_id: "hello".into(),
        policy: Policy::default(),
        encoding: Encoding::Opaque,
        access: AccessTokenShape::default(),
        takes_imported_tokens: false,
    };
    let ann = Requester { ip: None, user_agent: None, instance: hash_instance("ann's laptop") };
    let password = "correct horse battery";
    engine.create_account(NewUser { username: Some("ann"), password, ..NewUser::default() }, &ann).await?;

    let log_in = LogIn { name: "ann", password, device: Some("laptop"), superseded: None };
    let first = engine.log_in(&client, log_in, &ann).await?;
    let renewal = RefreshRequest { token: first.refresh.text(), retry_id: None };

    let second = engine.refresh(&client, renewal, &ann).await.answer?;
    println!("refreshed: a new token, {} s of access", second.expires_in);

    let again = engine.refresh(&client, renewal, &ann).await.answer?;
    println!("the answer was lost? same successor: {}", again.refresh.text() == second.refresh.text());

    clock.wind(Duration::from_secs(3600));
    let thief = Requester { instance: hash_instance("somebody else's"), ..ann };
    let refused = engine.refresh(&client, renewal, &thief).await;
    let refusal = refused.answer.err().ok_or("an old token is refused")?;
    println!("an hour later, an old token: {refusal}");

    let why = engine.explain(first.session).await?.ok_or("the session is known")?;
    println!("why it ended: {}", why.session.ended.map(|ended| ended.cause.sentence()).unwrap_or_default());
    Ok(())
}
