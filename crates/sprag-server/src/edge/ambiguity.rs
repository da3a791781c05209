//! Requests that are whole, and that somebody else might still read otherwise than we do, whatever version of HTTP they
//! came by. What can be told from the bytes of HTTP/1 alone is refused in [`smuggling`](super::smuggling), before this.

use std::convert::Infallible;
use std::future::Future;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{MethodRouter, any_service};
use hyper::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, ORIGIN,
    TRANSFER_ENCODING,
};
use hyper::{HeaderMap, Version};
use tower::service_fn;

use super::connections::Asking;
use super::refusal::Problem;
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

/// Lets what can be read in one way only go on to `answer`, of whatever method it is; `say` shapes the refusal of the rest.
///
/// Both are one service: a layer around another would move each request, and what answers it, once more.
pub(crate) fn refused_before<A, F, S>(answer: A, say: S) -> MethodRouter
where
    A: Fn(Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
    S: Fn(&str, Problem) -> Response + Clone + Send + Sync + 'static,
{
    any_service(service_fn(move |request| {
        let (answer, say) = (answer.clone(), say.clone());
        async move { Ok::<_, Infallible>(guarded(request, answer, say).await) }
    }))
}

/// Where no profile is concerned.
pub(crate) async fn plainly_refused(request: Request, next: Next) -> Response {
    guarded(request, |request| next.run(request), say_plainly).await
}

/// What is said where no profile is concerned.
pub(crate) fn say_plainly(_: &str, problem: Problem) -> Response {
    response::plainly_refused(problem)
}

/// The answer where a request of HTTP/1 was refused for its bytes.
pub(crate) fn answer(why: &'static str) -> Response {
    closing(response::plainly_refused(Problem::Ambiguous(why)))
}

async fn guarded<F: Future<Output = Response>>(
    mut request: Request,
    answer: impl FnOnce(Request) -> F,
    say: impl Fn(&str, Problem) -> Response,
) -> Response {
    match in_one_way(&mut request).await {
        Ok(()) => answer(request).await,
        Err(problem) => refused(&request, say(request.uri().path(), problem)),
    }
}

/// The answer to what can be read in more than one way.
pub(crate) fn refused(request: &Request, told: Response) -> Response {
    // HTTP/2 frames its requests: there, nothing behind one depends on how it is read.
    if request.version() == Version::HTTP_2 { told } else { closing(told) }
}

fn closing(mut response: Response) -> Response {
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Whether the request can be read in one way only.
///
/// Chunks are read to their end first: only then it is known that they have one, and most calls do not ask for a body.
pub(crate) async fn in_one_way(request: &mut Request) -> Result<(), Problem> {
    if let Some(why) = ambiguous(request) {
        if let Some(asking) = request.extensions().get::<Asking>() {
            asking.refused().whole(why);
        }
        return Err(Problem::Ambiguous(why));
    }
    if request.headers().contains_key(TRANSFER_ENCODING) {
        // In a box, as few requests have any and all would have room for it.
        Box::pin(read_chunks(request)).await?;
    }
    Ok(())
}

async fn read_chunks(request: &mut Request) -> Result<(), Problem> {
    let asking = request.extensions().get::<Asking>().cloned();
    match request::whole(std::mem::take(request.body_mut()), asking.as_ref()).await {
        Ok(bytes) => {
            *request.body_mut() = Body::from(bytes);
            Ok(())
        }
        Err(problem) => {
            let why = asking.and_then(|asking| asking.refused().why_body());
            Err(why.map_or(problem, Problem::Ambiguous))
        }
    }
}

/// Why somebody else might read another request.
fn ambiguous(request: &Request) -> Option<&'static str> {
    let headers = request.headers();
    let has_twice = |name: &HeaderName| headers.get_all(name).iter().nth(1).is_some();
    // Where no field stands twice, none of these does.
    let repeated =
        (headers.len() > headers.keys_len()).then(|| ONCE.iter().find(|(name, _)| has_twice(name)));
    if let Some((_, why)) = repeated.flatten() {
        return Some(why);
    }
    let named = request.uri().authority().map(|authority| authority.as_str());
    match (host(headers), named) {
        (Some(host), Some(named)) if !host.eq_ignore_ascii_case(named.as_bytes()) => {
            Some("its target names another host than Host")
        }
        (None, None) if request.version() == Version::HTTP_2 => Some("it names no host"),
        (_, Some(named)) if named.contains('@') => Some("its target names a user beside the host"),
        _ => None,
    }
}

fn host(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get(HOST).map(HeaderValue::as_bytes)
}
