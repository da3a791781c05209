//! What a listener serves: a router, and before it what is asked for most, which no router need look for.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use futures_util::future::Either;
use hyper::Method;
use hyper::body::Incoming;
use tower::Service as _;

/// Answers the requests for one path.
pub(crate) type AtPath = Box<dyn Fn(Request) -> Pin<Box<dyn Future<Output = Response> + Send>> + Send + Sync>;

/// What a listener serves. Any router can be: `served.into()`.
#[derive(Clone)]
pub struct Served {
    posts: Arc<HashMap<String, AtPath>>,
    router: Router,
}

impl Served {
    /// A router, and what answers a `POST` to one of these paths before it is asked; it must answer as the router would.
    pub(crate) fn new(router: Router, posts: HashMap<String, AtPath>) -> Self {
        Self { posts: Arc::new(posts), router }
    }

    /// Answers a request.
    pub(crate) fn answer(
        &self,
        request: hyper::Request<Incoming>,
    ) -> impl Future<Output = Response> + Send + use<> {
        let at = Some(&self.posts).filter(|_| *request.method() == Method::POST);
        match at.and_then(|posts| posts.get(request.uri().path())) {
            Some(at) => Either::Left(at(request.map(Body::new))),
            None => {
                let answer = self.router.clone().call(request);
                Either::Right(async { answer.await.unwrap_or_else(|never: Infallible| match never {}) })
            }
        }
    }
}

impl From<Router> for Served {
    fn from(router: Router) -> Self {
        Self::new(router, HashMap::new())
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("posts", &self.posts.keys()).finish_non_exhaustive()
    }
}
