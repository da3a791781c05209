//! The wire: a profile's table of routes picks the action, the action asks the engine, the profile shapes the answer.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts as _, RawPathParams, Request};
use axum::response::Response;
use axum::routing::{MethodFilter, MethodRouter, any, on};
use bytes::Bytes;
use futures_util::FutureExt as _;
use hyper::http::request::Parts;
use serde_json::{Map, Value};
use sprag::account::{Account, Name};
use sprag::engine::{Caller, ClientPolicy, NewUser, Requester};
use sprag::ratchet::Row;
use sprag::session::{AccountId, EndCause};
use sprag::{Engine, Error, Fault, Refusal};

use crate::api::{actions, refresh};
use crate::edge::cookie::{self, By, Carried};
use crate::edge::cors;
use crate::edge::not_found::NotFound;
use crate::edge::proxies::Proxies;
use crate::edge::refusal::Problem;
use crate::edge::request::{self, Received};
use crate::edge::{response, system};
use crate::metrics::Metrics;
use crate::profile::{Action, Fact, Input, Inputs, Profile, Route, TakeError};

mod mount;

pub use mount::Mount;

/// How long a request may take once its body is there: whatever hangs behind the engine, the store or the queue of
/// the hashing threads, it is answered 503 then, within three seconds in all.
const DEADLINE: Duration = Duration::from_millis(2900);

/// What every request shares.
pub struct App {
    /// Decides.
    pub engine: Arc<Engine>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// The origin of the public address, with which `Origin` headers are compared.
    pub origin: String,
    /// The origins of other sites whose pages may call from a browser.
    pub other_origins: Vec<String>,
    /// Who is believed about where a request comes from.
    pub proxies: Proxies,
    /// How long a request may take once its body is there.
    pub deadline: Duration,
    /// Off while the server shuts down, so that a load balancer sends no more requests.
    pub is_ready: AtomicBool,
}

impl App {
    /// What requests share, ready to serve.
    pub fn new(engine: Arc<Engine>, metrics: Arc<Metrics>, origin: String) -> Self {
        let (other_origins, proxies) = (Vec::new(), Proxies::default());
        let is_ready = AtomicBool::new(true);
        Self { engine, metrics, origin, other_origins, proxies, deadline: DEADLINE, is_ready }
    }

    /// Lets pages of other sites call from a browser, with cookies too.
    #[must_use]
    pub fn called_from(self, other_origins: Vec<String>) -> Self {
        Self { other_origins, ..self }
    }

    /// Believes these about where a request comes from.
    #[must_use]
    pub fn behind(self, proxies: Proxies) -> Self {
        Self { proxies, ..self }
    }

