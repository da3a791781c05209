//! A profile that takes the place of another system, and what that system had.

use std::sync::Arc;
use std::time::Duration;

use sprag::clock::{HandClock, Timestamp};
use sprag::engine::{
    AccessTokenShape, ClientPolicy, Engine, Imported, ImportedSession, ImportedUser, LogOutRequest,
    OpenRequest, RefreshRequest, Requester, Subject, TokenPair,
};
use sprag::keys::{Algorithm, KeyRing};
use sprag::password::Hasher;
use sprag::policy::{Policy, Retry};
use sprag::random::SeededRandom;
use sprag::session::{EndCause, ProfileId, SessionId};
use sprag::store::Store;
use sprag::store::memory::MemoryStore;
use sprag::token::{Encoding, ForeignToken, hash_instance};
use sprag::{Error, Refusal};

pub(crate) const PROFILE: ProfileId = ProfileId(2);
pub(crate) const NOW: Timestamp = Timestamp(1_800_000_000_000);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);
pub(crate) const WINDOW: Duration = Duration::from_secs(30);
pub(crate) const OLD: &str = "Xk3u9pT0vY2mZ8qL5sW1nB7cD4fG6hJ0rE3tU9yI2oP5aS8d";
pub(crate) const PASSWORD: &str = "correct horse battery";

pub(crate) struct Move {
    pub(crate) engine: Engine,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) client: ClientPolicy,
    pub(crate) hash: String,
}

impl Move {
    /// A profile that takes the place of another system, and one user of that system.
    pub(crate) async fn begun(retry: Retry) -> Self {
        Self::begun_on(Arc::new(MemoryStore::new()), retry).await
    }

    /// A move that begins on a store that is given.
    pub(crate) async fn begun_on(store: Arc<dyn Store>, retry: Retry) -> Self {
        let clock = Arc::new(HandClock::at(NOW));
        let random = Arc::new(SeededRandom::new(3));
        let keys = KeyRing::generate(Algorithm::Hs256, random.as_ref(), NOW).expect("a ring");
        let hasher = Hasher::start(1, 64).expect("a hashing thread");
        let password = sprag::password::Password::chosen(PASSWORD).expect("a password");
        let hash = hasher.hash(password, random.as_ref()).await.expect("a hash");
        let engine = Engine::builder(store).clock(clock.clone()).random(random).keys(keys).hasher(hasher);
        let engine = engine.issuer("https://id.example").audience("https://api.example").build();
        let engine = engine.expect("an engine");
        let client = ClientPolicy {
            policy: Policy { retry, ..Policy::default() },
            encoding: Encoding::Opaque,
            access: AccessTokenShape {
                subject: Subject::External,
                has_no_audience: true,
                ..AccessTokenShape::default()
            },
            takes_imported_tokens: true,
            ..ClientPolicy::new(PROFILE, "profile")
        };
        let moved = Self { engine, clock, client, hash };
        assert_eq!(moved.user("42").await, Imported::New);
        moved
    }

    /// Logs out with the token that the other system handed out.
    pub(crate) async fn logs_out(&self) {
        let request = LogOutRequest::with(OLD);
        self.engine.log_out(&self.client, request, &somebody()).await.expect("logged out");
    }

    pub(crate) async fn user(&self, external_id: &str) -> Imported {
        let username = format!("user{external_id}");
        let user = ImportedUser {
            external_id,
            username: Some(&username),
            password_hash: &self.hash,
            ..ImportedUser::default()
        };
        self.engine.imports().user(&self.client, user).await.expect("import")
    }

    pub(crate) async fn session(&self, change: impl FnOnce(&mut ImportedSession<'_>)) -> Imported {
        let mut session = imported();
        change(&mut session);
        self.engine.imports().session(&self.client, session).await.expect("import")
    }

    pub(crate) async fn refresh(&self, token: &str) -> Result<TokenPair, Refusal> {
        let refreshed =
            self.engine.refresh(&self.client, RefreshRequest { token, retry_id: None }, &somebody()).await;
        refreshed.answer.map_err(|error| match error {
            Error::Refused(refusal) => refusal,
            Error::Failed(fault) => panic!("{fault:?}"),
        })
    }

    pub(crate) async fn cause(&self) -> Option<EndCause> {
        let explained = self.engine.sessions().explain(id()).await.expect("explain").expect("it is known");
        explained.session.ended.map(|ended| ended.cause)
    }

    pub(crate) async fn log_in(&self) -> Result<TokenPair, Error> {
        self.log_in_as("user42", PASSWORD).await
    }

    pub(crate) async fn log_in_as(&self, name: &str, password: &str) -> Result<TokenPair, Error> {
        let known = self.engine.authn().password(name, password, &somebody()).await?;
        self.engine.open_session(&self.client, known, OpenRequest::default(), &somebody()).await
    }
}

pub(crate) fn imported() -> ImportedSession<'static> {
    ImportedSession {
        user: "42",
        token: ForeignToken::new(OLD).expect("a token"),
        created_at: Some(NOW.minus(DAY)),
        expires_at: NOW.plus(6 * DAY),
        is_live: true,
        ip: Some("192.0.2.7"),
        user_agent: None,
        device: Some("Ann's telephone"),
    }
}

pub(crate) fn id() -> SessionId {
    imported().token.session(PROFILE)
}

pub(crate) fn somebody() -> Requester {
    Requester { instance: hash_instance("somebody"), ..Requester::nobody() }
}

pub(crate) fn refused(outcome: &Imported) -> &str {
    match outcome {
        Imported::Over(why) => why,
        Imported::Refused(why) => why.as_ref(),
        other => panic!("{other:?}"),
    }
}
