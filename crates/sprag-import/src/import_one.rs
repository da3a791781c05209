//! Hands a record to the engine: for good, or to hear what it would say.

use std::fs::Permissions;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use data_encoding::HEXLOWER;
use sprag::access::Algorithm;
use sprag::clock::Timestamp;
use sprag::clock::{Clock as _, SystemClock};
use sprag::engine::{ClientPolicy, Imported, ImportedUser, Limits, Run, SlowHashes};
use sprag::keys::KeyRing;
use sprag::password::Hasher;
use sprag::random::SystemRandom;
use sprag::store::sqlite::{self, SqliteStore};
use sprag::{Engine, Fault, FaultKind};
use tempfile::TempDir;
use tokio::sync::Mutex;

use super::optional_fields;
use super::record::Record;
use super::revoked_tokens::RevokedTokens;
use super::row::{self, Reason, Session, User};
use crate::shape::{ImportField, ImportKind, TableShape};

/// How often a store that does not answer is asked once more, and after what pause each time.
const PATIENCE: [Duration; 3] = [Duration::from_millis(200), Duration::from_secs(1), Duration::from_secs(3)];

/// Takes records in.
pub struct Taker {
    mode: Mode,
    kind: ImportKind,
    shape: TableShape,
    /// The terms of the profile that takes the other system's place.
    client: ClientPolicy,
    turns: Vec<Mutex<()>>,
    import: OneImport,
    over: RevokedTokens,
}

/// What holds for all rows of one import.
#[derive(Default)]
struct OneImport {
    run: Run,
    slow: SlowHashes,
}

/// Why a user name is left out.
const TAKEN_USER_NAME: &str =
    "its user name is the e-mail address of another account, so it logs in with its e-mail address only";

/// What of a record waits until all others have been taken in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    Nothing,
    ItsUserName,
    All,
}

/// What became of a record.
pub(super) struct Taken {
    /// `None` of one that was told before.
    pub(super) outcome: Option<Imported>,
    /// What of it was left out, and why.
    pub(super) left_out: Vec<Reason>,
}

impl Taken {
    pub(super) fn refused(reason: Reason) -> Self {
        Self { outcome: Some(Imported::Refused(reason)), left_out: Vec::new() }
    }

    /// One that was told before, and of which something was left out since.
    pub(super) fn before(left_out: Option<Reason>) -> Self {
        Self { outcome: None, left_out: left_out.into_iter().collect() }
    }
}

/// Many more than are under way at a time, so that hardly anybody waits for a stranger.
const TURNS: usize = 4096;

/// Whether something is written.
pub enum Mode {
    /// Into this store.
    Real(Arc<Engine>),
    /// Nowhere that lasts.
    Trial(Box<Trial>),
}

impl Mode {
    fn now(&self) -> Timestamp {
        match self {
            Self::Real(engine) => engine.now(),
            // The store that would be written to says what has expired, whatever this machine's clock says.
            Self::Trial(trial) => {
                trial.asked.as_ref().map_or_else(|| trial.scratch.now(), |engine| engine.now())
            }
        }
    }
}

/// A dry run: the store is asked what it would say, and what it would take goes into a store that is thrown away, so
/// that lines which clash with each other are found by what finds them in earnest. No password hash goes there: a process
/// that is killed leaves its files behind.
pub struct Trial {
    /// The store that would be written to, if there is one yet.
    asked: Option<Arc<Engine>>,
    scratch: Engine,
    #[cfg_attr(not(test), expect(dead_code, reason = "it lasts as long as this does"))]
    folder: TempDir,
}

/// Only its owner looks into the folder of a dry run.
const FOLDER_MODE: u32 = 0o700;

/// Nothing there must be fast, and the folder for temporary files may be in memory.
const SCRATCH_LOG_KIB: u32 = 8 * 1024;

