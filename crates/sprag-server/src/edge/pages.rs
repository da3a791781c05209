//! The server's own pages, to which the links of letters lead.
//!
//! Looking at one changes nothing, for mail scanners follow every link: it says what will happen, and its form, which works
//! without script, does it. They fetch nothing from anywhere, tell no other site where they are, and are the only place where a
//! one-time token stands in a query.

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::MethodRouter;
use data_encoding::BASE64URL_NOPAD;
use hyper::header::{ACCEPT_LANGUAGE, CONTENT_SECURITY_POLICY, HeaderValue, REFERRER_POLICY};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use serde::Serialize;
use sprag::engine::{LinkTarget, Requester};
use sprag::one_time::Purpose;
use sprag::{Error, Refusal};

use super::app::App;
use super::refusal::Problem;
use super::response::{self, plainly_refused, with_body};
use super::{ambiguity, request};
use crate::profile::Profile;
use crate::words::{Pieces, Words};

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// How much of what a browser says it reads is kept, in bytes.
const MAX_LANGUAGES_BYTES: usize = 256;

/// A page of the server's own.
#[derive(Clone, Copy)]
struct Page {
    path: &'static str,
    purpose: Purpose,
    /// What says what will happen.
    before: &'static str,
    /// What says what has happened.
    after: &'static str,
}

const PAGES: [Page; 3] = [
    Page { path: "/verify", purpose: Purpose::VerifyEmail, before: "page_verify", after: "page_verified" },
    Page { path: "/reset", purpose: Purpose::ResetPassword, before: "page_reset", after: "page_reset_done" },
    Page { path: "/delete", purpose: Purpose::KeepAccount, before: "page_delete", after: "page_kept" },
];

/// What a page's form has, and the style's nonce.
#[derive(Default, Serialize)]
struct Form<'a> {
    token: Option<&'a str>,
    asks_for_password: bool,
    nonce: String,
}

/// The pages, where letters are sent that lead to them. A profile's own route at such a path wins.
pub(crate) fn routes(app: &Arc<App>, profiles: &[Profile]) -> Router {
    let Some(words) = &app.words else { return Router::new() };
    let is_taken =
        |path: &str| profiles.iter().flat_map(|profile| &profile.wire.routes).any(|route| route.path == path);
    let mut router = Router::new();
    for page in PAGES {
        if is_taken(page.path) {
            tracing::warn!(
                "a profile has a route at {0}, so the server's own page {0} is not shown",
                page.path
            );
            continue;
        }
        router = router.route(page.path, shown(Arc::clone(app), Arc::clone(words), page));
    }
    router
}

fn shown(app: Arc<App>, words: Arc<Words>, page: Page) -> MethodRouter {
    let answer = move |request: Request| {
        let (app, words) = (Arc::clone(&app), Arc::clone(&words));
        async move { answered(&app, &words, page, request).await }
    };
    ambiguity::refused_before(answer, ambiguity::say_plainly)
}

async fn answered(app: &App, words: &Words, page: Page, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let fields = match parts.method {
        Method::GET | Method::HEAD => request::query(&parts).map(Into::into),
        Method::POST => {
            let body = request::receive(&parts, body).await;
            request::fields(&parts, body)
        }
        _ => {
            let mut response = plainly_refused(Problem::MethodNotAllowed);
            response::allow(&mut response, "GET, HEAD, POST");
            return response;
        }
    };
    let fields = match fields {
        Ok(fields) => fields,
        Err(problem) => return plainly_refused(problem),
    };
    let requester = match request::requester(&parts, &app.proxies, None) {
        Ok(requester) => Requester { languages: languages(&parts), ..requester },
        Err(problem) => return plainly_refused(problem),
    };
    let field = |name: &str| fields.get(name).and_then(|value| value.as_str()).unwrap_or_default();
    let (token, password) = (field("token"), field("new_password"));
    let letters = app.engine.letters();
    let asks_for_password = page.purpose == Purpose::ResetPassword;
    let done = match (&parts.method, page.purpose) {
        (&Method::POST, Purpose::VerifyEmail) => letters.verify(token, &requester).await.map(Some),
        (&Method::POST, Purpose::ResetPassword) => {
            letters.reset_password(token, password, &requester).await.map(|_| None)
        }
        (&Method::POST, Purpose::KeepAccount) => letters.keep_account(token, &requester).await.map(Some),
        _ => Ok(None),
    };
    let link = if parts.method == Method::POST {
        Ok(None)
    } else {
        letters.link(page.purpose, token).await.map(Some)
    };
    let (status, section, link, shows_form) = match done.and_then(|done| Ok(link?.or(done))) {
        Ok(link) if parts.method == Method::POST => (StatusCode::OK, page.after, link, false),
        Ok(link) => (StatusCode::OK, page.before, link, true),
        Err(Error::Refused(Refusal::PasswordRejected(_))) => {
            (StatusCode::BAD_REQUEST, "page_password_rejected", None, true)
        }
        Err(Error::Refused(_)) => (StatusCode::BAD_REQUEST, "page_link_invalid", None, false),
        Err(Error::Failed(fault)) => {
            tracing::warn!(%fault, page = page.path, "a page could not be shown");
            (StatusCode::SERVICE_UNAVAILABLE, "page_later", None, false)
        }
    };
    let nonce = BASE64URL_NOPAD.encode(&app.engine.random::<16>());
    let form = Form { token: Some(token).filter(|_| shows_form), asks_for_password, nonce };
    let language = words.language(requester.languages.as_deref());
    written(words, (section, language), link.as_ref(), status, &form)
}

fn written(
    words: &Words,
    (section, language): (&str, &str),
    link: Option<&LinkTarget>,
    status: StatusCode,
    form: &Form<'_>,
) -> Response {
    let address = link.map(|link| link.address.as_str()).unwrap_or_default();
    let pieces = Pieces { address, ..Pieces::default() };
    match words.page(section, language, &pieces, form) {
        Ok(page) => {
            let mut response = with_body(status, HTML, page.into_bytes());
            let policy = format!(
                "default-src 'none'; style-src 'nonce-{}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
                form.nonce
            );
            let headers = response.headers_mut();
            headers
                .extend(HeaderValue::from_str(&policy).ok().map(|policy| (CONTENT_SECURITY_POLICY, policy)));
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
            response
        }
        Err(error) => {
            tracing::error!("the page {section} cannot be put into words: {error:#}");
            plainly_refused(Problem::Panicked)
        }
    }
}

/// The languages that whoever asks reads, as their browser says.
pub(crate) fn languages(parts: &Parts) -> Option<String> {
    let text = parts.headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?;
    Some(text[..text.floor_char_boundary(MAX_LANGUAGES_BYTES)].to_owned())
}
