//! The people and things the checks are about.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Subject;
use super::commits::{NewAccount, Opened, Opening, PasswordChange, TokenBinding, alone};
use crate::account::{Account, Name};
use crate::audit::{Entry, Event, EventKind};
use crate::clock::Timestamp;
use crate::error::Fault;
use crate::policy::Policy;
use crate::random::{self, Random as _, SeededRandom};
use crate::ratchet::{Moment, Presented, Retried, Rotation, SessionState};
use crate::session::{AccountId, EndCause, ProfileId, Session, SessionDetail, SessionId, SessionKey};
use crate::store::{Commit, Committed, Ending, Expect, Slice, Step, Store, Was};

/// The moment at which everything happens unless a check says otherwise.
pub(super) const NOW: Timestamp = Timestamp(1_800_000_000_000);

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const DAY: Duration = Duration::from_secs(24 * 3600);

/// The profile every session is of unless a check says otherwise.
pub(super) const PROFILE: ProfileId = ProfileId(7);

/// A store with people in it.
pub(super) struct World {
    subject: Arc<dyn Subject>,
    random: SeededRandom,
    made: AtomicU64,
}

impl World {
    pub(super) fn of(subject: Arc<dyn Subject>) -> Arc<Self> {
        Arc::new(Self { subject, random: SeededRandom::new(1), made: AtomicU64::new(0) })
    }

    pub(super) fn store(&self) -> &dyn Store {
        self.subject.store()
    }

    pub(super) fn subject(&self) -> &dyn Subject {
        &*self.subject
    }

    pub(super) fn random(&self) -> &SeededRandom {
        &self.random
    }

    /// A number below `bound`.
    pub(super) fn pick(&self, bound: u64) -> u64 {
        u64::from_be_bytes(random::bytes(&self.random)) % bound
    }

    pub(super) fn one_of<T: Copy>(&self, values: &[T]) -> T {
        values[usize::try_from(self.pick(values.len() as u64)).expect("an index fits")]
    }

    /// An id younger than all before it.
    pub(super) fn id(&self) -> uuid::Uuid {
        let made = self.made.fetch_add(1, Ordering::Relaxed);
        random::id(&self.random, NOW.plus(Duration::from_millis(made)))
    }

    /// An account that is about to be made under a user name of its own.
    pub(super) fn stranger(&self) -> NewAccount {
        let id = AccountId(self.id());
        let username = format!("person-{id}");
        NewAccount {
            names: vec![Name::username(&username).expect("this is a user name")],
            account: Account { username: Some(username), ..Account::new(id, NOW) },
            password_hash: Some(format!("hash of {id}")),
            event: event(id, EventKind::AccountCreated),
        }
    }

    /// An account that has been made.
    pub(super) async fn person(&self) -> Account {
        let stranger = self.stranger();
        let account = stranger.account.clone();
        assert!(self.create(stranger).await.expect("create"), "a new name is free");
        account
    }

    /// A fresh session of an account, not opened yet.
    pub(super) fn session(&self, account: &Account) -> Session {
        let mut secret_hash = [0; 32];
        self.random.fill(&mut secret_hash);
        let key = SessionKey { account: account.id, session: SessionId(self.id()) };
        let policy = Policy { idle_timeout: DAY, absolute_lifetime: 30 * DAY, ..Policy::default() };
        let begun = Session::begun(key, PROFILE, secret_hash, account.epoch, &policy, NOW);
        Session { instance_hash: [1; 16], ..begun }
    }

    /// A session that has been opened.
    pub(super) async fn log_in(&self, account: &Account) -> Session {
        let session = self.session(account);
        self.put(session.clone()).await;
        session
    }

    /// Puts a row as it is, whatever it says: an opening checks only the account.
    pub(super) async fn put(&self, session: Session) {
        let opened = self.open(opening(session)).await.expect("open");
        assert_eq!(opened, Opened::Open, "the account stands as the session says");
    }

    pub(super) async fn state(&self, key: SessionKey) -> SessionState {
        self.store().find(key).await.expect("find").expect("the session is there")
    }

    pub(super) async fn cause(&self, key: SessionKey) -> Option<EndCause> {
        self.state(key).await.session.ended.map(|ended| ended.cause)
    }

    /// An account's whole chain, oldest first, checked link by link.
    pub(super) async fn chain(&self, account: AccountId) -> Vec<Entry> {
        let mut entries = self.store().entries_of(account, Slice::first(100_000)).await.expect("entries_of");
        entries.reverse();
        let mut previous = crate::audit::CHAIN_START;
        for (entry, number) in entries.iter().zip(1..) {
            assert_eq!(entry.number, number, "entries are numbered without a gap");
            assert_eq!(entry.previous, previous, "entry {number} names the one before it");
            assert!(entry.is_intact(), "entry {number} hashes to its hash");
            previous = entry.hash;
        }
        entries
    }

    /// What an account's journal says of ended sessions: which, and why.
    pub(super) async fn ends(&self, account: AccountId) -> Vec<(SessionId, EndCause)> {
        let chain = self.chain(account).await;
        let ended = chain.iter().filter(|entry| entry.event.kind == EventKind::SessionEnded);
        ended.filter_map(|entry| entry.event.session.zip(entry.event.cause)).collect()
    }
}