impl Trial {
    /// A trial beside the store that would be written to.
    ///
    /// # Errors
    /// No store can be made in the folder for temporary files.
    pub fn beside(asked: Option<Arc<Engine>>, limits: Limits) -> anyhow::Result<Self> {
        const DOING: &str = "could not make a store for the dry run in the folder for temporary files";
        let mode = Permissions::from_mode(FOLDER_MODE);
        let folder = tempfile::Builder::new().prefix("sprag-dry-run-").permissions(mode).tempdir();
        let folder = folder.context(DOING)?;
        let path = folder.path().join("scratch.db");
        SqliteStore::migrate(&path).context(DOING)?;
        let settings = sqlite::Settings {
            checkpoint_every_kib: SCRATCH_LOG_KIB / 2,
            log_limit_kib: SCRATCH_LOG_KIB,
            ..sqlite::Settings::default()
        };
        let store = SqliteStore::open(&path, settings).context(DOING)?;
        let keys = KeyRing::generate(Algorithm::Es256, &SystemRandom::default(), SystemClock.now())?;
        let scratch = Engine::builder(Arc::new(store)).keys(keys).issuer("").hasher(Hasher::start(1, 1)?);
        let scratch = scratch.limits(limits).build()?;
        Ok(Self { asked, scratch, folder })
    }

    /// What becomes of a row, as the store that is asked says; and where it would be taken, whether another row of the
    /// source has been in its way.
    async fn take(&self, row: &Row, import: &OneImport, client: &ClientPolicy) -> Result<Imported, Fault> {
        match self.ask(row, import, client).await? {
            said @ (Imported::New | Imported::WithoutPassword(_)) => {
                row.prepare(self, client).await?;
                let taken = row.without_password().import(&self.scratch, import, client).await?;
                Ok(match (taken, said) {
                    (Imported::New, said) => said,
                    (Imported::AlreadyThere, Imported::WithoutPassword(why)) => {
                        Imported::StillWithoutPassword(why)
                    }
                    (taken, _) => taken,
                })
            }
            // What is over ends what another row of the source would have brought.
            Imported::Over(why) => {
                let taken = row.import(&self.scratch, import, client).await?;
                Ok(if matches!(taken, Imported::Changed(_)) { taken } else { Imported::Over(why) })
            }
            said => Ok(said),
        }
    }

    async fn ask(&self, row: &Row, import: &OneImport, client: &ClientPolicy) -> Result<Imported, Fault> {
        let Some(asked) = &self.asked else {
            let said = row.preview(&self.scratch, import, client).await?;
            // Nobody has a hash there that could be another.
            let is_about_hash = matches!(said, Imported::Changed(_));
            return if is_about_hash {
                row.without_password().preview(&self.scratch, import, client).await
            } else {
                Ok(said)
            };
        };
        row.preview(asked, import, client).await
    }
}

impl Taker {
    /// Takes users or sessions in, on the terms of the profile that takes the place of the system they come from.
    #[must_use]
    pub fn of(kind: ImportKind, mode: Mode, shape: TableShape, client: ClientPolicy) -> Self {
        let (import, over) = (OneImport::default(), RevokedTokens::default());
        Self { mode, kind, shape, client, turns: turns(), import, over }
    }

    /// Answers otherwise to password hashes that are slow on this machine. By default they are left out.
    #[must_use]
    pub fn slow_hashes(mut self, slow: SlowHashes) -> Self {
        self.import.slow = slow;
        self
    }

    /// What a report may call the record.
    pub(super) fn shown_id(&self, record: &Record) -> Option<String> {
        row::shown_id(record, &self.shape)
    }

    /// What of a record waits until all others have been taken in: an e-mail address belongs to whoever has it as their
    /// address, whatever line they stand on, and not to who has it as a user name.
    pub(super) fn waits(&self, record: &Result<Record, Reason>) -> Waits {
        let has_addresses = self.shape.column(ImportField::Email).is_some();
        let (ImportKind::Users, true, Ok(record)) = (self.kind, has_addresses, record) else {
            return Waits::Nothing;
        };
        let (shape, _) = optional_fields::fitting(record, &self.shape);
        match User::read(record, &shape) {
            Ok(user) if !user.is_named_like_an_address() => Waits::Nothing,
            Ok(user) if user.has_an_address() => Waits::ItsUserName,
            Ok(_) => Waits::All,
            Err(_) => Waits::Nothing,
        }
    }