    /// Makes `/readyz` say "not ready" from now on.
    pub fn begin_shutdown(&self) {
        self.is_ready.store(false, Ordering::Relaxed);
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// A profile and what the engine needs to know of it.
pub(crate) struct ServedProfile {
    pub(crate) profile: Profile,
    pub(crate) client: ClientPolicy,
    pub(crate) device_cookie: Option<String>,
}

/// One route of one profile.
#[derive(Clone)]
pub(crate) struct RouteContext {
    pub(crate) app: Arc<App>,
    pub(crate) served: Arc<ServedProfile>,
    pub(crate) route: Arc<Route>,
}

/// The whole service, for a listener of its own: every route of every profile, what is the same for all of them, and what
/// is said where nothing is.
///
/// The profiles must have passed [`check_together`](crate::profile::check_together): routes that clash panic here.
pub fn router(app: &Arc<App>, profiles: Vec<Profile>, public_url: &str) -> Router {
    let all_served = served(profiles);
    let not_found = NotFound::new(&all_served);
    let nothing = any(move |request: Request| async move { not_found.answer(request.uri().path()) });
    let router = routes(app, &all_served, public_url, &Mount::merged());
    router.fallback_service(cors::callable(app, nothing))
}

/// The service as part of an application: [`router`] without an answer for paths that are not its own, so that it can be
/// merged into another router or nested below a prefix, as `mount` says.
///
/// ```no_run
/// # fn f(app: &std::sync::Arc<sprag_server::http::App>, profiles: Vec<sprag_server::profile::Profile>) -> axum::Router {
/// use sprag_server::http::{self, Mount};
///
/// let mount = Mount::nested("/sessions").without_metrics();
/// let ours = http::mounted(app, profiles, "https://app.example.org", &mount);
/// axum::Router::new().nest("/sessions", ours)
/// # }
/// ```
///
/// Serve it with `into_make_service_with_connect_info::<SocketAddr>()`, or by [`serve`](crate::edge::serve::serve): else the
/// journal and the list of sessions tell no address.
pub fn mounted(app: &Arc<App>, profiles: Vec<Profile>, public_url: &str, mount: &Mount) -> Router {
    routes(app, &served(mount.seen_from_outside(profiles)), public_url, mount)
}

fn served(profiles: Vec<Profile>) -> Vec<Arc<ServedProfile>> {
    profiles.into_iter().map(|profile| Arc::new(ServedProfile::new(profile))).collect()
}

fn routes(app: &Arc<App>, all_served: &[Arc<ServedProfile>], public_url: &str, mount: &Mount) -> Router {
    let profiles: Vec<_> = all_served.iter().map(|served| served.profile.clone()).collect();
    let mut router = system::routes(app, &profiles, public_url, mount);
    let mut paths: Vec<(String, MethodRouter, Vec<String>, Arc<ServedProfile>)> = Vec::new();
    for served in all_served {
        for route in &served.profile.routes {
            let context = RouteContext {
                app: Arc::clone(app),
                served: Arc::clone(served),
                route: Arc::new(route.clone()),
            };
            let filter = MethodFilter::try_from(route.method.clone()).unwrap_or(MethodFilter::POST);
            let handler = move |request: Request| act(context, request);
            let method = route.method.to_string();
            match paths.iter_mut().find(|(path, ..)| *path == route.path) {
                Some((_, methods, names, _)) => {
                    *methods = std::mem::take(methods).on(filter, handler);
                    names.push(method);
                }
                None => {
                    paths.push((route.path.clone(), on(filter, handler), vec![method], Arc::clone(served)));
                }
            }
        }
    }
    for (path, methods, mut names, served) in paths {
        if names.iter().any(|name| name == "GET") {
            names.push("HEAD".to_owned());
        }
        let allowed = names.join(", ");
        let wrong_method = move || async move {
            let mut response = response::refused(&served.profile.refusal, Problem::MethodNotAllowed, false);
            response::allow(&mut response, &allowed);
            response
        };
        let methods = methods.fallback(wrong_method);
        router = router.route(&path, cors::callable(app, methods));
    }
    router
}

/// Carries out one request; whatever happens, it is answered in the shape of its profile.
async fn act(context: RouteContext, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let asks_for_bearer = context.asks_for_bearer();
    let outcome = AssertUnwindSafe(context.carries_out(parts, body)).catch_unwind().await;
    let response = match outcome {
        Ok(Ok(response)) => response,
        Ok(Err(problem)) => response::refused(&context.served.profile.refusal, problem, asks_for_bearer),
        Err(_) => {
            tracing::error!(action = context.route.action.name(), "a request met a defect and was given up");
            response::refused(&context.served.profile.refusal, Problem::Panicked, false)
        }
    };
    context.app.metrics.answered(context.route.action.name(), response.status().as_u16());
    response
}

async fn carry_out(context: &RouteContext, mut parts: Parts, body: Received) -> Result<Response, Problem> {
    match context.route.action {
        Action::Login => actions::login(context, &parts, body).await,
        Action::Refresh => refresh::refresh(context, &parts, body).await,
        Action::Logout => actions::logout(context, &parts, body, EndCause::Logout).await,
        Action::Revoke => actions::logout(context, &parts, body, EndCause::Revoked).await,
        Action::LogoutAll => actions::logout_all(context, &parts).await,
        Action::Me => actions::me(context, &parts).await,
        Action::Register => actions::register(context, &parts, body).await,
        Action::Sessions => actions::sessions(context, &parts).await,
        Action::Explain => {
            let id = id_in_path(&mut parts).await;
            actions::explain(context, &parts, &id.unwrap_or_default()).await
        }
        Action::EndSession => {
            let id = id_in_path(&mut parts).await;
            actions::end_session(context, &parts, id.as_deref(), body).await
        }
        Action::Password => actions::password(context, &parts, body).await,
    }
}

async fn id_in_path(parts: &mut Parts) -> Option<String> {
    let params = RawPathParams::from_request_parts(parts, &()).await;
    params.ok()?.iter().next().map(|(_, id)| id.to_owned())
}

impl ServedProfile {
    fn new(profile: Profile) -> Self {
        let client = profile.client_policy();
        let device_cookie = cookie::device_cookie(&profile.refresh);
        Self { profile, client, device_cookie }
    }
}

impl RouteContext {
    /// Carries out one request in time. Only the client's own time for sending its body does not count.
    ///
    /// What was asked of the store by then may still happen, as where an answer is lost; nothing was acknowledged.
    pub(crate) async fn carries_out(&self, parts: Parts, body: Body) -> Result<Response, Problem> {
        let action = self.route.action;
        let body =
            if action.inputs().is_empty() { Ok(Bytes::new()) } else { request::receive(&parts, body).await };
        let deadline = self.app.deadline;
        tokio::time::timeout(deadline, carry_out(self, parts, body)).await.unwrap_or_else(|_| {
            if action == Action::Refresh {
                self.app.metrics.refreshed(Row::StoreFault, deadline);
            }
            let waited = format!("nothing came of it within {} ms", deadline.as_millis());
            Err(Fault::unavailable("answer in time", waited).into())
        })
    }

    /// The body's fields as the route's inputs.
    pub(crate) fn inputs<'a>(&self, fields: &'a Map<String, Value>) -> Result<Inputs<'a>, Problem> {
        self.route.takes.read(fields).map_err(Problem::Field)
    }

