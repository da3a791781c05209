//! What is known of an action without carrying it out: the loader, the router, the description and the reference read
//! it here. What it does is in `api/`, where each action has a file of its own.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde_json::Value;
use sprag::error::refusals::UNAVAILABLE;

use super::Registration;
use super::fact::Fact;
use super::rules::Rule;
use super::takes::Input;

/// What a route does; a profile writes the [`name`](Self::name) of it.
#[derive(Clone, Copy)]
pub struct Action(&'static Spec);

/// An action as its file declares it. A file says what differs from [`named`](Spec::named).
pub(crate) struct Spec {
    /// The name, as a profile writes it after `does`.
    pub(crate) name: &'static str,
    /// What it is for, in the words of an API's description.
    pub(crate) summary: &'static str,
    /// What a request must bring so that it is let in.
    pub(crate) needs: Needs,
    /// Whether whoever asks must have shown a moment ago who they are: it changes what they log in with, or somebody else's
    /// account.
    pub(crate) wants_fresh: bool,
    /// The setting that turns its optional routes on, where `offers` is not what does.
    pub(crate) turned_on_by: Option<&'static str>,
    /// Whether the refresh token of the request may stand in the profile's cookie.
    pub(crate) reads_cookie: bool,
    /// Whose account it is about.
    pub(crate) account: Whose,
    /// Whether its answer carries a token pair.
    pub(crate) pair: Pair,
    /// What it can take from a body.
    pub(crate) takes: &'static [Input],
    /// What a route must keep to so that a request can succeed, the first that is broken told first.
    pub(crate) rules: &'static [Rule],
    /// Whether it looks into the body also where the profile names no field of it.
    pub(crate) reads_body: bool,
    /// Of what the `{id}` in its path is, if it may have one.
    pub(crate) takes_id: Option<IdOf>,
    /// What its answer looks like.
    pub(crate) answer: Answer,
    /// The status of its answer, where no profile shapes that.
    pub(crate) status: u16,
    /// What its 202 means, if it answers that where whoever asks must confirm their address first.
    pub(crate) until_confirmed: Option<&'static str>,
    /// The codes that it refuses with, besides those that follow from what it needs and takes.
    pub(crate) refuses: &'static [&'static str],
    /// Whether it changes nothing, so that it may be a GET.
    pub(crate) only_reads: bool,
    /// Whether the ratchet decides, and the verdict is counted.
    pub(crate) is_rotation: bool,
    /// What a retry id of the request is good for; nothing where it is not read.
    pub(crate) retry_id: Option<&'static str>,
    /// What a person is told where the store fails: whether what was asked for may have happened, and what to do. Most
    /// actions write, and whoever hears of a failure cannot know whether it came before or after.
    pub(crate) unavailable: &'static str,
}

impl Spec {
    /// An action that anybody may ask for, that takes nothing and tells nothing.
    pub(crate) const fn named(name: &'static str, summary: &'static str) -> Self {
        Self {
            name,
            summary,
            needs: Needs::Nothing,
            wants_fresh: false,
            turned_on_by: None,
            reads_cookie: false,
            account: Whose::Requester,
            pair: Pair::Never,
            takes: &[],
            rules: &[],
            reads_body: false,
            takes_id: None,
            answer: Answer::Shaped { anywhere: &[], each: &[] },
            status: 200,
            until_confirmed: None,
            refuses: &[],
            only_reads: false,
            is_rotation: false,
            retry_id: None,
            unavailable: UNAVAILABLE.sentence,
        }
    }
}

/// What a request must bring so that it is let in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Needs {
    /// Nothing.
    Nothing,
    /// An access token.
    AccessToken,
    /// An access token; with a retry id also one that is good no longer, for the request may have been carried out already.
    AccessTokenOrRepeat,
    /// An access token; beside one that no longer says whose it is, the refresh token in the cookie does.
    AccessTokenOrCookie,
    /// An access token, or in the body what goes on with a log-in that waits until its account has a second factor.
    AccessTokenOrEnrolment,
    /// The access token of an administrator.
    Administrator,
    /// The access token of an administrator, unless the profile lets anybody register.
    AdministratorUnlessOpen,
    /// A refresh token.
    RefreshToken,
    /// A refresh token, or else an access token.
    RefreshOrAccessToken,
}

/// Whose account an action is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whose {
    /// That of the token which the request brings, if it brings one.
    Requester,
    /// One that there is, named in the body in any of the ways that the route takes.
    Named,
    /// One that is made, with each of the names in the body.
    New,
}

/// Of what the `{id}` in a path is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IdOf {
    /// A session.
    Session,
    /// An account.
    Account,
    /// A second factor.
    Factor,
}

/// Whether an answer carries a token pair.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pair {
    /// It carries none.
    Never,
    /// That of the session which the request is about.
    OfThisSession,
    /// That of a session which it opens.
    OfNewSession,
    /// That of a session which it opens, but only where the route's answer names a fact of the pair.
    OfNewSessionIfTold {
        /// What the action is for where it opens a session.
        summary: &'static str,
    },
}

/// What the answer of an action looks like.
#[derive(Clone, Copy, Debug)]
pub enum Answer {
    /// As the profile shapes it.
    Shaped {
        /// Groups of facts that it can tell anywhere.
        anywhere: &'static [&'static [Fact]],
        /// The facts of an array's one element, which is repeated.
        each: &'static [Fact],
    },
    /// JSON as a standard has it, for instance the options of a passkey: no profile shapes it, and its status is 200.
    Json {
        /// Its JSON schema.
        schema: fn() -> Value,
        /// An example of it.
        example: fn() -> Value,
    },
}