    /// Has the user name that waited lead to its user, if it leads to nobody else.
    pub(super) async fn claim_user_name(&self, record: &Record) -> Result<Option<Reason>, Fault> {
        let (shape, _) = optional_fields::fitting(record, &self.shape);
        let Ok(user) = User::read(record, &shape) else { return Ok(None) };
        let (client, user) = (&self.client, user.imported());
        let is_its_own = match &self.mode {
            Mode::Real(engine) => engine.imports().claim_user_name(client, user).await?,
            Mode::Trial(trial) => {
                let is_free = match &trial.asked {
                    Some(asked) => asked.imports().preview_user_name(client, user).await?,
                    None => true,
                };
                is_free && trial.scratch.imports().claim_user_name(client, user).await?
            }
        };
        Ok((!is_its_own).then(|| TAKEN_USER_NAME.into()))
    }

    /// Takes one record in. A store that does not answer is asked again a few times; an import can be repeated.
    pub(super) async fn take(&self, record: &Record) -> Result<Taken, Fault> {
        let (shape, left_out) = optional_fields::fitting(record, &self.shape);
        let read = match self.kind {
            ImportKind::Users => User::read(record, &shape).map(Row::User),
            ImportKind::Sessions => Session::read(record, &shape).map(Row::Session),
        };
        let row = match read {
            Ok(row) => row,
            Err(reason) => return Ok(Taken::refused(reason)),
        };
        let mut turns = Vec::new();
        for turn in row.turns(&self.client) {
            turns.push(self.turns[turn].lock().await);
        }
        let outcome = if self.has_twin_that_is_over(&row)? {
            Imported::Over("another line there has its token, and is over")
        } else {
            self.take_row(&row).await?
        };
        Ok(Taken { outcome: Some(outcome), left_out })
    }

    /// Whether another row of the same token has said that it is over. If this one does, that is remembered.
    fn has_twin_that_is_over(&self, row: &Row) -> Result<bool, Fault> {
        let Row::Session(session) = row else { return Ok(false) };
        let session = session.imported();
        let id = session.token.session(self.client.profile);
        if session.is_over(self.mode.now()) {
            return self.over.note(id).map(|()| false);
        }
        self.over.has(id)
    }

    async fn take_row(&self, row: &Row) -> Result<Imported, Fault> {
        let mut pauses = PATIENCE.iter();
        loop {
            match (self.try_to_take(row).await, pauses.next()) {
                (Err(fault), Some(pause)) if fault.kind != FaultKind::Internal => {
                    tokio::time::sleep(*pause).await;
                }
                (taken, _) => return taken,
            }
        }
    }

    async fn try_to_take(&self, row: &Row) -> Result<Imported, Fault> {
        let client = &self.client;
        match &self.mode {
            Mode::Real(engine) => row.import(engine, &self.import, client).await,
            Mode::Trial(trial) => trial.take(row, &self.import, client).await,
        }
    }
}

fn turns() -> Vec<Mutex<()>> {
    (0..TURNS).map(|_| Mutex::new(())).collect()
}

#[derive(Clone)]
enum Row {
    User(User),
    Session(Session),
}

impl Row {
    /// Whose turns it waits for. What stands twice in a source would else be under way twice, and get in its own way;
    /// and of two users with one name the first shall have it. In order, so that no two wait for each other.
    fn turns(&self, client: &ClientPolicy) -> Vec<usize> {
        let mut turns: Vec<_> = match self {
            Self::User(user) => user.claims().iter().map(|claim| turn_of(claim)).collect(),
            Self::Session(session) => {
                vec![turn_of(&session.imported().token.session(client.profile).to_string())]
            }
        };
        turns.sort_unstable();
        turns.dedup();
        turns
    }

    async fn import(
        &self,
        engine: &Engine,
        import: &OneImport,
        client: &ClientPolicy,
    ) -> Result<Imported, Fault> {
        match self {
            Self::User(user) => engine.imports().slow_hashes(import.slow).user(client, user.imported()).await,
            Self::Session(session) => {
                let outcome = engine.imports().session_of(&import.run, client, session.imported()).await?;
                Ok(session.explained(outcome))
            }
        }
    }

