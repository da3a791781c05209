//! What of the service an application mounts in a router of its own, and where.

use crate::profile::{Profile, Route};

/// What of the service an application mounts in a router of its own, and where.
///
/// ```
/// use sprag_server::http::Mount;
///
/// let beside_my_routes = Mount::merged().without_health().without_metrics().without_docs();
/// let below_a_prefix = Mount::nested("/sessions").without_health();
/// ```
#[derive(Clone, PartialEq, Eq, Debug)]
#[must_use = "hand it to Node::mounted or http::mounted"]
pub struct Mount {
    prefix: String,
    has_health: bool,
    has_metrics: bool,
    has_docs: bool,
    whom: Whom,
}

/// Whom a listener serves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Whom {
    /// Everybody, administrators too.
    Everybody,
    /// Everybody, but administrators as such: they have a listener of their own.
    Public,
    /// Those who reach the administrators' own listener: everything.
    Administrators,
}

impl Mount {
    /// All of it, merged into the application's router: its paths are the profiles' own.
    pub fn merged() -> Self {
        let whom = Whom::Everybody;
        Self { prefix: String::new(), has_health: true, has_metrics: true, has_docs: true, whom }
    }

    /// All of it, nested below a prefix, the one that the application gives to `Router::nest`. Cookies, links and the OpenAPI
    /// document then name the paths that clients see.
    ///
    /// # Panics
    /// If the prefix is none: it begins with `/`, has something after it, and has neither a parameter nor what no path of
    /// a cookie can have.
    pub fn nested(prefix: &str) -> Self {
        let prefix = prefix.trim_end_matches('/');
        let is_plain = prefix.bytes().all(|byte| byte.is_ascii_graphic() && !b";,{}*?#%\"\\".contains(&byte));
        assert!(
            prefix.starts_with('/') && is_plain,
            "a router is nested below a prefix such as \"/sessions\", not {prefix:?}"
        );
        Self { prefix: prefix.to_owned(), ..Self::merged() }
    }

    /// Leaves out `/healthz` and `/readyz`, for an application that has its own.
    pub fn without_health(self) -> Self {
        Self { has_health: false, ..self }
    }

    /// Leaves out `/metrics`: the application reads [`App::metrics`](super::app::App::metrics) and shows them where it likes.
    pub fn without_metrics(self) -> Self {
        Self { has_metrics: false, ..self }
    }

    /// Leaves out `/docs` and `/openapi.json`.
    pub fn without_docs(self) -> Self {
        Self { has_docs: false, ..self }
    }

    /// Leaves out what only administrators ask for, where they are served elsewhere: their calls, `/metrics`, and what `/readyz`
    /// tells besides whether the server is ready. All of it answers as a path that is not there.
    pub fn without_administration(self) -> Self {
        Self { whom: Whom::Public, ..self }
    }

    /// All of it, where nobody but administrators can ask.
    pub fn for_administrators(self) -> Self {
        Self { whom: Whom::Administrators, ..self }
    }

    /// Whether administrators are served here.
    pub(crate) fn serves_administrators(&self) -> bool {
        self.whom != Whom::Public
    }

    /// Whether nobody but administrators can ask here.
    pub(crate) fn is_for_administrators(&self) -> bool {
        self.whom == Whom::Administrators
    }

    /// The path that clients see before the service's own; empty where it is merged.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether a route is left out.
    pub(crate) fn hides(&self, route: &Route, of: &Profile) -> bool {
        !self.serves_administrators() && route.action.needs_admin(of.client.registration)
    }

    /// What of a profile is served.
    pub(crate) fn shown(&self, mut profile: Profile) -> Profile {
        let mut routes = std::mem::take(&mut profile.wire.routes);
        routes.retain(|route| !self.hides(route, &profile));
        profile.wire.routes = routes;
        profile
    }

    /// Whether a path that no profile has is served.
    pub(crate) fn serves(&self, path: &str) -> bool {
        match path {
            "/healthz" | "/readyz" => self.has_health,
            "/metrics" => self.has_metrics && self.serves_administrators(),
            "/docs" | "/openapi.json" => self.has_docs,
            _ => true,
        }
    }

    /// The profiles as clients see them: a cookie's path begins with the prefix. One of the whole site stays so.
    pub(crate) fn seen_from_outside(&self, mut profiles: Vec<Profile>) -> Vec<Profile> {
        for profile in &mut profiles {
            if let Some(cookie) = profile.wire.refresh.cookie.as_mut().filter(|cookie| cookie.path != "/") {
                cookie.path.insert_str(0, &self.prefix);
            }
        }
        profiles
    }
}

impl Default for Mount {
    fn default() -> Self {
        Self::merged()
    }
}
