//! The wire: a profile's table of routes picks the action, the action asks the engine, the profile shapes the answer.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{FromRequestParts as _, RawPathParams, Request};
use axum::response::Response;
use axum::routing::any_service;
use bytes::Bytes;
use futures_util::FutureExt as _;
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method};
use sprag::Fault;
use sprag::ratchet::Row;
use sprag::security;
use sprag::timers::KeptTimers;
use sprag::{limits, seldom};
use tower::service_fn;

use crate::api::{self, Call, RouteContext, ServedProfile};
use crate::edge::connections::Asking;
use crate::edge::not_found::NotFound;
use crate::edge::refusal::Problem;
use crate::edge::response::RefusedWith;
use crate::edge::served::{AtPath, Served};
use crate::edge::trace_context;
use crate::edge::{ambiguity, budgets, cors, request, response, span, system};
use crate::profile::{Profile, Whose};

pub use crate::edge::app::App;
pub use crate::edge::mount::Mount;

/// The whole service, for a listener of its own: every route of every profile, what is the same for all of them, and what
/// is said where nothing is.
///
/// The profiles must have passed [`check_together`](crate::profile::check_together): routes that clash panic here.
pub fn router(app: &Arc<App>, profiles: Vec<Profile>, public_url: &str) -> Router {
    whole(app, profiles, public_url, &Mount::merged())
}

/// [`router`], of which `mount` leaves something out.
pub(crate) fn whole(app: &Arc<App>, profiles: Vec<Profile>, public_url: &str, mount: &Mount) -> Router {
    whole_and_places(app, profiles, public_url, mount).0
}

/// [`whole`], for a listener of ours.
pub(crate) fn served(app: &Arc<App>, profiles: Vec<Profile>, public_url: &str, mount: &Mount) -> Served {
    let (router, places) = whole_and_places(app, profiles, public_url, mount);
    // Where pages of other sites may call, what they are told is the router's to add.
    if !app.other_origins.is_empty() {
        return router.into();
    }
    let posts = places.into_iter().filter(|(path, _)| !path.contains(['{', '}'])).map(|(path, at)| {
        let at_path: AtPath = Box::new(move |request| Box::pin(Arc::clone(&at).answered(request)));
        (path, at_path)
    });
    Served::new(router, posts)
}

fn whole_and_places(
    app: &Arc<App>,
    profiles: Vec<Profile>,
    public_url: &str,
    mount: &Mount,
) -> (Router, Places) {
    let not_found = NotFound::new(&profiles);
    let shaped = not_found.clone();
    let of = Arc::clone(app);
    let nothing = move |request: Request| {
        let mut response = not_found.answer(request.uri().path());
        name(&of, request.headers(), &mut response);
        std::future::ready(response)
    };
    let nothing = ambiguity::refused_before(nothing, move |path, problem| shaped.refused(path, problem));
    let (router, places) = routes(app, profiles, public_url, mount);
    (router.fallback_service(cors::callable(app, nothing)), places)
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
    routes(app, mount.seen_from_outside(profiles), public_url, mount).0
}

fn routes(app: &Arc<App>, profiles: Vec<Profile>, public_url: &str, mount: &Mount) -> (Router, Places) {
    let router = system::routes(app, &profiles, public_url, mount);
    let places = places(app, profiles, mount);
    let router = places.iter().fold(router, |router, (path, at)| {
        let at = Arc::clone(at);
        let answered = move |request| {
            let at = Arc::clone(&at);
            async { Ok::<_, Infallible>(at.answered(request).await) }
        };
        router.route(path, cors::callable(app, any_service(service_fn(answered))))
    });
    (router, places)
}

/// What is at which path.
type Places = Vec<(String, Arc<At>)>;

/// What is at each path of the profiles.
fn places(app: &Arc<App>, profiles: Vec<Profile>, mount: &Mount) -> Places {
    let mut paths: Vec<(String, Vec<RouteContext>)> = Vec::new();
    for profile in profiles {
        let served = Arc::new(ServedProfile::new(profile, app));
        for route in &served.profile.wire.routes {
            let context = RouteContext {
                app: Arc::clone(app),
                served: Arc::clone(&served),
                route: Arc::new(route.clone()),
                is_hidden: mount.hides(route, &served.profile),
                run: api::handler(route.action),
            };
            match paths.iter_mut().find(|(path, _)| *path == route.path) {
                Some((_, contexts)) => contexts.push(context),
                None => paths.push((route.path.clone(), vec![context])),
            }
        }
    }
    paths.retain(|(_, contexts)| contexts.iter().any(|context| !context.is_hidden));
    let place = |(path, contexts): (String, _)| {
        let at = Arc::new(At::new(&path, contexts));
        (path, at)
    };
    paths.into_iter().map(place).collect()
}

/// What is at one path.
struct At {
    contexts: Vec<RouteContext>,
    /// The methods that it takes, for whoever tries another.
    allowed: String,
}

impl At {
    fn new(path: &str, contexts: Vec<RouteContext>) -> Self {
        let shown = contexts.iter().filter(|context| !context.is_hidden);
        let mut names: Vec<&str> = shown.map(|context| context.route.method.as_str()).collect();
        if names.contains(&"GET") {
            names.push("HEAD");
        }
        let allowed = names.join(", ");
        names.sort_unstable();
        assert!(names.windows(2).all(|two| two[0] != two[1]), "two routes of {path} have one method");
        Self { contexts, allowed }
    }

