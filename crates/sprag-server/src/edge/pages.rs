//! The server's own pages, to which the links of letters lead.
//!
//! Looking at one changes nothing, for mail scanners follow every link: it says what will happen, and its form, which works
//! without script, does it. They fetch nothing from anywhere, tell no other site where they are, and are the only place where a
//! one-time token stands in a query. `acts.rs` has what each of them looks at and does; `log_in.rs` the one that opens a session,
//! `invite.rs` the one that makes an account.

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
use serde_json::{Map, Value};
use sprag::engine::Requester;
use sprag::error::Rejected;
use sprag::news::News;
use sprag::security;
use sprag::{Error, Refusal};

use super::app::App;
use super::refusal::Problem;
use super::response::{self, plainly_refused, with_body};
use super::trace_context;
use super::{ambiguity, request, span};
use crate::profile::Profile;
use crate::words::{Pieces, Words, told_at};

mod acts;
mod invite;
mod log_in;

const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");

/// How much of what a browser says it reads is kept, in bytes.
const MAX_LANGUAGES_BYTES: usize = 256;

/// A page of the server's own; the last part of its path is its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Page {
    Verify,
    Reset,
    Email,
    Undo,
    Code,
    NotMe,
    Delete,
    Invite,
}

impl Page {
    const ALL: [Self; 8] = [
        Self::Verify,
        Self::Reset,
        Self::Email,
        Self::Undo,
        Self::Code,
        Self::NotMe,
        Self::Delete,
        Self::Invite,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Verify => "verify",
            Self::Reset => "reset",
            Self::Email => "email",
            Self::Undo => "undo",
            Self::Code => "code",
            Self::NotMe => "not-me",
            Self::Delete => "delete",
            Self::Invite => "invite",
        }
    }

    /// What it is called beside the actions of profiles.
    fn action(self) -> &'static str {
        match self {
            Self::Verify => "page_verify",
            Self::Reset => "page_reset",
            Self::Email => "page_email",
            Self::Undo => "page_undo",
            Self::Code => "page_code",
            Self::NotMe => "page_not_me",
            Self::Delete => "page_delete",
            Self::Invite => "page_invite",
        }
    }
}

/// What every page needs.
struct Shared {
    app: Arc<App>,
    words: Arc<Words>,
    profiles: Vec<Profile>,
    /// What stands where a log names the profile that was asked.
    name: Arc<str>,
}

/// What a page's form sends, or the query of the address that it is looked at by.
struct Sent<'a> {
    token: &'a str,
    new_password: &'a str,
    code: &'a str,
    everywhere: bool,
    /// All of it.
    fields: &'a Map<String, Value>,
}

/// What a page says.
#[derive(Default)]
struct Shown {
    status: StatusCode,
    /// Which of the texts.
    section: &'static str,
    address: String,
    /// The user name of the account that it is about, where it is told.
    username: Option<String>,
    code: Option<String>,
    /// What it tells of.
    news: Vec<News>,
    form: Option<Form>,
    wrong: Option<Wrong>,
}

/// What a page asks for.
#[derive(Default, Serialize)]
struct Form {
    token: String,
    /// The page that takes it, where that is another one.
    to: Option<&'static str>,
    fields: Vec<Field>,
    /// What the field for a password is called, where there is one.
    password_label: Option<&'static str>,
    /// How many characters that has at least, where it is known before one is typed.
    least: Option<u16>,
    offers_everywhere: bool,
}

/// A field of a form, which has the name of its label's text.
#[derive(Serialize)]
struct Field {
    name: &'static str,
    /// What a browser takes it for.
    kind: &'static str,
    autocomplete: &'static str,
    capitals: &'static str,
    value: String,
    is_optional: bool,
    /// Whether nothing else can stand there.
    is_fixed: bool,
}

/// What is wrong with what a form brought.
struct Wrong {
    /// The field that it is about.
    field: &'static str,
    /// Which of the texts says so.
    text: &'static str,
    /// How many characters would be enough, where that is what it is about.
    least: Option<u16>,
}

/// What a page is laid out of.
#[derive(Serialize)]
struct Laid<'a> {
    nonce: &'a str,
    form: Option<&'a Form>,
    news: Vec<String>,
    wrong: Option<LaidWrong>,
}

#[derive(Serialize)]
struct LaidWrong {
    field: &'static str,
    text: String,
}