    async fn preview(
        &self,
        engine: &Engine,
        import: &OneImport,
        client: &ClientPolicy,
    ) -> Result<Imported, Fault> {
        match self {
            Self::User(user) => {
                engine.imports().slow_hashes(import.slow).preview_user(client, user.imported()).await
            }
            Self::Session(session) => {
                let outcome =
                    engine.imports().preview_session(&import.run, client, session.imported()).await?;
                Ok(session.explained(outcome))
            }
        }
    }

    fn without_password(&self) -> Self {
        match self {
            Self::User(user) => Self::User(user.without_password()),
            session @ Self::Session(_) => session.clone(),
        }
    }

    /// A session needs its user, whom the scratch store does not have; anybody will do who is known by that id. Where
    /// no store was asked, there are no users either, and the session is refused as it would be.
    async fn prepare(&self, trial: &Trial, client: &ClientPolicy) -> Result<(), Fault> {
        let (Self::Session(session), Some(_)) = (self, &trial.asked) else { return Ok(()) };
        let name = name_of_its_own(&session.user);
        let somebody =
            ImportedUser { external_id: &session.user, username: Some(&name), ..ImportedUser::default() };
        trial.scratch.imports().user(client, somebody).await.map(drop)
    }
}

/// A user name that only this id leads to, whatever stands in the id.
fn name_of_its_own(id: &str) -> String {
    const KEPT_BYTES: usize = 48;
    let head = &id.as_bytes()[..id.len().min(KEPT_BYTES)];
    format!("u{}{:016x}", HEXLOWER.encode(head), hash(id))
}

fn turn_of(text: &str) -> usize {
    usize::try_from(hash(text) % TURNS as u64).unwrap_or(0)
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use sprag::engine::AccessTokenShape;
    use sprag::policy::Policy;
    use sprag::session::ProfileId;
    use sprag::token::Encoding;

    use super::*;
    use crate::shape::ImportColumn;

    const HASH: &str = "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW";

    #[tokio::test]
    async fn a_dry_run_leaves_no_hash_in_its_files() {
        let column = |(field, name)| ImportColumn::parse(field, name).unwrap();
        let columns = [
            (ImportField::ExternalId, "id"),
            (ImportField::Username, "name"),
            (ImportField::PasswordHash, "hash"),
        ];
        let shape = columns.map(column).into_iter().fold(TableShape::default(), TableShape::with);
        let client = ClientPolicy {
            profile: ProfileId(1000),
            client_id: "x".to_owned(),
            policy: Policy::default(),
            encoding: Encoding::Opaque,
            access: AccessTokenShape::default(),
            takes_imported_tokens: false,
            next_id: sprag::engine::NextId::Uuid,
        };
        let trial = Trial::beside(None, Limits { sessions_per_account: 10 }).unwrap();
        let folder = trial.folder.path().to_owned();
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, FOLDER_MODE);
        let taker = Taker::of(ImportKind::Users, Mode::Trial(Box::new(trial)), shape, client);
        let take = async |id: u32, name: &str, hash: &str| {
            let record = json!({ "id": id, "name": name, "hash": hash });
            taker.take(record.as_object().unwrap()).await.unwrap().outcome.unwrap()
        };
        assert_eq!(take(1, "annabel", HASH).await, Imported::New);
        assert_eq!(take(1, "annabel", HASH).await, Imported::AlreadyThere);
        let namesake = take(2, "annabel", HASH).await;
        assert!(matches!(namesake, Imported::Refused(_)), "{namesake:?}");
        let bad = take(3, "bartholomew", "plain-text-of-his").await;
        assert!(matches!(bad, Imported::WithoutPassword(_)), "{bad:?}");
        let again = take(3, "bartholomew", "plain-text-of-his").await;
        assert!(matches!(again, Imported::StillWithoutPassword(_)), "{again:?}");
        let files = fs::read_dir(&folder).unwrap().map(|file| fs::read(file.unwrap().path()).unwrap());
        let files: Vec<_> = files.collect();
        let holds =
            |text: &str| files.iter().any(|file| file.windows(text.len()).any(|at| at == text.as_bytes()));
        assert!(holds("annabel"), "these are the files of the scratch store");
        assert!(!holds(HASH) && !holds("plain-text-of-his"));
        drop(taker);
        assert!(!folder.exists());
    }
}
