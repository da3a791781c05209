//! A small real HTTP server on this machine that publishes keys and counts how often it is asked.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::Response;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// What it answers.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn keys(body: String) -> Self {
        Self { status: 200, headers: Vec::new(), body }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The server; it stops when it is dropped.
pub(crate) struct Issuer {
    address: SocketAddr,
    shared: Arc<Shared>,
    running: JoinHandle<()>,
}

struct Shared {
    answer: Mutex<Answer>,
    asked: AtomicUsize,
    /// Each answer takes one of these.
    gate: Semaphore,
    arrived: Semaphore,
}

impl Issuer {
    /// Starts one that answers at once.
    pub(crate) async fn start(answer: Answer) -> Self {
        let issuer = Self::start_held(answer).await;
        issuer.release();
        issuer
    }

    /// Starts one that answers nobody until it is released.
    pub(crate) async fn start_held(answer: Answer) -> Self {
        let shared = Arc::new(Shared {
            answer: Mutex::new(answer),
            asked: AtomicUsize::new(0),
            gate: Semaphore::new(0),
            arrived: Semaphore::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::clone(&shared);
        let app = Router::new().fallback(get(async move || respond(&state).await));
        let running = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, shared, running }
    }

    pub(crate) fn release(&self) {
        self.shared.gate.add_permits(1_000_000);
    }

    /// Answers nobody any more until it is released.
    pub(crate) fn hold(&self) {
        self.shared.gate.forget_permits(usize::MAX);
    }

    /// Waits until a request has arrived that was not waited for yet.
    pub(crate) async fn await_request(&self) {
        self.shared.arrived.acquire().await.unwrap().forget();
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/.well-known/jwks.json", self.address)
    }

    /// How often it was asked so far.
    pub(crate) fn asked(&self) -> usize {
        self.shared.asked.load(Ordering::SeqCst)
    }

    pub(crate) fn answer_from_now_on(&self, answer: Answer) {
        *self.shared.answer.lock().unwrap() = answer;
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn respond(shared: &Shared) -> Response<Body> {
    shared.asked.fetch_add(1, Ordering::SeqCst);
    shared.arrived.add_permits(1);
    shared.gate.acquire().await.unwrap().forget();
    let answer = shared.answer.lock().unwrap().clone();
    let mut response = Response::builder().status(answer.status);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    response.body(Body::from(answer.body)).unwrap()
}
