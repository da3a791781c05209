//! A whole session in one file: log in, refresh, lose an answer, catch a thief.
//!
//! `cargo run -p sprag --example hello`

use std::sync::Arc;
use std::time::Duration;

use sprag::clock::{Clock as _, HandClock, SystemClock};
use sprag::engine::{ClientPolicy, Engine, NewUser, OpenRequest, RefreshRequest, Requester};
use sprag::keys::{Algorithm, KeyRing};
use sprag::random::SystemRandom;
use sprag::session::ProfileId;
use sprag::store::memory::MemoryStore;
use sprag::token::hash_instance;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The clock is one that we wind ourselves; what else the engine needs has a default.
    let clock = Arc::new(HandClock::at(SystemClock.now()));
    let keys = KeyRing::generate(Algorithm::Es256, &SystemRandom::default(), clock.now())?;
    let engine = Engine::builder(Arc::new(MemoryStore::default())).clock(clock.clone()).keys(keys);
    let engine = engine.issuer("https://auth.example.org").build()?;

    let client = ClientPolicy::new(ProfileId(1), "hello");
    let ann = Requester { instance: hash_instance("ann's laptop"), ..Requester::nobody() };
    let password = "correct horse battery";
    let user = NewUser { username: Some("ann"), password: Some(password), ..NewUser::default() };
    engine.accounts().create(user, &ann).await?;

    let known = engine.authn().password("ann", password, &ann).await?;
    let laptop = OpenRequest { device: Some("laptop"), ..OpenRequest::default() };
    let first = engine.open_session(&client, known, laptop, &ann).await?;
    let request = RefreshRequest { token: first.refresh.text(), retry_id: None };

    let second = engine.refresh(&client, request, &ann).await.answer?;
    println!("refreshed: a new token, {} s of access", second.expires_in);

    let again = engine.refresh(&client, request, &ann).await.answer?;
    println!("the answer was lost? same successor: {}", again.refresh.text() == second.refresh.text());

    clock.wind(Duration::from_secs(3600));
    let thief = Requester { instance: hash_instance("somebody else's"), ..ann };
    let refused = engine.refresh(&client, request, &thief).await;
    let refusal = refused.answer.err().ok_or("an old token is refused")?;
    println!("an hour later, an old token: {refusal}");

    let why = engine.sessions().explain(first.session).await?.ok_or("the session is known")?;
    println!("why it ended: {}", why.session.ended.map(|ended| ended.cause.sentence()).unwrap_or_default());
    Ok(())
}
