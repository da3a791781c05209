//! One call of the wire: what it is `on`, what it `does`, `takes` and `gives`.

use axum::http::Method;

use super::error::{ProfileError, quote, suggest};
use super::fact::Fact;
use super::section::{Field, Section};
use super::takes::{Input, Takes};
use super::template::{Scope, Template};
use super::{RefreshTransport, Registration, Transport};

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
    /// The line of the profile it stands on.
    pub line: usize,
}

/// What a route does; a profile writes the names that [`name`](Action::name) gives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Action {
    /// Opens a session for a name and a password.
    Login,
    /// Turns a session.
    Refresh,
    /// Ends the session of the refresh token that is presented.
    Logout,
    /// Ends every session of the account.
    LogoutAll,
    /// Tells who is logged in.
    Me,
    /// Makes an account; opens a session for it where the answer tells of a token pair.
    Register,
    /// Lists the live sessions.
    Sessions,
    /// Ends one session by its id.
    EndSession,
    /// Tells an administrator what happened to one session.
    Explain,
    /// Changes the password; ends the other sessions.
    Password,
    /// Ends the session of the refresh token that is presented, with the cause `revoked`.
    Revoke,
}

impl Action {
    /// Every action, by the name a profile writes.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("login", Self::Login),
        ("refresh", Self::Refresh),
        ("logout", Self::Logout),
        ("logout_all", Self::LogoutAll),
        ("me", Self::Me),
        ("register", Self::Register),
        ("sessions", Self::Sessions),
        ("end_session", Self::EndSession),
        ("explain", Self::Explain),
        ("password", Self::Password),
        ("revoke", Self::Revoke),
    ];

    /// The name a profile writes.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, action)| *action == self).map_or("", |(name, _)| name)
    }

    /// Whether it changes nothing, so that it may be a GET.
    #[must_use]
    pub fn only_reads(self) -> bool {
        matches!(self, Self::Me | Self::Sessions | Self::Explain)
    }

    /// Whether it needs a refresh token, from the body or a cookie.
    #[must_use]
    pub fn needs_refresh_token(self) -> bool {
        matches!(self, Self::Refresh | Self::Logout | Self::Revoke)
    }

    /// Whether it needs an access token. `register` does where only an administrator may.
    #[must_use]
    pub fn needs_access_token(self) -> bool {
        let has_own = matches!(self, Self::Me | Self::Sessions | Self::EndSession | Self::Explain);
        has_own || matches!(self, Self::LogoutAll | Self::Password)
    }

    /// What it can take from a body.
    #[must_use]
    pub fn inputs(self) -> &'static [Input] {
        use Input::{
            CurrentPassword, Device, Email, FamilyName, FullName, GivenName, Name, NewPassword, Password,
            RefreshToken, Transport, Username,
        };
        match self {
            Self::Login => &[Name, Username, Email, Password, Device, Transport],
            Self::Register => {
                &[Name, Username, Email, Password, FullName, GivenName, FamilyName, Device, Transport]
            }
            Self::Refresh | Self::Logout | Self::Revoke => &[RefreshToken],
            Self::EndSession => &[Input::SessionId],
            Self::Password => &[CurrentPassword, NewPassword, RefreshToken],
            Self::LogoutAll | Self::Me | Self::Sessions | Self::Explain => &[],
        }
    }

    /// What its answer can tell anywhere.
    #[must_use]
    pub fn facts(self) -> Vec<Fact> {
        match self {
            Self::Login | Self::Register | Self::Password => [Fact::PAIR, Fact::ACCOUNT].concat(),
            // A refresh reads the session's row and no more.
            Self::Refresh => [Fact::PAIR, &[Fact::AccountId]].concat(),
            Self::Me => [&[Fact::SessionId], Fact::ACCOUNT].concat(),
            Self::Sessions => vec![Fact::SessionId, Fact::AccountId],
            Self::EndSession => vec![Fact::SessionId],
            Self::Explain => [&[Fact::SessionId, Fact::AccountId], Fact::ITEM, Fact::ENDED].concat(),
            Self::Logout | Self::LogoutAll | Self::Revoke => Vec::new(),
        }
    }
}

/// What a route must agree with.
pub(super) struct Surroundings<'a> {
    pub(super) refresh: &'a RefreshTransport,
    pub(super) registration: Registration,
}

impl Route {
    /// Whether it hands out the token pair of a session it has just opened.
    #[must_use]
    pub fn opens_session(&self) -> bool {
        match self.action {
            Action::Login => true,
            Action::Register => Fact::PAIR.iter().any(|fact| self.gives.names(*fact)),
            _ => false,
        }
    }

    /// Whether its answer carries a token pair.
    #[must_use]
    pub fn gives_pair(&self) -> bool {
        self.opens_session() || matches!(self.action, Action::Refresh | Action::Password)
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
        let section = field.section(&["on", "does", "takes", "gives", "status"])?;
        let does = section.require("does")?;
        let action = does.one_of(Action::ALL)?;
        let on = section.require("on")?;
        let (method, path) = method_and_path(&on, action)?;
        let takes = takes(&section, action, around.refresh)?;
        let (gives, status) = gives(&section, action)?;
        let route = Self { method, path, action, takes, gives, status, line: on.line() };
        route.check_inputs(&section, around)?;
        if route.gives_pair() {
            route.check_pair(&section, around)?;
        }
        Ok(route)
    }

