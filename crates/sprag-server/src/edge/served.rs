//! What a listener serves: a router, and before it what is asked for most, which no router need look for.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::{BoxError, Router};
use foldhash::fast::RandomState;
use futures_util::future::Either;
use hyper::Method;
use hyper::body::{Body as HttpBody, Bytes};
use tower::Service as _;

/// Answers the requests for one path.
pub(crate) type AtPath = Box<dyn Fn(Request) -> Pin<Box<dyn Future<Output = Response> + Send>> + Send + Sync>;

/// What a listener serves. Any router can be: `served.into()`.
#[derive(Clone)]
pub struct Served {
    /// Whoever asks adds no path, so a cheap hash will do.
    posts: Arc<HashMap<String, AtPath, RandomState>>,
    router: Router,
}

impl Served {
    /// A router, and what answers a `POST` to one of these paths before it is asked; it must answer as the router would.
    pub(crate) fn new(router: Router, posts: impl IntoIterator<Item = (String, AtPath)>) -> Self {
        Self { posts: Arc::new(posts.into_iter().collect()), router }
    }

    /// Answers a request.
    pub(crate) fn answer<B>(
        &self,
        request: hyper::Request<B>,
    ) -> impl Future<Output = Response> + Send + use<B>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
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
        Self::new(router, [])
    }
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served").field("posts", &self.posts.keys()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use axum::routing::any;

    use super::*;

    #[tokio::test]
    async fn only_a_post_to_exactly_such_a_path_is_answered_before_the_router_is_asked() {
        let at_path: AtPath = Box::new(|_| Box::pin(ready(Response::new(Body::from("at once")))));
        let router = Router::new().route("/refresh", any("routed")).fallback(|| ready("nothing"));
        let served = Served::new(router.clone(), [("/refresh".to_owned(), at_path)]);
        let told = async |served: &Served, method: &str, target: &str| {
            let request = hyper::Request::builder().method(method).uri(target).body(Body::empty()).unwrap();
            let body = served.answer(request).await.into_body();
            String::from_utf8(axum::body::to_bytes(body, 99).await.unwrap().to_vec()).unwrap()
        };
        for (method, target, by) in [
            ("POST", "/refresh", "at once"),
            ("POST", "/refresh?a=b", "at once"),
            ("GET", "/refresh", "routed"),
            ("OPTIONS", "/refresh", "routed"),
            ("POST", "/refresh/", "nothing"),
            ("POST", "/%72efresh", "nothing"),
            ("POST", "/", "nothing"),
        ] {
            assert_eq!(told(&served, method, target).await, by, "{method} {target}");
            let alone = if by == "at once" { "routed" } else { by };
            assert_eq!(told(&Served::from(router.clone()), method, target).await, alone, "{method} {target}");
        }
    }
}