/// The commits that the checks ask for again and again.
impl World {
    async fn is_done(&self, commit: Commit) -> Result<bool, Fault> {
        Ok(self.store().commit(commit).await?.is_done())
    }

    /// `false` if one of its names is taken.
    pub(super) async fn create(&self, new: NewAccount) -> Result<bool, Fault> {
        match self.store().commit(new.commit()).await? {
            Committed::Done { .. } => Ok(true),
            Committed::Missed { step } if step > 0 => Ok(false),
            committed => panic!("an account of a new id is made, or its name is taken: {committed:?}"),
        }
    }

    pub(super) async fn open(&self, opening: Opening) -> Result<Opened, Fault> {
        match self.store().commit(opening.commit()).await? {
            Committed::Done { .. } => Ok(Opened::Open),
            Committed::AccountMoved => Ok(Opened::AccountMoved),
            committed => panic!("the id of the session is new: {committed:?}"),
        }
    }

    pub(super) async fn end(&self, key: SessionKey, ending: Ending) -> Result<bool, Fault> {
        let step = Step::EndSession { session: key.session, ending };
        self.is_done(alone(key.account, step, None)).await
    }

    pub(super) async fn end_all(
        &self,
        account: AccountId,
        except: Option<SessionId>,
        ending: Ending,
    ) -> Result<u64, Fault> {
        let step = Step::EndSessions { except, with: None, ending };
        match self.store().commit(alone(account, step, None)).await? {
            Committed::Done { ended } => Ok(ended),
            committed => panic!("ending all that live always applies: {committed:?}"),
        }
    }

    /// As the engine disables an account: its epoch moves and its sessions end.
    pub(super) async fn disable(&self, account: AccountId, event: Event) -> Result<bool, Fault> {
        let ending = Ending::along_with(&event, EndCause::Disabled);
        let end_all = Step::EndSessions { except: None, with: None, ending };
        let steps = vec![Step::Disable { at: event.at }, Step::MoveEpoch, end_all];
        let commit = Commit { account, expect: Expect::Anything, steps, events: vec![event] };
        self.is_done(commit).await
    }

    pub(super) async fn enable(&self, account: AccountId, event: Event) -> Result<bool, Fault> {
        self.is_done(alone(account, Step::Enable, Some(event))).await
    }

    pub(super) async fn change_password(&self, change: PasswordChange) -> Result<bool, Fault> {
        self.is_done(change.commit()).await
    }

    /// Puts a hash in the place of another, or of none.
    pub(super) async fn rehash(
        &self,
        account: AccountId,
        old: Option<&str>,
        new: &str,
        event: Option<Event>,
    ) -> Result<bool, Fault> {
        let was = old.map_or(Was::Missing, |old| Was::This(old.as_bytes().to_vec()));
        self.is_done(alone(account, Step::put_password(was, new.to_owned(), NOW), event)).await
    }

    pub(super) async fn bind_imported_token(&self, binding: TokenBinding) -> Result<bool, Fault> {
        let TokenBinding { key, from, to } = binding;
        let step = Step::BindImportedToken { session: key.session, from, to };
        self.is_done(alone(key.account, step, None)).await
    }
}

pub(super) fn event(account: AccountId, kind: EventKind) -> Event {
    Event { account, at: NOW, kind, session: None, cause: None, ip: None, user_agent: None, note: None }
}

pub(super) fn opening(session: Session) -> Opening {
    let mut event = event(session.key.account, EventKind::SessionOpened);
    event.session = Some(session.key.session);
    event.ip = Some("192.0.2.1".to_owned());
    event.user_agent = Some("Browser/1".to_owned());
    let detail = SessionDetail {
        ip: Some("192.0.2.1".to_owned()),
        user_agent: Some("Browser/1".to_owned()),
        device: Some("Ann's telephone".to_owned()),
        ended_ip: None,
    };
    Opening { session, detail, replaces: None, most: 1000, spares_the_rest: false, event }
}

pub(super) fn ending(cause: EndCause) -> Ending {
    Ending {
        cause,
        at: NOW.plus(SECOND),
        ip: Some("192.0.2.9".to_owned()),
        user_agent: Some("Browser/2".to_owned()),
        note: None,
    }
}

/// The token that a session's client holds.
pub(super) fn token(session: &Session) -> Presented {
    Presented {
        key: session.key,
        profile: session.profile,
        generation: session.generation,
        secret_hash: session.secret_hash,
        retry_hash: None,
        instance_hash: [2; 16],
    }
}

/// The rotation that a session's newest token asks for.
pub(super) fn rotation(session: &Session, at: Timestamp) -> Rotation {
    let policy = Policy::default();
    let moment = Moment::uninterrupted(at, policy.reuse_interval);
    Rotation::optimistic(&token(session), moment, &policy).expect("the generation is not the last")
}

/// The retry that a session's spent token asks for.
pub(super) fn retried(session: &Session, at: Timestamp) -> Retried {
    Retried {
        key: session.key,
        profile: session.profile,
        secret_hash: session.secret_hash,
        generation: session.generation,
        at,
        streak: None,
        contests: false,
    }
}