    /// What to say where none of `wanted` came.
    pub(crate) fn missing(&self, wanted: &[Input]) -> Problem {
        Problem::Field(TakeError::missing(self.field_of(wanted)))
    }

    /// What the engine said, and of a password that cannot be taken also in which field it came.
    pub(crate) fn naming(&self, input: Input, error: Error) -> Problem {
        match error {
            Error::Refused(Refusal::PasswordRejected) => Problem::AtField(self.field_of(&[input]), error),
            error => error.into(),
        }
    }

    /// The same of an account to be made, and of a name that cannot be taken.
    pub(crate) fn naming_names(&self, user: &NewUser<'_>, error: Error) -> Problem {
        let username = [Input::Username, Input::Name];
        let email = [Input::Email, Input::Name];
        let is_wrong = |name: Option<Result<Name, Refusal>>| name.is_some_and(|name| name.is_err());
        let field = match &error {
            Error::Refused(Refusal::NameInvalid(_)) if is_wrong(user.username.map(Name::username)) => {
                self.field_of(&username)
            }
            Error::Refused(Refusal::NameInvalid(_)) if is_wrong(user.email.map(Name::email)) => {
                self.field_of(&email)
            }
            Error::Refused(Refusal::NameInvalid(_)) if user.username.is_some() || user.email.is_some() => {
                self.field_of(&[Input::FullName, Input::GivenName, Input::FamilyName])
            }
            // It has neither.
            Error::Refused(Refusal::NameInvalid(_)) => {
                self.field_of(&[Input::Username, Input::Email, Input::Name])
            }
            // Of two names, which one is taken is not said: it would tell of somebody else's account.
            Error::Refused(Refusal::NameTaken) if user.username.is_none() => self.field_of(&email),
            Error::Refused(Refusal::NameTaken) => self.field_of(&username),
            _ => return self.naming(Input::Password, error),
        };
        Problem::AtField(field, error)
    }

    /// The name on the wire of the first of `inputs` that the route takes.
    pub(crate) fn field_of(&self, inputs: &[Input]) -> String {
        let field = self.route.takes.fields().iter().find(|field| inputs.contains(&field.input));
        let name = field.map(|field| field.name.as_str());
        name.or(inputs.first().map(|input| input.name())).unwrap_or_default().to_owned()
    }

    pub(crate) fn requester(&self, parts: &Parts) -> Result<Requester, Problem> {
        request::requester(parts, &self.app.proxies, self.served.device_cookie.as_deref())
    }

    /// Whose access token the request carries.
    pub(crate) async fn caller(&self, parts: &Parts) -> Result<Caller, Problem> {
        let bearer = request::bearer(&parts.headers).ok_or(Refusal::TokenMissing)?;
        Ok(self.app.engine.authenticate(&self.served.client, bearer).await?)
    }

    /// The same of an administrator.
    pub(crate) async fn admin(&self, parts: &Parts) -> Result<Caller, Problem> {
        let caller = self.caller(parts).await?;
        let is_admin = self.app.engine.accounts().get(caller.key.account).await?.is_admin;
        if is_admin { Ok(caller) } else { Err(Refusal::Forbidden.into()) }
    }

    /// The refresh token of the request, in cookie or body; in a cookie only from a page of this site.
    pub(crate) async fn refresh_token(
        &self,
        parts: &Parts,
        inputs: &Inputs<'_>,
    ) -> Result<Option<Carried>, Problem> {
        let (transport, engine) = (&self.served.profile.refresh, &self.app.engine);
        let body = inputs.get(Input::RefreshToken);
        let carried = cookie::find(transport, &self.served.client, engine, &parts.headers, body).await?;
        if let (Some(Carried { by: By::Cookie, .. }), Some(cookie)) = (&carried, &transport.cookie) {
            cookie::require_own_site(cookie, &self.app, &parts.headers)?;
        }
        Ok(carried)
    }

    /// The refresh token in the request's cookie, whatever its body says.
    pub(crate) async fn cookie_token(&self, parts: &Parts) -> Result<Option<Carried>, Problem> {
        let (transport, engine) = (&self.served.profile.refresh, &self.app.engine);
        cookie::find(transport, &self.served.client, engine, &parts.headers, None).await
    }

    pub(crate) fn ways(&self, by: By) -> (bool, bool) {
        cookie::ways(&self.served.profile.refresh, by)
    }

    /// The account, read only where the answer tells more of it than its id.
    pub(crate) async fn account_if_told(&self, id: AccountId) -> Result<Option<Account>, Problem> {
        let is_told =
            Fact::ACCOUNT.iter().any(|fact| *fact != Fact::AccountId && self.route.gives.names(*fact));
        if is_told { Ok(Some(self.app.engine.accounts().get(id).await?)) } else { Ok(None) }
    }

    pub(crate) fn asks_for_bearer(&self) -> bool {
        self.route.action.needs_access_token() || self.route.action == Action::Register
    }
}