impl Action {
    /// The action that this file of `api/` declares.
    pub(crate) const fn of(spec: &'static Spec) -> Self {
        Self(spec)
    }

    /// The name, as a profile writes it after `does`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.0.name
    }

    /// Whether a profile writes this name for it.
    #[must_use]
    pub fn is(self, name: &str) -> bool {
        self.0.name == name
    }

    /// What it is for, in the words of an API's description.
    #[must_use]
    pub const fn summary(self) -> &'static str {
        self.0.summary
    }

    /// What a request must bring so that it is let in.
    #[must_use]
    pub const fn needs(self) -> Needs {
        self.0.needs
    }

    /// Whether whoever asks must have shown a moment ago who they are.
    #[must_use]
    pub const fn wants_fresh(self) -> bool {
        self.0.wants_fresh
    }

    /// Whether it changes nothing, so that it may be a GET.
    #[must_use]
    pub const fn only_reads(self) -> bool {
        self.0.only_reads
    }

    /// Whether it needs a refresh token, from the body or a cookie.
    #[must_use]
    pub fn needs_refresh_token(self) -> bool {
        matches!(self.0.needs, Needs::RefreshToken | Needs::RefreshOrAccessToken)
    }

    /// Whether it needs an access token, whatever the profile says of who may register.
    #[must_use]
    pub fn needs_access_token(self) -> bool {
        matches!(
            self.0.needs,
            Needs::AccessToken
                | Needs::AccessTokenOrRepeat
                | Needs::AccessTokenOrCookie
                | Needs::AccessTokenOrEnrolment
                | Needs::Administrator
        )
    }

    /// Whether it needs an access token on some profile, so that a 401 asks for one.
    #[must_use]
    pub fn asks_for_bearer(self) -> bool {
        self.needs_access_token() || self.0.needs == Needs::AdministratorUnlessOpen
    }

    /// Whether only an administrator may, on a profile where `registration` holds.
    #[must_use]
    pub fn needs_admin(self, registration: Registration) -> bool {
        match self.0.needs {
            Needs::Administrator => true,
            Needs::AdministratorUnlessOpen => registration == Registration::Admin,
            _ => false,
        }
    }

    /// Whether whoever asks for it shows no account by that, on a profile where `registration` holds.
    #[must_use]
    pub fn is_anonymous(self, registration: Registration) -> bool {
        match self.0.needs {
            Needs::Nothing => true,
            Needs::AdministratorUnlessOpen => !self.needs_admin(registration),
            _ => false,
        }
    }

    /// The setting that turns its optional routes on, where `offers` is not what does.
    #[must_use]
    pub const fn turned_on_by(self) -> Option<&'static str> {
        self.0.turned_on_by
    }

    /// Whether the refresh token of the request may stand in the profile's cookie.
    #[must_use]
    pub const fn reads_cookie(self) -> bool {
        self.0.reads_cookie
    }

    /// Whose account it is about.
    #[must_use]
    pub const fn account(self) -> Whose {
        self.0.account
    }

    /// Whether its answer carries a token pair.
    #[must_use]
    pub const fn pair(self) -> Pair {
        self.0.pair
    }

    /// What it can take from a body.
    #[must_use]
    pub const fn inputs(self) -> &'static [Input] {
        self.0.takes
    }

    /// Whether it looks into the body also where the profile names no field of it.
    #[must_use]
    pub const fn reads_body(self) -> bool {
        self.0.reads_body
    }

    /// Whether its path may have `{id}`.
    #[must_use]
    pub const fn takes_id(self) -> bool {
        self.0.takes_id.is_some()
    }

    /// Of what the `{id}` in its path is, if it may have one.
    #[must_use]
    pub const fn id_of(self) -> Option<IdOf> {
        self.0.takes_id
    }

    /// What its answer looks like.
    #[must_use]
    pub const fn answer(self) -> Answer {
        self.0.answer
    }

    /// The status of its answer, where no profile shapes that.
    #[must_use]
    pub const fn status(self) -> u16 {
        self.0.status
    }

    /// What its 202 means, if it answers that where whoever asks must confirm their address first.
    #[must_use]
    pub const fn until_confirmed(self) -> Option<&'static str> {
        self.0.until_confirmed
    }

    /// What its answer can tell anywhere.
    #[must_use]
    pub fn facts(self) -> Vec<Fact> {
        match self.0.answer {
            Answer::Shaped { anywhere, .. } => anywhere.concat(),
            Answer::Json { .. } => Vec::new(),
        }
    }

    /// What the one element of an array in its answer can tell, which is then repeated.
    #[must_use]
    pub const fn facts_of_each(self) -> &'static [Fact] {
        match self.0.answer {
            Answer::Shaped { each, .. } => each,
            Answer::Json { .. } => &[],
        }
    }

    /// The codes that it refuses with, besides those that follow from what it needs and takes.
    #[must_use]
    pub const fn refuses(self) -> &'static [&'static str] {
        self.0.refuses
    }

    /// Whether the ratchet decides, and the verdict is counted.
    #[must_use]
    pub const fn is_rotation(self) -> bool {
        self.0.is_rotation
    }

    /// What a retry id of the request is good for, if it is read.
    #[must_use]
    pub const fn retry_id(self) -> Option<&'static str> {
        self.0.retry_id
    }

    /// What a person is told where the store fails.
    #[must_use]
    pub const fn unavailable(self) -> &'static str {
        self.0.unavailable
    }

    pub(super) const fn rules(self) -> &'static [Rule] {
        self.0.rules
    }
}

/// One action, one name.
impl PartialEq for Action {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Action {}

impl Hash for Action {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name().hash(state);
    }
}

impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
