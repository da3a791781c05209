//! A second factor from first to last: add an app, log in with it, show it once more before something that matters.
//!
//! `cargo run -p sprag --example second_factor`

use std::sync::Arc;
use std::time::Duration;

use sprag::authn::Shown;
use sprag::clock::{Clock as _, HandClock, SystemClock};
use sprag::engine::{
    ClientPolicy, Engine, FactorProof, FactorRequest, LoggedIn, NewUser, OpenRequest, Proof, Requester,
    StepUpRequest,
};
use sprag::keys::{Algorithm, KeyRing};
use sprag::random::SystemRandom;
use sprag::session::ProfileId;
use sprag::store::memory::MemoryStore;

const PASSWORD: &str = "correct horse battery";

/// The next code of an app, which is another one each thirty seconds.
const A_STEP: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let clock = Arc::new(HandClock::at(SystemClock.now()));
    let keys = KeyRing::generate(Algorithm::Es256, &SystemRandom::default(), clock.now())?;
    let engine = Engine::builder(Arc::new(MemoryStore::default())).clock(clock.clone()).keys(keys);
    let engine = engine.issuer("https://auth.example.org").build()?;
    let (client, ann) = (ClientPolicy::new(ProfileId(1), "second_factor"), Requester::nobody());
    let user = NewUser { username: Some("ann"), password: Some(PASSWORD), ..NewUser::default() };
    engine.accounts().create(user, &ann).await?;

    // What an app needs is a URI: show it as a QR code, by any library that draws one.
    let known = engine.authn().password("ann", PASSWORD, &ann).await?;
    let first = engine.open_session(&client, known, OpenRequest::default(), &ann).await?;
    let caller = engine.authenticate(&client, &first.access_token).await?;
    let app = engine.factors().add_totp(caller.key.account, Some("phone")).await?;
    let uri = app.seed.uri("Example", "ann");
    println!("for the app: {}…", uri.get(..32).unwrap_or_default());
    let codes = engine.factors().confirm_totp(&caller, app.id, &app.seed.code(clock.now()), &ann).await?;
    println!("{} recovery codes, shown once", codes.len());

    // From now on the password alone opens nothing.
    let known = engine.authn().password("ann", PASSWORD, &ann).await?;
    let LoggedIn::Waits(waits) = engine.log_in(&client, known, OpenRequest::default(), &ann).await? else {
        return Err("the password alone opened a session".into());
    };
    println!("the log-in waits {} s for one of {:?}", waits.expires_in, waits.factors);
    clock.wind(A_STEP);
    let code = app.seed.code(clock.now());
    let request = FactorRequest {
        token: waits.token.as_str(),
        proof: FactorProof::Code(&code),
        open: OpenRequest::default(),
    };
    let second = engine.log_in_with_factor(&client, request, &Shown::default(), &ann).await?;

    // An hour later, before something that matters: a new session in the place of this one, by a code.
    clock.wind(Duration::from_secs(3600));
    let code = app.seed.code(clock.now());
    let request = StepUpRequest {
        proof: Proof::Code(&code),
        refresh_token: Some(second.refresh.text()),
        retry_id: None,
    };
    let third = engine.sessions().step_up(&client, None, request, &ann).await?;
    let caller = engine.authenticate(&client, &third.access_token).await?;
    let is_fresh = engine.factors().is_fresh(&caller, Duration::from_secs(600)).await?;
    println!("after the step-up: fresh {is_fresh}, another session {}", third.session != second.session);
    Ok(())
}
