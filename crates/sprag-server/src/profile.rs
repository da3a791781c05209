//! Profiles are data: one TOML file says how one front end is spoken to.
//!
//! A profile has lifetimes, the ratchet's policy, how refresh tokens are written and travel, for each route what
//! it is `on`, what it `does`, `takes` and `gives`, and the shape of a refusal. Nothing here or elsewhere knows
//! a profile by name. `docs/reference/profiles.md` is the reference.

mod action;
mod cookie_reach;
mod error;
mod extends;
mod fact;
mod facts;
mod geo;
mod hooks;
mod import;
mod next_id;
mod node;
mod offers;
mod overlap;
mod reference;
mod refusal;
mod route;
mod rules;
mod section;
mod settings;
mod shipped;
mod takes;
mod template;

use std::sync::Arc;

use extends::Text;
use route::Surroundings;
use section::Section;
use serde_json::Map;
use sprag::engine::{AccessTokenShape, Claims, ClientPolicy, Confirmation, NextId, SecondFactor, Subject};
use sprag::policy::{PasswordLength, Policy};
use sprag::session::ProfileId;

pub use sprag::token::Encoding;

pub use crate::duration::{MAX_DURATION, parse as parse_duration};
use crate::places::Fences;
pub(crate) use action::Spec;
pub use action::{Action, Answer, IdOf, Needs, Pair, Whose};
pub use error::ProfileError;
pub use extends::resolved;
pub use fact::{Fact, FactKind};
pub use facts::{Facts, FieldFacts, RefusalFacts, SessionFacts, WaitingFacts};
pub use hooks::HookTargets;
pub use import::{ImportColumn, ImportField, ImportKind, ImportShape, TableShape};
pub(crate) use next_id::KINDS as ID_KINDS;
pub use next_id::{IdKind, MAX_FLOOR};
pub(crate) use node::Node;
pub(crate) use offers::named_off;
pub use overlap::{ClashError, ClashSite, SYSTEM_PATHS, check_together};
pub use reference::refusals_reference;
pub use refusal::{FieldAtFault, RefusalShape};
pub use route::Route;
pub(crate) use rules::{
    Offer, Unmet, asks_for_transport, has_id, leaves_token_to_cookie, names_account, requires_password,
    requires_token,
};
pub use settings::SETTINGS;
pub use shipped::builtin_names;
pub use sprag::error::{CODES, Code};
pub use takes::{Input, Inputs, TakeError, TakenField, Takes};
pub(crate) use takes::{MOST_LISTED, name_instead, name_of_field_instead};
pub use template::Template;

/// One front end: how it is spoken to, the rules its sessions live under, the client that it is, and where its users come
/// from.
#[derive(Clone, PartialEq, Debug)]
pub struct Profile {
    /// The name of the profile, without `.toml`; the `client_id` of its access tokens.
    pub name: String,
    /// The file it came from, for messages.
    pub file: String,
    /// Whom it is for, in a sentence.
    pub about: String,
    /// How it is spoken to.
    pub wire: Wire,
    /// The rules its sessions live under.
    pub policy: Policy,
    /// From where it may be spoken to.
    pub fences: Fences,
    /// Which other systems are asked before something is decided.
    pub hooks: HookTargets,
    /// The client that it stands for.
    pub client: Client,
    /// Foreign names of environment variables, and the setting each stands for.
    pub environment: Vec<(String, String)>,
    /// Where the system that it takes the place of keeps its users and sessions.
    pub import: Option<ImportShape>,
    /// A sentence for each key that it writes under the name that the key had before.
    pub old_keys: Vec<String>,
}

/// How a front end is spoken to: nothing here decides anything.
#[derive(Clone, PartialEq, Debug)]
pub struct Wire {
    /// Its calls, in the order of the profile.
    pub routes: Vec<Route>,
    /// Calls that it could have: optional ones that nothing turns on. Nobody is answered there.
    pub off: Vec<Route>,
    /// How its refresh tokens travel.
    pub refresh: RefreshTransport,
    /// How it says no.
    pub refusal: RefusalShape,
}

/// The client, as OAuth has the word, that a profile stands for.
#[derive(Clone, PartialEq, Debug)]
pub struct Client {
    /// What its tokens carry, so that those of another client are nothing here.
    pub id: ProfileId,
    /// The line on which the profile declares that.
    pub id_line: usize,
    /// Who may register with it.
    pub registration: Registration,
    /// How its refresh tokens are written.
    pub encoding: Encoding,
    /// What its access tokens say.
    pub access: AccessShape,
    /// Which key an account gets that is made with it.
    pub next_id: NextId,
    /// Whether whoever registers with it confirms their address.
    pub confirmation: Confirmation,
    /// Whether the link of a letter logs in on any device, not only in the browser that asked for it.
    pub link_works_anywhere: bool,
    /// How long a password must be that is chosen with it.
    pub password: PasswordLength,
    /// Who must have a second factor to log in with it.
    pub second_factor: SecondFactor,
}

