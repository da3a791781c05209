//! Hands a record to the engine: for good, or to hear what it would say.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use futures_util::future::join_all;
use sprag::account::NameKind;
use sprag::clock::Timestamp;
use sprag::engine::{ClientPolicy, Imported, ImportedUser, NameKept, Run, SameNames, SlowHashes};
use sprag::{Engine, Fault, FaultKind};
use tokio::sync::Mutex;

use super::hash_form::HashForm;
use super::optional_fields;
use super::reader::Feed;
use super::record::Record;
use super::revoked_tokens::RevokedTokens;
use super::row::{self, Reason, Session, User};
use super::same_names::{Keepers, Keeps};
use crate::shape::{ImportField, ImportKind, TableShape};

mod trial;

pub use trial::Trial;

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
    form: HashForm,
    keepers: Keepers,
    import: OneImport,
    over: RevokedTokens,
}

/// What holds for all rows of one import.
#[derive(Default)]
struct OneImport {
    run: Run,
    slow: SlowHashes,
    same: SameNames,
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
    /// Whether it has no password in the source system either.
    pub(super) has_no_password: bool,
}

impl Taken {
    pub(super) fn refused(reason: Reason) -> Self {
        Self { outcome: Some(Imported::Refused(reason)), left_out: Vec::new(), has_no_password: false }
    }

    /// One that was told before, and of which something was left out since.
    pub(super) fn before(left_out: Option<Reason>) -> Self {
        Self { outcome: None, left_out: left_out.into_iter().collect(), has_no_password: false }
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

impl Taker {
    /// Takes users or sessions in, on the terms of the profile that takes the place of the system they come from.
    #[must_use]
    pub fn of(kind: ImportKind, mode: Mode, shape: TableShape, client: ClientPolicy) -> Self {
        let (import, over) = (OneImport::default(), RevokedTokens::default());
        Self {
            mode,
            kind,
            shape,
            client,
            turns: turns(),
            form: HashForm::Told,
            keepers: Keepers::default(),
            import,
            over,
        }
    }

    /// Answers otherwise to password hashes that are slow on this machine. By default they are left out.
    #[must_use]
    pub fn slow_hashes(mut self, slow: SlowHashes) -> Self {
        self.import.slow = slow;
        self
    }

    /// Says who keeps a name that several users have. Where that cannot be told before all are known, `first` is the source,
    /// read once before.
    ///
    /// # Errors
    /// The source cannot be read.
    pub async fn same_names(mut self, keeps: &Keeps, first: Option<Feed>) -> anyhow::Result<Self> {
        self.import.same = if *keeps == Keeps::Refused { SameNames::Refused } else { SameNames::LeftOut };
        if let Some(feed) = first {
            self.keepers =
                Keepers::of(keeps, feed, |item| self.user(item.record.as_ref().ok()?).ok()).await?;
        }
        Ok(self)
    }

    /// What a user is called there.
    pub(super) fn name_of(&self, record: &Record, told_as: NameKind) -> Option<String> {
        let user = self.user(record).ok()?;
        let user = user.imported();
        let name = if told_as == NameKind::Email { user.email.or(user.username) } else { user.username };
        name.map(str::to_owned)
    }

    /// The user that a record is, with all that is known of it.
    fn user(&self, record: &Record) -> Result<User, Reason> {
        let (shape, _) = optional_fields::fitting(record, &self.shape);
        let mut user = User::read(record, &shape, &self.form)?;
        user.left_to_others = self.keepers.left_to_others(&user);
        Ok(user)
    }

    /// Says what does not stand in the password hashes of the source.
    #[must_use]
    pub fn hash_form(mut self, form: HashForm) -> Self {
        self.form = form;
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
        match self.user(record) {
            Ok(user) if !user.is_named_like_an_address() => Waits::Nothing,
            Ok(user) if user.has_an_address() => Waits::ItsUserName,
            Ok(_) => Waits::All,
            Err(_) => Waits::Nothing,
        }
    }

    /// Has the user name that waited lead to its user, if it leads to nobody else.
    pub(super) async fn claim_user_name(&self, record: &Record) -> Result<Option<Reason>, Fault> {
        let Ok(user) = self.user(record) else { return Ok(None) };
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
            ImportKind::Users => self.user(record).map(Row::User),
            ImportKind::Sessions => Session::read(record, &shape).map(Row::Session),
        };
        let row = match read {
            Ok(row) => row,
            Err(reason) => return Ok(Taken::refused(reason)),
        };
        let has_no_password = matches!(&row, Row::User(user) if user.has_no_password());
        let turns = row.turns(&self.client);
        let turns = join_all(turns.into_iter().map(|turn| self.turns[turn].lock()));
        // It must get into all lines at once, so it is never told to come back later.
        let _turns = tokio::task::unconstrained(turns).await;
        let outcome = if self.has_twin_that_is_over(&row)? {
            Imported::Over("another line there has its token, and is over")
        } else {
            self.take_row(&row).await?
        };
        Ok(Taken { outcome: Some(outcome), left_out, has_no_password })
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
    /// and of two users with one name the first shall have it. A row gets into all its lines before another is looked at,
    /// so no two wait for each other.
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
            Self::User(user) => {
                let imports = engine.imports().slow_hashes(import.slow).same_names(import.same);
                imports.user(client, user.imported()).await
            }
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
                let imports = engine.imports().slow_hashes(import.slow).same_names(import.same);
                imports.preview_user(client, user.imported()).await
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

    /// A user who leaves to others of the source no more names than these.
    fn leaving(mut self, kept: &[NameKept]) -> Self {
        if let Self::User(user) = &mut self {
            user.left_to_others.retain(|name| kept.contains(name));
        }
        self
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
