//! Hands a record to the engine: for good, or to hear what it would say.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use data_encoding::HEXLOWER;
use sprag::access::Algorithm;
use sprag::chance::SystemChance;
use sprag::clock::{Clock as _, SystemClock};
use sprag::engine::{Imported, ImportedUser, Issuer, Limits, Terms};
use sprag::keys::KeyRing;
use sprag::password::Hasher;
use sprag::store::sqlite::{self, SqliteStore};
use sprag::{Engine, Fault, FaultKind};
use tempfile::TempDir;

use super::record::Record;
use super::row::{self, Session, User};
use crate::profile::TableShape;

/// How often a store that does not answer is asked once more, and after what pause each time.
const PATIENCE: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];

/// Takes records in.
pub struct Taker {
    mode: Mode,
    shape: TableShape,
    /// For sessions: the terms of their page.
    terms: Option<Terms>,
}

/// Whether something is written.
pub enum Mode {
    /// Into this store.
    Real(Arc<Engine>),
    /// Nowhere that lasts.
    Trial(Trial),
}

/// A dry run: the store is asked what it would say, and what it would take goes into a store that is thrown away, so
/// that lines which clash with each other are found by what finds them in earnest.
pub struct Trial {
    /// The store that would be written to, if there is one yet.
    asked: Option<Arc<Engine>>,
    scratch: Engine,
    _folder: TempDir,
}

impl Trial {
    /// A trial beside the store that would be written to.
    ///
    /// # Errors
    /// No store can be made in the folder for temporary files.
    pub fn beside(asked: Option<Arc<Engine>>, limits: Limits) -> anyhow::Result<Self> {
        const DOING: &str = "could not make a store for the dry run in the folder for temporary files";
        let folder = TempDir::with_prefix("sprag-dry-run-").context(DOING)?;
        let path = folder.path().join("scratch.db");
        SqliteStore::migrate(&path).context(DOING)?;
        let store = SqliteStore::open(&path, sqlite::Settings::default()).context(DOING)?;
        let (clock, chance) = (Arc::new(SystemClock), Arc::new(SystemChance::default()));
        let keys = KeyRing::generate(Algorithm::Es256, chance.as_ref(), clock.now())?;
        let issuer = Issuer { issuer: String::new(), audience: String::new() };
        let scratch = Engine::new(Arc::new(store), clock, chance, keys, Hasher::start(1, 1)?, issuer, limits);
        Ok(Self { asked, scratch, _folder: folder })
    }
}

/// What became of a record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    New,
    AlreadyThere,
    /// A session that had been revoked or had expired where it comes from.
    Over,
    Refused(Cow<'static, str>),
}

impl From<Imported> for Outcome {
    fn from(imported: Imported) -> Self {
        match imported {
            Imported::New => Self::New,
            Imported::AlreadyThere => Self::AlreadyThere,
            Imported::Over(_) => Self::Over,
            Imported::Refused(reason) => Self::Refused(reason),
        }
    }
}

impl Taker {
    /// Takes users in.
    #[must_use]
    pub fn of_users(mode: Mode, shape: TableShape) -> Self {
        Self { mode, shape, terms: None }
    }

    /// Takes sessions in, on the terms of their page.
    #[must_use]
    pub fn of_sessions(mode: Mode, shape: TableShape, terms: Terms) -> Self {
        Self { mode, shape, terms: Some(terms) }
    }

    /// What a report may call the record.
    pub(super) fn shown_id(&self, record: &Record) -> Option<String> {
        row::shown_id(record, &self.shape)
    }

    /// Takes one record in. A store that does not answer is asked again a few times; an import can be repeated.
    pub(super) async fn take(&self, record: &Record) -> Result<Outcome, Fault> {
        let read = match &self.terms {
            None => User::read(record, &self.shape).map(Row::User),
            Some(terms) => Session::read(record, &self.shape).map(|session| Row::Session(session, terms)),
        };
        let row = match read {
            Ok(row) => row,
            Err(reason) => return Ok(Outcome::Refused(reason)),
        };
        let mut pauses = PATIENCE.iter();
        loop {
            match self.try_to_take(&row).await {
                Err(fault) if fault.kind != FaultKind::Internal => match pauses.next() {
                    Some(pause) => tokio::time::sleep(*pause).await,
                    None => return Err(fault),
                },
                taken => return taken,
            }
        }
    }

    async fn try_to_take(&self, row: &Row<'_>) -> Result<Outcome, Fault> {
        match &self.mode {
            Mode::Real(engine) => row.import(engine).await,
            Mode::Trial(trial) => {
                if let Some(asked) = &trial.asked {
                    match row.preview(asked).await? {
                        Outcome::New => {}
                        other => return Ok(other),
                    }
                }
                row.prepare(trial).await?;
                row.import(&trial.scratch).await
            }
        }
    }
}

enum Row<'a> {
    User(User),
    Session(Session, &'a Terms),
}

impl Row<'_> {
    async fn import(&self, engine: &Engine) -> Result<Outcome, Fault> {
        match self {
            Self::User(user) => Ok(engine.import_user(user.imported()).await?.into()),
            Self::Session(session, terms) => {
                let imported = engine.import_session(terms, session.imported()).await?;
                Ok(outcome(session, imported, engine))
            }
        }
    }

    async fn preview(&self, engine: &Engine) -> Result<Outcome, Fault> {
        match self {
            Self::User(user) => Ok(engine.preview_user(user.imported()).await?.into()),
            Self::Session(session, terms) => {
                let imported = engine.preview_session(terms, session.imported()).await?;
                Ok(outcome(session, imported, engine))
            }
        }
    }

    /// A session needs its user, whom the scratch store does not have; anybody will do who is known by that id. Where
    /// no store was asked, there are no users either, and the session is refused as it would be.
    async fn prepare(&self, trial: &Trial) -> Result<(), Fault> {
        let (Self::Session(session, _), Some(_)) = (self, &trial.asked) else { return Ok(()) };
        let name = name_of_its_own(&session.user);
        let somebody =
            ImportedUser { external_id: &session.user, username: Some(&name), ..ImportedUser::default() };
        trial.scratch.import_user(somebody).await.map(drop)
    }
}

/// A user name that only this id leads to, whatever stands in the id.
fn name_of_its_own(id: &str) -> String {
    const KEPT_BYTES: usize = 48;
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    let head = &id.as_bytes()[..id.len().min(KEPT_BYTES)];
    format!("u{}{:016x}", HEXLOWER.encode(head), hasher.finish())
}

/// Sessions that are over are found in every such table, most of all where each refresh left a row. That is no refusal.
fn outcome(session: &Session, imported: Imported, engine: &Engine) -> Outcome {
    let is_over = !session.is_live || session.expires_at <= engine.now();
    match Outcome::from(imported) {
        Outcome::Refused(_) if is_over => Outcome::Over,
        other => other,
    }
}