/// How refresh tokens travel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefreshTransport {
    /// The field of a request's body that carries one, if the profile has such a field.
    pub body: Option<String>,
    /// The cookie that carries one, if the profile has one.
    pub cookie: Option<CookieSpec>,
    /// Which of them an answer uses.
    pub transport: Transport,
    /// Whether a client may present the refresh token of the system whose place the profile took.
    pub takes_imported_tokens: bool,
}

/// What the access tokens of a profile say, besides what every one says.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct AccessShape {
    /// Further claims.
    pub claims: Template,
    /// What `sub` is.
    pub subject: Subject,
    /// Whether they name no audience, for verifiers that expect none.
    pub has_no_audience: bool,
}

/// Which way an answer's refresh token travels.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Transport {
    /// In the body.
    Body,
    /// In the cookie.
    Cookie,
    /// In both.
    Both,
    /// As the client asked at log-in, and afterwards the way the token came; the body unless asked.
    Asked,
}

/// The cookie that carries a refresh token; always `HttpOnly`, never with a `Domain`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CookieSpec {
    /// The file it stands in.
    pub file: String,
    /// The line of the profile it stands on.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// Its path.
    pub path: String,
    /// The path that it had in the system whose place the profile took, where that was another one.
    pub former_path: Option<String>,
    /// Its `SameSite`.
    pub same_site: SameSite,
    /// Whether it is `Secure`.
    pub secure: bool,
    /// What a request that it authenticates must say of its origin.
    pub origin: OriginRule,
}

impl CookieSpec {
    /// Whether a browser that keeps it sends it to `path` (RFC 6265 section 5.1.4).
    #[must_use]
    pub fn covers(&self, path: &str) -> bool {
        path.strip_prefix(&*self.path)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || self.path.ends_with('/'))
    }

    /// Whether browsers keep such a cookie only if it is `Secure` (RFC 6265bis section 4.1.3).
    #[must_use]
    pub fn needs_secure(&self) -> bool {
        self.same_site == SameSite::None
            || self.name.starts_with("__Host-")
            || self.name.starts_with("__Secure-")
    }
}

/// The `SameSite` of a cookie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SameSite {
    /// Only with requests from the same site.
    Strict,
    /// Also when a link leads here.
    Lax,
    /// Always.
    None,
}

/// What a request that a cookie authenticates must say of its origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OriginRule {
    /// A matching `Origin` or `Sec-Fetch-Site` must be there.
    Required,
    /// They must match where they are there; for clients that are no browsers.
    IfSent,
}

/// Who may register an account.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Registration {
    /// Anybody.
    Open,
    /// Whoever has an invitation.
    Invite,
    /// An administrator, for others.
    Admin,
    /// Nobody.
    Closed,
}

