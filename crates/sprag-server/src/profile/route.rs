//! One call of the wire: what it is `on`, what it `does`, `takes` and `gives`.

use axum::http::Method;

use super::action::{Action, Answer, Pair};
use super::error::{ProfileError, suggest};
use super::fact::Fact;
use super::rules::Offer;
use super::section::{Field, Section};
use super::takes::{Input, Takes};
use super::template::{Scope, Template};
use super::{RefreshTransport, Registration, Transport};
use crate::quoted::quoted;

/// The longest path.
const MAX_PATH_BYTES: usize = 200;

/// One call of the wire.
#[derive(Clone, PartialEq, Debug)]
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, as axum reads it; the only parameter is `{id}`.
    pub path: String,
    /// What it does.
    pub action: Action,
    /// What it reads from the body.
    pub takes: Takes,
    /// The body of its answer.
    pub gives: Template,
    /// The status of its answer.
    pub status: u16,
    /// Whether it is off until `offers` names its action.
    pub is_optional: bool,
    /// The file it stands in: the profile's, or that of one it extends.
    pub file: String,
    /// The line it stands on there.
    pub line: usize,
}

/// What a route must agree with.
pub(super) struct Surroundings<'a> {
    pub(super) actions: &'a [Action],
    pub(super) refresh: &'a RefreshTransport,
    pub(super) registration: Registration,
}

impl Route {
    /// Whether it hands out the token pair of a session it has just opened.
    #[must_use]
    pub fn opens_session(&self) -> bool {
        match self.action.pair() {
            Pair::OfNewSession => true,
            Pair::OfNewSessionIfTold { .. } => self.gives.names_any(Fact::PAIR),
            Pair::Never | Pair::OfThisSession => false,
        }
    }

    /// Whether its answer carries a token pair.
    #[must_use]
    pub fn gives_pair(&self) -> bool {
        self.opens_session() || self.action.pair() == Pair::OfThisSession
    }

    /// Whether it makes accounts, and takes no invitation to do so.
    #[must_use]
    pub fn lacks_invite(&self) -> bool {
        self.action.inputs().contains(&Input::Invite) && !self.takes.takes(Input::Invite)
    }