    /// An action that lacks an input could never succeed.
    fn check_inputs(&self, section: &Section<'_>, around: &Surroundings<'_>) -> Result<(), ProfileError> {
        let takes = &self.takes;
        let has_name = [Input::Name, Input::Username, Input::Email].into_iter().any(|name| takes.takes(name));
        let has_both = takes.requires(Input::CurrentPassword) && takes.requires(Input::NewPassword);
        let has_one_id = self.path.contains("{id}") != takes.requires(Input::SessionId);
        let has_cookie = around.refresh.cookie.is_some();
        let is_asked = around.refresh.transport == Transport::Asked;
        let asks = takes.takes(Input::Transport);
        let (needs, hint) = match self.action {
            Action::Login | Action::Register if !has_name => {
                ("a name", "add a field to takes, as username = \"$name\"")
            }
            Action::Login | Action::Register if !takes.requires(Input::Password) => {
                ("a password", "add a field to takes, as password = \"$password\"")
            }
            Action::Login | Action::Register if is_asked && self.opens_session() && !asks => (
                "a way to ask for the cookie",
                "take \"$transport?\", or set refresh_token.transport to \"both\"",
            ),
            Action::Login | Action::Register if !is_asked && asks => {
                ("no transport, since the profile decides it", "set refresh_token.transport to \"asked\"")
            }
            Action::Password if !has_both => (
                "the current and the new password",
                "add two fields to takes, holding \"$current_password\" and \"$new_password\"",
            ),
            Action::Explain if !self.path.contains("{id}") => ("the session's id", "write {id} in the path"),
            Action::EndSession if !has_one_id => {
                ("one place for the session's id", "write {id} in the path or take \"$session_id\", not both")
            }
            Action::Refresh | Action::Logout | Action::Revoke
                if has_cookie && takes.requires(Input::RefreshToken) =>
            {
                ("no field where there is a cookie", "write \"$refresh_token?\"")
            }
            _ => return Ok(()),
        };
        let what = format!("{} needs {needs}", self.action.name());
        Err(section.get("takes").map_or_else(|| section.error(&what), |field| field.error(&what)).hint(hint))
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
        if self.action == Action::Register && around.registration == Registration::Admin {
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

fn method_and_path(on: &Field<'_>, action: Action) -> Result<(Method, String), ProfileError> {
    let text = on.text()?;
    let Some((word, path)) = text.split_once(' ') else {
        return Err(on
            .error(format!("{} is not a method and a path", quote(text)))
            .hint("write \"POST /login\""));
    };
    let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    let Some(method) = methods.iter().find(|method| method.as_str() == word) else {
        let known: Vec<&str> = methods.iter().map(Method::as_str).collect();
        return Err(on.error(format!("unknown method {}", quote(word))).hint(suggest(word, &known)));
    };
    if *method == Method::GET && !action.only_reads() {
        let hint = "browsers send GET from any link; write POST";
        return Err(on.error(format!("{} cannot be a GET", action.name())).hint(hint));
    }
    if let Some(what) = path_error(path, action) {
        return Err(on.error(format!("the path {} {what}", quote(path))));
    }
    Ok((method.clone(), path.to_owned()))
}

/// What is wrong with a path, as the end of a sentence that begins with it.
fn path_error(path: &str, action: Action) -> Option<&'static str> {
    let Some(rest) = path.strip_prefix('/') else {
        return Some("must begin with a slash");
    };
    if path.len() > MAX_PATH_BYTES {
        return Some("is longer than 200 bytes");
    }
    let is_plain =
        |segment: &str| segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte));
    let segments: Vec<&str> = rest.split('/').collect();
    let parameters = segments.iter().filter(|segment| **segment == "{id}").count();
    let last = segments.len() - 1;
    if segments.iter().enumerate().any(|(position, segment)| segment.is_empty() && position < last) {
        return Some("has two slashes in a row");
    }
    if segments.iter().any(|segment| matches!(*segment, "." | "..")) {
        return Some("has a segment of dots, which clients resolve before they send it");
    }
    if segments.iter().any(|segment| *segment != "{id}" && !is_plain(segment)) {
        return Some("may have letters, digits, - _ . ~ and, as a whole segment, {id}");
    }
    match parameters {
        0 => None,
        1 if matches!(action, Action::EndSession | Action::Explain) => None,
        1 => Some("has {id}, which only end_session and explain take"),
        _ => Some("has {id} twice"),
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
    let anywhere = action.facts();
    let each = match action {
        Action::Sessions => Fact::ITEM,
        Action::Explain => Fact::EVENT,
        _ => &[],
    };
    let scope = Scope { anywhere: &anywhere, each };
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