impl Registration {
    /// Every one of them, by the word that profiles and settings have for it.
    pub const ALL: [(&'static str, Self); 4] =
        [("open", Self::Open), ("invite", Self::Invite), ("admin", Self::Admin), ("closed", Self::Closed)];

    /// Whether an invitation is taken.
    #[must_use]
    pub fn takes_invites(self) -> bool {
        matches!(self, Self::Open | Self::Invite)
    }
}

impl Profile {
    /// Reads a profile whose routes do one of `actions`. `file` is only for messages.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line.
    pub(crate) fn read(actions: &[Action], name: &str, file: &str, text: &str) -> Result<Self, ProfileError> {
        let texts = extends::texts(file, text)?;
        let tables = texts.iter().map(Text::table).collect::<Result<Vec<_>, _>>()?;
        let layers: Vec<_> =
            texts.iter().zip(&tables).map(|(text, table)| (text.source(), table.get_ref())).collect();
        let profile = Section::root(&layers, &KEYS)?;
        Self::of(actions, name, file, &profile)
    }

    /// Reads a profile whose bases are known.
    fn of(actions: &[Action], name: &str, file: &str, profile: &Section<'_>) -> Result<Self, ProfileError> {
        let id = profile.require_own("id")?;
        let about = profile.require_own("about")?.text()?.to_owned();
        let (encoding, refresh) = settings::refresh_token(profile)?;
        let registration = registration(profile)?;
        let routes = routes(profile, &Surroundings { actions, refresh: &refresh, registration })?;
        let offered = offers::parse(profile, &routes)?;
        let old_keys = profile.old_keys();
        let refusal = profile.get("refusal").map(|field| RefusalShape::parse(&field)).transpose()?;
        let mut profile = Self {
            name: name.to_owned(),
            file: file.to_owned(),
            about,
            // Until they have been checked, all of them.
            wire: Wire { routes, off: Vec::new(), refresh, refusal: refusal.unwrap_or_default() },
            policy: settings::policy(profile)?,
            fences: geo::parse(profile)?,
            hooks: hooks::parse(profile)?,
            client: Client {
                id: ProfileId(id.number(1..=u16::MAX)?),
                id_line: id.line(),
                registration,
                confirmation: confirmation(profile)?,
                link_works_anywhere: link_works_anywhere(profile)?,
                password: settings::password(profile)?,
                second_factor: second_factor(profile)?,
                encoding,
                access: settings::access(profile)?,
                next_id: next_id::parse(profile)?,
            },
            environment: settings::environment(profile)?,
            import: profile.get("import").map(|field| import::parse(&field)).transpose()?,
            old_keys,
        };
        overlap::check_alone(&profile)?;
        cookie_reach::check(&profile)?;
        profile.wire = profile.wire.offering(&offered);
        Ok(profile)
    }

    /// What the profile asks of the engine.
    #[must_use]
    pub fn client_policy(&self) -> ClientPolicy {
        let AccessShape { claims, subject, has_no_audience } = self.client.access.clone();
        let tells_of_email = self.client.confirmation == Confirmation::Asked;
        let claims = if tells_of_email {
            let profile = Some(self.client.id);
            Claims::OfAccount(Arc::new(move |account| {
                let mut told = Map::new();
                told.insert(EMAIL_VERIFIED.to_owned(), account.email_confirmed_at().is_some().into());
                // What the profile says under that name goes first.
                told.extend(claims.members(&Facts { account: Some(account), profile, ..Facts::default() }));
                told
            }))
        } else if claims.is_none() {
            Claims::None
        } else if claims.names_any(Fact::ACCOUNT) {
            let profile = Some(self.client.id);
            Claims::OfAccount(Arc::new(move |account| {
                claims.members(&Facts { account: Some(account), profile, ..Facts::default() })
            }))
        } else {
            Claims::Constant(claims.members(&Facts::default()))
        };
        ClientPolicy {
            profile: self.client.id,
            client_id: self.name.clone(),
            policy: self.policy.clone(),
            encoding: self.client.encoding,
            access: AccessTokenShape { claims, subject, has_no_audience },
            takes_imported_tokens: self.wire.refresh.takes_imported_tokens,
            next_id: self.client.next_id,
            confirmation: self.client.confirmation,
            second_factor: self.client.second_factor,
            password: self.client.password,
            // Whoever serves it knows what can be asked.
            hooks: sprag::hooks::Hooks::default(),
        }
    }

    /// The text of a shipped profile, to read or to start an own one from.
    #[must_use]
    pub fn builtin_text(name: &str) -> Option<&'static str> {
        shipped::builtin_text(name)
    }

    /// The file and the text of a shipped profile, or of what shipped profiles share and extend.
    #[must_use]
    pub fn base(name: &str) -> Option<(String, &'static str)> {
        shipped::base(name)
    }
}

/// The claim that says whether the account's address is confirmed (OpenID Connect Core 1.0 section 5.1).
const EMAIL_VERIFIED: &str = "email_verified";

/// The keys of a profile, in the order of the reference.
const KEYS: [&str; 21] = [
    "extends",
    "id",
    "about",
    "lifetimes",
    "refresh_token",
    "ratchet",
    "access_token",
    "registration",
    "email_confirmation",
    "login_link",
    "password",
    "second_factor",
    "geo",
    "hooks",
    "offers",
    "next_id",
    "next_id_floor",
    "route",
    "refusal",
    "environment",
    "import",
];

fn confirmation(profile: &Section<'_>) -> Result<Confirmation, ProfileError> {
    match profile.get("email_confirmation") {
        Some(field) => field.one_of(&[
            ("off", Confirmation::Off),
            ("asked", Confirmation::Asked),
            ("required", Confirmation::Required),
        ]),
        None => Ok(Confirmation::Off),
    }
}

fn link_works_anywhere(profile: &Section<'_>) -> Result<bool, ProfileError> {
    match profile.get("login_link") {
        Some(field) => field.one_of(&[("same_browser", false), ("anywhere", true)]),
        None => Ok(false),
    }
}

fn second_factor(profile: &Section<'_>) -> Result<SecondFactor, ProfileError> {
    profile.get("second_factor").map_or(Ok(SecondFactor::default()), |field| field.one_of(&SecondFactor::ALL))
}

fn registration(profile: &Section<'_>) -> Result<Registration, ProfileError> {
    match profile.get("registration") {
        Some(field) => field.one_of(&Registration::ALL),
        None => Ok(Registration::Admin),
    }
}

fn routes(profile: &Section<'_>, around: &Surroundings<'_>) -> Result<Vec<Route>, ProfileError> {
    profile.require("route").map_err(|error| error.hint("write [[route]] with on, does, takes and gives"))?;
    let elements = extends::routes(&profile.each("route"))?;
    elements.iter().map(|element| Route::parse(element, around)).collect()
}
