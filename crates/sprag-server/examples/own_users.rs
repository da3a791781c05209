//! Users of your own in an axum application: your code says who somebody is, the engine keeps their sessions.
//!
//! `cargo run -p sprag-server --example own_users` serves it on a free port of this machine. There is no second table of
//! users and no password here: the key that your application has for a user leads to an account without either.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use sprag::clock::{Clock as _, SystemClock};
use sprag::engine::{
    AccessTokenShape, ClientPolicy, LogOutRequest, OpenRequest, RefreshRequest, Requester, Subject, TokenPair,
};
use sprag::keys::{Algorithm, KeyRing};
use sprag::random::SystemRandom;
use sprag::session::{Methods, ProfileId};
use sprag::store::memory::MemoryStore;
use sprag::token::hash_instance;
use sprag::{Engine, Error, Refusal};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::interval;

/// Whose tokens these are. Every token carries the number, so it never changes.
const PROFILE: ProfileId = ProfileId(100);

/// How long an ended session is kept, so that its client can be told why it ended.
const KEEP_ENDED: Duration = Duration::from_secs(30 * 24 * 3600);

/// What requests share.
struct App {
    engine: Arc<Engine>,
    client: ClientPolicy,
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!(
        "curl http://{}/login --json '{{\"name\": \"ann\", \"pin\": \"2468\"}}'",
        listener.local_addr()?
    );
    let engine = Arc::new(engine()?);
    let _jobs = keep_up(&engine);
    let service = application(engine).into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).await?;
    Ok(())
}

/// A server keeps its keys in a file and its sessions in a database; here both are gone with the process.
pub(crate) fn engine() -> Result<Engine, sprag::Fault> {
    let keys = KeyRing::generate(Algorithm::Es256, &SystemRandom::default(), SystemClock.now())?;
    Engine::builder(Arc::new(MemoryStore::new())).keys(keys).issuer("https://app.example.org").build()
}

pub(crate) fn application(engine: Arc<Engine>) -> Router {
    // The `sub` of access tokens is your key for the user, so your APIs need not know of accounts.
    let access = AccessTokenShape { subject: Subject::External, ..AccessTokenShape::default() };
    let client = ClientPolicy { access, ..ClientPolicy::new(PROFILE, "app") };
    Router::new()
        .route("/login", post(log_in))
        .route("/refresh", post(refresh))
        .route("/logout", post(log_out))
        .route("/me", get(me))
        .with_state(Arc::new(App { engine, client }))
}

/// What a running server does by itself; it stops when the set is dropped.
fn keep_up(engine: &Arc<Engine>) -> JoinSet<()> {
    let mut jobs = JoinSet::new();
    let engine = Arc::clone(engine);
    jobs.spawn(async move {
        let mut hours = interval(Duration::from_secs(3600));
        loop {
            hours.tick().await;
            let mut after = None;
            while let Ok(swept) = engine.upkeep().sweep(after, KEEP_ENDED).await {
                after = swept.next;
                if after.is_none() {
                    break;
                }
            }
            // A fault is tried again in an hour.
            let _ = engine.upkeep().add_checkpoint().await;
        }
    });
    jobs
}

/// Your own way to know who somebody is: a table that you have, an upstream provider, a client certificate.
fn key_of_user(form: &Value) -> Option<&'static str> {
    let users = [("ann", "2468", "user-1"), ("bob", "1357", "user-2")];
    let known = users.into_iter().find(|(name, pin, _)| form["name"] == *name && form["pin"] == *pin);
    known.map(|(_, _, key)| key)
}

async fn log_in(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(form): Json<Value>,
) -> Result<Json<Value>, No> {
    let requester = requester(peer, &headers);
    let key = key_of_user(&form).ok_or(Refusal::CredentialsInvalid)?;
    let account = app.engine.accounts().of_own_user(PROFILE, key, &requester).await?;
    let somebody = app.engine.authn().vouch_for(account.id, Methods::PASSWORD).await?;
    let request = OpenRequest { device: form["device"].as_str(), ..OpenRequest::default() };
    let pair = app.engine.open_session(&app.client, somebody, request, &requester).await?;
    Ok(handed_out(&pair))
}

async fn refresh(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(form): Json<Value>,
) -> Result<Json<Value>, No> {
    let token = form["refresh_token"].as_str().ok_or(Refusal::TokenMissing)?;
    // With it, a client that lost an answer gets the same one again, however late.
    let retry_id = headers.get("idempotency-key").and_then(|id| id.to_str().ok());
    let request = RefreshRequest { token, retry_id };
    let outcome = app.engine.refresh(&app.client, request, &requester(peer, &headers)).await;
    Ok(handed_out(&outcome.answer?))
}

async fn log_out(
    State(app): State<Arc<App>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(form): Json<Value>,
) -> Result<StatusCode, No> {
    let token = form["refresh_token"].as_str().ok_or(Refusal::TokenMissing)?;
    // With it, a client that lost the answer to its last refresh is known for the holder, and not taken for a thief.
    let retry_id = headers.get("idempotency-key").and_then(|id| id.to_str().ok());
    let request = LogOutRequest { retry_id, ..LogOutRequest::with(token) };
    app.engine.log_out(&app.client, request, &requester(peer, &headers)).await.map_err(Error::from)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn me(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Json<Value>, No> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = value.and_then(|value| value.strip_prefix("Bearer ")).ok_or(Refusal::TokenMissing)?;
    let caller = app.engine.authenticate(&app.client, bearer).await?;
    let account = app.engine.accounts().get(caller.key.account).await?;
    Ok(Json(json!({ "user": account.external_id(PROFILE), "session": caller.key.session })))
}

/// Whom the journal and the list of sessions name. Behind a proxy, the address is in a header of the proxy's.
fn requester(peer: SocketAddr, headers: &HeaderMap) -> Requester {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let user_agent = text("user-agent").map(str::to_owned);
    // A client that names its installation is known again wherever it goes.
    let instance = text("sprag-instance").or(user_agent.as_deref()).unwrap_or_default();
    let ip = Some(peer.ip().to_string());
    Requester { ip, instance: hash_instance(instance), user_agent, ..Requester::nobody() }
}

fn handed_out(pair: &TokenPair) -> Json<Value> {
    Json(json!({
        "access_token": pair.access_token,
        "expires_in": pair.expires_in,
        "refresh_token": pair.refresh.text(),
    }))
}

/// A "no", or a failure of ours, as an answer.
struct No(Error);

impl<E: Into<Error>> From<E> for No {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for No {
    fn into_response(self) -> Response {
        let (status, code) = match &self.0 {
            Error::Refused(refusal) => (StatusCode::UNAUTHORIZED, refusal.code()),
            // Not 401: a client must not log anybody out because our database is away.
            Error::Failed(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
        };
        (status, Json(json!({ "code": code, "detail": self.0.to_string() }))).into_response()
    }
}