    /// The route of a method; whoever asks for the head of an answer is answered like who asks for it all.
    fn context(&self, method: &Method) -> Option<&RouteContext> {
        let wanted = if *method == Method::HEAD { &Method::GET } else { method };
        self.contexts.iter().find(|context| context.route.method == *wanted)
    }

    /// Answers what can be read in one way only. It does so by itself, as each layer would move all that lies below it.
    async fn answered(self: Arc<Self>, mut request: Request) -> Response {
        let first = &self.contexts[0].served.profile.wire.refusal;
        if let Err(problem) = ambiguity::in_one_way(&mut request).await {
            return ambiguity::refused(&request, response::refused(first, problem));
        }
        match self.context(request.method()) {
            Some(context) if context.is_hidden => {
                let mut response = response::refused(&context.served.profile.wire.refusal, Problem::NotFound);
                name(&context.app, request.headers(), &mut response);
                response
            }
            Some(context) => answer(context, request).await,
            None => self.refuse(request.headers()),
        }
    }

    fn refuse(&self, headers: &HeaderMap) -> Response {
        let of = &self.contexts[0];
        cors::tell_if_kept_out(&of.app, headers);
        let mut response = response::refused(&of.served.profile.wire.refusal, Problem::MethodNotAllowed);
        response::allow(&mut response, &self.allowed);
        name(&of.app, headers, &mut response);
        response
    }
}

/// Names a request that no action was asked for.
fn name(app: &App, headers: &HeaderMap, response: &mut Response) {
    trace_context::tell(&app.request_ids.of(headers), response);
}

/// Answers one request; whatever happens, it is answered in the shape of its profile.
async fn answer(context: &RouteContext, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    // It is handed on and on.
    let parts = Box::new(parts);
    cors::tell_if_kept_out(&context.app, &parts.headers);
    let (action, shape) = (context.route.action, &context.served.profile.wire.refusal);
    let (asked, parent) = context.app.request_ids.asked(&context.served.name, &parts.headers);
    let (id, span) = (asked.request.clone(), span::of(action.name(), parts.method.as_str(), &asked, parent));
    // In a box, as it is large, and each of those around it would have room for it twice.
    let carried_out = Box::pin(async {
        let answered = in_time(context, parts, body).await;
        // Here, so that what is logged of a fault names the request.
        answered.unwrap_or_else(|problem| response::refused_by(action, shape, problem))
    });
    let asked = security::asked_by(asked, span::within(&span, carried_out));
    let asked = AssertUnwindSafe(asked).catch_unwind();
    let (outcome, told) = match context.is_anonymous() {
        // In a box, as a refresh would have room for it.
        true => Box::pin(limits::told_of(asked)).await,
        false => (asked.await, Vec::new()),
    };
    let mut response = match outcome {
        Ok(response) => response,
        Err(_) => {
            if let Some(left_out) = seldom::left_out("carry out a request") {
                let action = action.name();
                tracing::error!(action, request_id = %id, left_out, "a request met a defect and was given up");
            }
            response::refused(shape, Problem::Panicked)
        }
    };
    budgets::tell(&told, &mut response);
    let code = count(context, &mut response);
    span::answered(&span, &response, code);
    trace_context::tell(&id, &mut response);
    response
}

/// Counts an answer, and says with what code it refuses.
fn count(context: &RouteContext, response: &mut Response) -> Option<&'static str> {
    let (metrics, action) = (&context.app.metrics, context.route.action);
    let code = response.extensions_mut().remove::<RefusedWith>().map(|RefusedWith(code)| code);
    metrics.answered(action.name(), response.status().as_u16(), code);
    if let (Some(code), Whose::Named) = (code, action.account())
        && context.route.opens_session()
    {
        metrics.login_failed(code);
    }
    code
}

/// Carries out one request in time. Only the client's own time for sending its body does not count.
///
/// What was asked of the store by then may still happen, as where an answer is lost; nothing was acknowledged.
async fn in_time(context: &RouteContext, mut parts: Box<Parts>, body: Body) -> Result<Response, Problem> {
    let action = context.route.action;
    let has_fields = !action.inputs().is_empty() && !action.only_reads();
    let body = if has_fields { request::receive(&parts, body).await } else { Ok(Bytes::new()) };
    let deadline = context.app.patience();
    let asking = parts.extensions.get::<Asking>().cloned();
    let carried_out = async {
        context.expect_place(&parts)?;
        let id = if action.takes_id() { id_in_path(&mut parts).await } else { None };
        let caller = context.let_in(&parts).await?;
        (context.run)(context, Call { parts, id, caller, reads_query: action.only_reads(), body }).await
    };
    let own = KeptTimers::default();
    let timers = asking.as_ref().map_or(&own, Asking::timers);
    timers.within(deadline, pin!(carried_out)).await.unwrap_or_else(|_| {
        if action.is_rotation() {
            context.app.metrics.refreshed(Row::StoreFault, deadline);
            span::decided(Row::StoreFault);
        }
        let waited = format!("nothing came of it within {} ms", deadline.as_millis());
        Err(Fault::unavailable("answer in time", waited).into())
    })
}

async fn id_in_path(parts: &mut Parts) -> Option<String> {
    let params = RawPathParams::from_request_parts(parts, &()).await;
    params.ok()?.iter().next().map(|(_, id)| id.to_owned())
}