    /// What it is for, in the words of an API's description.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        match self.action.pair() {
            Pair::OfNewSessionIfTold { summary } if self.opens_session() => summary,
            _ => self.action.summary(),
        }
    }

    /// `POST /api/v1/auth/login`.
    #[must_use]
    pub fn on(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Reads one `[[route]]`.
    ///
    /// # Errors
    /// It does not say what it must, or contradicts itself or the profile.
    pub(super) fn parse(field: &Field<'_>, around: &Surroundings<'_>) -> Result<Self, ProfileError> {
        let section = field.section(&["on", "does", "takes", "gives", "status", "optional"])?;
        let does = section.require("does")?;
        let known: Vec<_> = around.actions.iter().map(|action| (action.name(), *action)).collect();
        let action = does.one_of(&known)?;
        let on = section.require("on")?;
        let (method, path) = method_and_path(&on, action, around.actions)?;
        let takes = takes(&section, action, around.refresh)?;
        let (gives, status) = gives(&section, action)?;
        let is_optional = section.get("optional").map_or(Ok(false), |field| field.flag())?;
        let (file, line) = (on.file().to_owned(), on.line());
        let route = Self { method, path, action, takes, gives, status, is_optional, file, line };
        route.check_inputs(&section, around)?;
        if around.registration == Registration::Invite && route.lacks_invite() {
            let error = section
                .error(format!("{} takes no invitation, and nobody registers without one", action.name()));
            return Err(error.hint("add a field to takes, as invite = \"$invite\""));
        }
        if route.gives_pair() {
            route.check_pair(&section, around)?;
        }
        Ok(route)
    }

    /// An action that lacks an input could never succeed.
    fn check_inputs(&self, section: &Section<'_>, around: &Surroundings<'_>) -> Result<(), ProfileError> {
        let offer = Offer {
            path: &self.path,
            takes: &self.takes,
            opens_session: self.opens_session(),
            refresh: around.refresh,
        };
        let unmet = self.action.rules().iter().find_map(|rule| rule(&offer).err());
        unmet.map_or(Ok(()), |unmet| {
            let what = format!("{} needs {}", self.action.name(), unmet.needs);
            let error = section.get("takes").map_or_else(|| section.error(&what), |field| field.error(&what));
            Err(error.hint(unmet.hint))
        })
    }

    /// A pair that does not reach the client, or reaches somebody else, is an error of the profile.
    fn check_pair(&self, section: &Section<'_>, around: &Surroundings<'_>) -> Result<(), ProfileError> {
        let wrong = |what: &str, hint: &str| {
            let what = format!("{} {what}", self.action.name());
            Err(section
                .get("gives")
                .map_or_else(|| section.error(&what), |field| field.error(&what))
                .hint(hint))
        };
        let gives = &self.gives;
        if self.opens_session() && self.action.needs_admin(around.registration) {
            let hint = "set registration = \"open\", or give no tokens";
            return wrong("would give the administrator the tokens of somebody else's session", hint);
        }
        if !gives.names(Fact::AccessToken) {
            return wrong("does not give the access token", "put \"$access_token\" into gives");
        }
        match around.refresh.transport {
            Transport::Cookie if gives.names(Fact::RefreshToken) => {
                let hint = "leave \"$refresh_token\" out, or set refresh_token.transport to \"both\"";
                wrong("gives a refresh token that travels in a cookie only", hint)
            }
            Transport::Body | Transport::Both if !gives.names(Fact::RefreshToken) => {
                let hint = "put \"$refresh_token\" into gives, or set refresh_token.transport to \"cookie\"";
                wrong("does not give the refresh token", hint)
            }
            Transport::Asked if !gives.names(Fact::RefreshToken) || gives.insists_on(Fact::RefreshToken) => {
                let hint = "write \"$refresh_token?\": it is absent where the cookie was asked for";
                wrong("must give the refresh token where the body was asked for, and only there", hint)
            }
            _ => Ok(()),
        }
    }
}

fn method_and_path(
    on: &Field<'_>,
    action: Action,
    actions: &[Action],
) -> Result<(Method, String), ProfileError> {
    let text = on.text()?;
    let Some((word, path)) = text.split_once(' ') else {
        return Err(on
            .error(format!("{} is not a method and a path", quoted(text)))
            .hint("write \"POST /login\""));
    };
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let Some(method) = methods.iter().find(|method| method.as_str() == word) else {
        let known: Vec<&str> = methods.iter().map(Method::as_str).collect();
        return Err(on.error(format!("unknown method {}", quoted(word))).hint(suggest(word, &known)));
    };
    if *method == Method::GET && !action.only_reads() {
        let hint = "browsers send GET from any link; write POST";
        return Err(on.error(format!("{} cannot be a GET", action.name())).hint(hint));
    }
    if let Some(what) = path_error(path, action, actions) {
        return Err(on.error(format!("the path {} {what}", quoted(path))));
    }
    Ok((method.clone(), path.to_owned()))
}

/// What is wrong with a path, as the end of a sentence that begins with it.
fn path_error(path: &str, action: Action, actions: &[Action]) -> Option<String> {
    let Some(rest) = path.strip_prefix('/') else {
        return Some("must begin with a slash".to_owned());
    };
    if path.len() > MAX_PATH_BYTES {
        return Some("is longer than 200 bytes".to_owned());
    }
    let is_plain =
        |segment: &str| segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte));
    let segments: Vec<&str> = rest.split('/').collect();
    let parameters = segments.iter().filter(|segment| **segment == "{id}").count();
    let last = segments.len() - 1;
    if segments.iter().enumerate().any(|(position, segment)| segment.is_empty() && position < last) {
        return Some("has two slashes in a row".to_owned());
    }
    if segments.iter().any(|segment| matches!(*segment, "." | "..")) {
        return Some("has a segment of dots, which clients resolve before they send it".to_owned());
    }
    if segments.iter().any(|segment| *segment != "{id}" && !is_plain(segment)) {
        return Some("may have letters, digits, - _ . ~ and, as a whole segment, {id}".to_owned());
    }
    match parameters {
        0 => None,
        1 if action.takes_id() => None,
        1 => {
            let some_take = actions.iter().any(|action| action.takes_id());
            Some(match some_take {
                true => format!("has {{id}}, which {} does not take", action.name()),
                false => "has {id}, which no action takes".to_owned(),
            })
        }
        _ => Some("has {id} twice".to_owned()),
    }
}

