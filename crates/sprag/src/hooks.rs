//! Hooks: other systems that are asked before something is decided here. An embedder may have anything answer; the server asks by
//! HTTP. None is asked unless a [client's policy](crate::engine::ClientPolicy) has it, and a client without any pays nothing for it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::account::Account;
use crate::error::Fault;
use crate::requester::Requester;
use crate::session::SessionId;

/// The most that a hook's claims may have, as JSON, in bytes.
pub const MAX_CLAIMS_BYTES: usize = 4096;

/// Who is asked, and what for.
#[derive(Clone, Default)]
pub struct Hooks {
    /// Whether somebody who has shown who they are may log in.
    pub before_login: Option<Arc<dyn BeforeLogin>>,
    /// What access tokens say of an account, and what is done where nobody answers.
    pub claims: Option<(Arc<dyn AsksClaims>, WhenAway)>,
    /// The system whose accounts come here one by one, as their owners log in.
    pub old_accounts: Option<Arc<dyn OldAccounts>>,
}

/// Decides whether somebody may log in.
#[async_trait]
pub trait BeforeLogin: Send + Sync {
    /// Whether a session may be opened. It is asked once who they are has been shown, and before anything is written.
    ///
    /// # Errors
    /// A [`Fault`] where nobody could answer; then no session is opened.
    async fn may_log_in(&self, login: &LoginAsked<'_>) -> Result<bool, Fault>;
}

/// Somebody who would log in.
#[derive(Clone, Copy, Debug)]
pub struct LoginAsked<'a> {
    /// Who.
    pub account: &'a Account,
    /// In which ways they have shown it (RFC 8176).
    pub methods: &'a [&'static str],
    /// What people call the device.
    pub device: Option<&'a str>,
    /// Whether the account knows the device that they come from.
    pub is_on_known_device: bool,
    /// From where, as far as that shows.
    pub requester: &'a Requester,
}

/// Says what access tokens tell of an account.
#[async_trait]
pub trait AsksClaims: Send + Sync {
    /// The claims of the access token that is about to be made, for a session, where there is one already.
    ///
    /// # Errors
    /// A [`Fault`] where nobody could answer.
    async fn claims(
        &self,
        account: &Account,
        session: Option<SessionId>,
    ) -> Result<Map<String, Value>, Fault>;
}

/// Knows the accounts of the system that this one takes the place of.
#[async_trait]
pub trait OldAccounts: Send + Sync {
    /// The account that a name leads to there, if this is its password.
    ///
    /// # Errors
    /// A [`Fault`] where it does not say; it repeats neither the name nor the password.
    async fn with_password(&self, name: &str, password: &str) -> Result<Option<OldAccount>, Fault>;

    /// The account that a name leads to there.
    ///
    /// # Errors
    /// A [`Fault`] where it does not say; it does not repeat the name.
    async fn of_name(&self, name: &str) -> Result<Option<OldAccount>, Fault>;
}

/// An account as the old system tells of it. What it may do there is not asked: nobody becomes an administrator by it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldAccount {
    /// Its key there.
    pub id: String,
    /// Its user name.
    #[serde(default)]
    pub username: Option<String>,
    /// Its address, which counts as confirmed.
    #[serde(default)]
    pub email: Option<String>,
    /// What people call its owner.
    #[serde(default)]
    pub name: Option<String>,
    /// The owner's given name.
    #[serde(default)]
    pub given_name: Option<String>,
    /// The owner's family name.
    #[serde(default)]
    pub family_name: Option<String>,
    /// In which language they are written to: a tag such as `de` or `pt-BR`.
    #[serde(default)]
    pub language: Option<String>,
    /// Whether it has a second factor there. One that is not handed out with it keeps the account from coming here: its password alone
    /// would log in.
    #[serde(default)]
    pub has_second_factor: bool,
    /// The seed of its time-based codes, in base32 or as an `otpauth://` URI.
    #[serde(default)]
    pub totp_secret: Option<String>,
    /// The hashes of its recovery codes.
    #[serde(default)]
    pub recovery_codes: Vec<String>,
}

/// Says nothing of whose it is.
impl fmt::Debug for OldAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OldAccount")
    }
}

/// What is done where nobody says what an access token shall tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenAway {
    /// It tells what was said last; where nothing was, as [`Refuse`](Self::Refuse).
    Stale,
    /// It tells nothing of that.
    None,
    /// There is none, and nothing has turned.
    Refuse,
}

/// Says which are asked.
impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let claims = self.claims.as_ref().map(|(_, when_away)| when_away);
        f.debug_struct("Hooks")
            .field("before_login", &self.before_login.is_some())
            .field("claims", &claims)
            .field("old_accounts", &self.old_accounts.is_some())
            .finish()
    }
}
