//! Requests that are whole, and that somebody else might still read otherwise than we do, whatever version of HTTP they
//! came by. What can be told from the bytes of HTTP/1 alone is refused in [`smuggling`](super::smuggling), before this.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::routing::MethodRouter;
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN,
    TRANSFER_ENCODING,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Version};

use super::connections::Asking;
use super::refusal::Problem;
use super::smuggling::Refused;
use super::{request, response};

/// The fields that something is decided by, each with what is said where it stands twice: of two, somebody else might read
/// the other.
static ONCE: [(HeaderName, &str); 9] = [
    (HOST, "Host stands in it twice"),
    (AUTHORIZATION, "Authorization stands in it twice"),
    (CONTENT_LENGTH, "Content-Length stands in it twice"),
    (TRANSFER_ENCODING, "Transfer-Encoding stands in it twice"),
    (CONTENT_TYPE, "Content-Type stands in it twice"),
    (ORIGIN, "Origin stands in it twice"),
    (HeaderName::from_static("sec-fetch-site"), "Sec-Fetch-Site stands in it twice"),
    (HeaderName::from_static("idempotency-key"), "Idempotency-Key stands in it twice"),
    (HeaderName::from_static("sprag-instance"), "Sprag-Instance stands in it twice"),
];

/// Lets what can be read in one way only go on to these methods; `say` shapes the refusal of the rest.
pub(crate) fn refused_before<F>(methods: MethodRouter, say: F) -> MethodRouter
where
    F: Fn(&str, Problem) -> Response + Clone + Send + Sync + 'static,
{
    methods.layer(from_fn(move |request: Request, next: Next| guarded(request, next, say.clone())))
}

/// Where no profile is concerned.
pub(crate) async fn plainly_refused(request: Request, next: Next) -> Response {
    guarded(request, next, |_: &str, problem| response::plainly_refused(problem)).await
}

/// The answer where a request of HTTP/1 was refused for its bytes.
pub(crate) fn answer(why: &'static str) -> Response {
    closing(response::plainly_refused(Problem::Ambiguous(why)))
}

async fn guarded(request: Request, next: Next, say: impl Fn(&str, Problem) -> Response) -> Response {
    let (version, uri) = (request.version(), request.uri().clone());
    match in_one_way(request).await {
        Ok(request) => next.run(request).await,
        // HTTP/2 frames its requests: there, nothing behind one depends on how it is read.
        Err(problem) if version == Version::HTTP_2 => say(uri.path(), problem),
        Err(problem) => closing(say(uri.path(), problem)),
    }
}

fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The request, where it can be read in one way only.
///
/// Chunks are read to their end first: only then it is known that they have one, and most calls do not ask for a body.
async fn in_one_way(request: Request) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    let refused = parts.extensions.get::<Arc<Refused>>();
    if let Some(why) = ambiguous(&parts) {
        if let Some(refused) = refused {
            refused.whole(why);
        }
        return Err(Problem::Ambiguous(why));
    }
    if !parts.headers.contains_key(TRANSFER_ENCODING) {
        return Ok(Request::from_parts(parts, body));
    }
    match request::whole(body, parts.extensions.get::<Asking>()).await {
        Ok(bytes) => Ok(Request::from_parts(parts, Body::from(bytes))),
        Err(problem) => {
            Err(refused.and_then(|refused| refused.why_body()).map_or(problem, Problem::Ambiguous))
        }
    }
}

/// Why somebody else might read another request.
fn ambiguous(parts: &Parts) -> Option<&'static str> {
    let headers = &parts.headers;
    let has_twice = |name: &HeaderName| headers.get_all(name).iter().nth(1).is_some();
    // Where no field stands twice, none of these does.
    let repeated =
        (headers.len() > headers.keys_len()).then(|| ONCE.iter().find(|(name, _)| has_twice(name)));
    if let Some((_, why)) = repeated.flatten() {
        return Some(why);
    }
    let named = parts.uri.authority().map(|authority| authority.as_str());
    match (host(headers), named) {
        (Some(host), Some(named)) if !host.eq_ignore_ascii_case(named.as_bytes()) => {
            Some("its target names another host than Host")
        }
        (None, None) if parts.version == Version::HTTP_2 => Some("it names no host"),
        (_, Some(named)) if named.contains('@') => Some("its target names a user beside the host"),
        _ => None,
    }
}

fn host(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(HOST).map(HeaderValue::as_bytes)
}