fn takes(section: &Section<'_>, action: Action, refresh: &RefreshTransport) -> Result<Takes, ProfileError> {
    let mut takes = match section.get("takes") {
        Some(field) => Takes::parse(&field, action.inputs())?,
        None => Takes::default(),
    };
    if action.needs_refresh_token()
        && !takes.takes(Input::RefreshToken)
        && let Some(name) = &refresh.body
    {
        takes.add_optional(name, Input::RefreshToken);
    }
    Ok(takes)
}

fn gives(section: &Section<'_>, action: Action) -> Result<(Template, u16), ProfileError> {
    if let Answer::Json { .. } = action.answer() {
        return match section.get("gives").or(section.get("status")) {
            Some(field) => Err(field
                .error(format!("{} answers as a standard has it, which no profile shapes", action.name()))
                .hint("leave gives and status out")),
            None => Ok((Template::NONE, action.status())),
        };
    }
    let anywhere = action.facts();
    let scope = Scope { anywhere: &anywhere, each: action.facts_of_each() };
    let gives = section.get("gives").map(|field| Template::parse(&field, scope)).transpose()?;
    let status = section.get("status").map(|field| Ok((field.number(200..=299)?, field))).transpose()?;
    match (gives, status) {
        (Some(gives), None) => Ok((gives, 200)),
        (None, None) => Ok((Template::NONE, 204)),
        (Some(_), Some((status @ (204 | 205), field))) => {
            Err(field.error(format!("an answer with status {status} has no body")).hint("leave gives out"))
        }
        (Some(gives), Some((status, _))) => Ok((gives, status)),
        (None, Some((204, _))) => Ok((Template::NONE, 204)),
        (None, Some((status, field))) => Err(field
            .error(format!("an answer with status {status} has a body"))
            .hint("add gives, which may be {}, or write status = 204")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::profile::{Profile, Spec};

    const OPTIONS: Spec = Spec {
        answer: Answer::Json { schema: || json!({ "type": "object" }), example: || json!({}) },
        ..Spec::named("options", "What a standard has")
    };

    fn read(route: &str) -> Result<Profile, String> {
        let text = format!("id = 1\nabout = \"a test\"\n[[route]]\n{route}\n");
        Profile::read(&[Action::of(&OPTIONS)], "x", "x.toml", &text).map_err(|error| error.to_string())
    }

    #[test]
    fn what_a_standard_has_is_answered_with_200_and_no_profile_shapes_it() {
        let route = read("on = \"POST /options\"\ndoes = \"options\"").unwrap().wire.routes.remove(0);
        assert_eq!((route.status, route.gives.is_none()), (200, true));
        for shaped in ["gives = {}", "status = 204"] {
            let error = read(&format!("on = \"POST /options\"\ndoes = \"options\"\n{shaped}")).unwrap_err();
            let told = "x.toml:6: options answers as a standard has it, which no profile shapes; leave gives and \
                        status out";
            assert_eq!(error, told);
        }
    }

    #[test]
    fn a_profile_names_the_actions_that_its_reader_was_given() {
        let error = read("on = \"POST /login\"\ndoes = \"login\"").unwrap_err();
        assert_eq!(error, "x.toml:5: route.does cannot be \"login\"; use one of \"options\"");
        let error = read("on = \"GET /options\"\ndoes = \"options\"").unwrap_err();
        assert!(error.contains("options cannot be a GET"), "{error}");
        let error = read("on = \"POST /options/{id}\"\ndoes = \"options\"").unwrap_err();
        assert!(error.contains("has {id}, which no action takes"), "{error}");
    }
}