impl Shown {
    fn saying(section: &'static str, address: impl Into<String>) -> Self {
        Self { section, address: address.into(), ..Self::default() }
    }

    fn asking(self, form: Form) -> Self {
        Self { form: Some(form), ..self }
    }

    fn because(self, wrong: Wrong) -> Self {
        Self { status: StatusCode::BAD_REQUEST, wrong: Some(wrong), ..self }
    }
}

impl Form {
    fn of(token: &str) -> Self {
        Self { token: token.to_owned(), ..Self::default() }
    }

    /// A code of a second factor, with a token that goes on with a log-in.
    fn of_code(token: &str) -> Self {
        let code = Field {
            name: "code",
            kind: "text",
            autocomplete: "one-time-code",
            capitals: "none",
            value: String::new(),
            is_optional: false,
            is_fixed: false,
        };
        Self { fields: vec![code], ..Self::of(token) }
    }

    /// With a field for a new password.
    fn of_password(token: &str) -> Self {
        Self { password_label: Some("new_password"), ..Self::of(token) }
    }

    /// A new password, with a token that another page takes.
    fn of_reset(token: &str) -> Self {
        Self { to: Some(Page::Reset.name()), ..Self::of_password(token) }
    }
}

impl Wrong {
    fn with(field: &'static str, text: &'static str) -> Self {
        Self { field, text, least: None }
    }

    /// Of a password.
    fn with_password(why: Rejected) -> Self {
        let (text, least) = match why {
            Rejected::TooShort(least) => ("password_short", Some(least)),
            Rejected::Common => ("password_common", None),
            Rejected::OwnName => ("password_own_name", None),
            Rejected::Breached => ("password_breached", None),
            Rejected::Unfit => ("password_unfit", None),
        };
        Self { field: "new_password", text, least }
    }
}

/// The pages, where letters are sent that lead to them. A profile's own route at such a path wins.
pub(crate) fn routes(app: &Arc<App>, profiles: &[Profile]) -> Router {
    let Some(words) = &app.words else { return Router::new() };
    let is_taken =
        |path: &str| profiles.iter().flat_map(|profile| &profile.wire.routes).any(|route| route.path == path);
    let shared = Arc::new(Shared {
        app: Arc::clone(app),
        words: Arc::clone(words),
        profiles: profiles.to_vec(),
        name: Arc::from("pages"),
    });
    let mut router = Router::new();
    for page in Page::ALL {
        let path = format!("{}/{}", app.pages_prefix, page.name());
        if is_taken(&path) {
            tracing::warn!("a profile has a route at {path}, so the server's own page {path} is not shown");
            continue;
        }
        router = router.route(&path, answering(&shared, page));
    }
    router
}

fn answering(shared: &Arc<Shared>, page: Page) -> MethodRouter {
    let shared = Arc::clone(shared);
    let answer = move |request: Request| {
        let shared = Arc::clone(&shared);
        async move { answered(&shared, page, request).await }
    };
    ambiguity::refused_before(answer, ambiguity::say_plainly)
}

/// Answers one request, which has a name, a trace and a count as those of profiles have.
async fn answered(shared: &Shared, page: Page, request: Request) -> Response {
    let (asked, parent) = shared.app.request_ids.asked(&shared.name, request.headers());
    let (id, span) =
        (asked.request.clone(), span::of(page.action(), request.method().as_str(), &asked, parent));
    let mut response =
        security::asked_by(asked, span::within(&span, shown_or_done(shared, page, request))).await;
    shared.app.metrics.answered(page.action(), response.status().as_u16(), None);
    span::answered(&span, &response, None);
    trace_context::tell(&id, &mut response);
    response
}

async fn shown_or_done(shared: &Shared, page: Page, request: Request) -> Response {
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
    let requester = match request::requester(&parts, &shared.app.proxies, None) {
        Ok(requester) => Requester { languages: languages(&parts), ..requester },
        Err(problem) => return plainly_refused(problem),
    };
    let field = |name: &str| fields.get(name).and_then(|value| value.as_str()).unwrap_or_default();
    let sent = Sent {
        token: field("token"),
        new_password: field("new_password"),
        code: field("code"),
        everywhere: !field("everywhere").is_empty(),
        fields: &fields,
    };
    let language = requester.languages.clone();
    let done = match (&parts.method, page) {
        (&Method::POST, Page::Code) => {
            let logged_in = log_in::log_in(shared, &sent, &parts, requester).await;
            match logged_in {
                Ok((shown, response)) => {
                    let written = written(shared, &shown, language.as_deref());
                    return log_in::with_cookies(written, &response);
                }
                Err(error) => Err(error),
            }
        }
        (&Method::POST, page) => acts::act(shared, page, &sent, &requester).await,
        _ => acts::look(shared, page, sent.token).await,
    };
    let shown = done.unwrap_or_else(|error| troubled(error, page, &sent));
    written(shared, &shown, language.as_deref())
}

/// What is said where a page cannot do what it is for.
fn troubled(error: Error, page: Page, sent: &Sent<'_>) -> Shown {
    let refused = |section| Shown { status: StatusCode::BAD_REQUEST, ..Shown::saying(section, "") };
    match error {
        Error::Refused(Refusal::PasswordRejected(why)) => refused("page_password_rejected")
            .asking(Form::of_password(sent.token))
            .because(Wrong::with_password(why)),
        Error::Refused(Refusal::CodeWrong) if page == Page::Code => {
            refused("page_code_wrong").asking(Form::of_code(sent.token))
        }
        Error::Refused(Refusal::EnrolmentRequired) => refused("page_code_enrol"),
        Error::Refused(Refusal::LoginRefused | Refusal::RiskRefused) => {
            Shown { status: StatusCode::FORBIDDEN, ..Shown::saying("page_login_refused", "") }
        }
        Error::Refused(Refusal::AccountDisabled) => {
            Shown { status: StatusCode::FORBIDDEN, ..Shown::saying("page_account_disabled", "") }
        }
        Error::Refused(Refusal::NameTaken) => refused("page_email_taken"),
        Error::Refused(Refusal::RateLimited(_)) => {
            Shown { status: StatusCode::TOO_MANY_REQUESTS, ..Shown::saying("page_later", "") }
        }
        Error::Refused(_) if page == Page::Invite => refused("page_invite_invalid"),
        Error::Refused(_) => refused("page_link_invalid"),
        Error::Failed(fault) => {
            tracing::warn!(%fault, page = page.name(), "a page could not be shown");
            Shown { status: StatusCode::SERVICE_UNAVAILABLE, ..Shown::saying("page_later", "") }
        }
    }
}

fn written(shared: &Shared, shown: &Shown, languages: Option<&str>) -> Response {
    let words = &shared.words;
    let language = words.language(languages);
    let nonce = BASE64URL_NOPAD.encode(&shared.app.engine.random::<16>());
    let least = shown.wrong.as_ref().and_then(|wrong| wrong.least);
    let least = least.or(shown.form.as_ref().and_then(|form| form.least));
    let pieces = Pieces {
        address: &shown.address,
        username: shown.username.as_deref(),
        code: shown.code.as_deref(),
        least,
        ..Pieces::default()
    };
    let news = shown.news.iter().map(|news| {
        words.lines(news.kind.name(), language, &Pieces::of_news(news, &told_at(news.at), &shown.address))
    });
    let page = news.collect::<anyhow::Result<Vec<_>>>().and_then(|news| {
        let wrong = shown.wrong.as_ref().map(|Wrong { field, text, .. }| {
            Ok::<_, anyhow::Error>(LaidWrong { field, text: words.text("wrong", text, language, &pieces)? })
        });
        let (form, wrong) = (shown.form.as_ref(), wrong.transpose()?);
        words.page(shown.section, language, &pieces, Laid { nonce: &nonce, form, news: news.concat(), wrong })
    });
    match page {
        Ok(page) => {
            let mut response = with_body(shown.status, HTML, page.into_bytes());
            let policy = format!(
                "default-src 'none'; style-src 'nonce-{nonce}'; img-src data:; form-action 'self'; frame-ancestors 'none'; \
                 base-uri 'none'"
            );
            let headers = response.headers_mut();
            headers
                .extend(HeaderValue::from_str(&policy).ok().map(|policy| (CONTENT_SECURITY_POLICY, policy)));
            headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
            response
        }
        Err(error) => {
            tracing::error!("the page {} cannot be put into words: {error:#}", shown.section);
            plainly_refused(Problem::Panicked)
        }
    }
}

/// The languages that whoever asks reads, as their browser says.
pub(crate) fn languages(parts: &Parts) -> Option<String> {
    let text = parts.headers.get(ACCEPT_LANGUAGE)?.to_str().ok()?;
    Some(text[..text.floor_char_boundary(MAX_LANGUAGES_BYTES)].to_owned())
}
