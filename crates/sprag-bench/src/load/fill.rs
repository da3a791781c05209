//! Sessions made straight in the configured store, beside the running server.
//!
//! They belong to accounts that this generator makes for them, which have no password: nobody can log in there. Accounts of people are left alone.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use sprag::Engine;
use sprag::account::{Account, Name};
use sprag::audit::{Event, EventKind};
use sprag::clock::Timestamp;
use sprag::error::Fault;
use sprag::random::{self, SystemRandom};
use sprag::session::{AccountId, Epoch, Session, SessionDetail, SessionId, SessionKey};
use sprag::store::{Commit, Committed, Expect, Slice, Step, Sweep};
use sprag::token::{Encoding, RefreshToken};
use sprag_server::profile::{self, Profile};
use tokio::task::JoinSet;

use super::driver::LiveSession;
use super::load_profile::LoadProfile;
use super::progress::Progress;

/// How many sessions each account gets.
const PER_ACCOUNT: u64 = 10;

/// How many writes wait at once, so that the store commits them in groups.
const WIDTH: usize = 256;

/// How many accounts are read at a time.
const SLICE_ROWS: u32 = 1000;

/// How many sessions are counted at a time.
const COUNTED_ROWS: u32 = 10_000;

/// What the user name of every account made here begins with.
const NAME_PREFIX: &str = "sprag-load-";

/// What was made.
pub(crate) struct Filled {
    /// Live sessions, evenly over the whole range of keys.
    pub(crate) live: Vec<LiveSession>,
    /// How many sessions the store holds now, if they were counted.
    pub(crate) stored: Option<u64>,
}

/// Fills the store up to `stored` sessions in total, if that is asked for, and opens `live` of them to be refreshed.
///
/// What is there already counts, so filling that was interrupted goes on where it stopped.
pub(crate) async fn fill(
    engine: &Arc<Engine>,
    profile: &LoadProfile,
    live: u64,
    stored: Option<u64>,
) -> anyhow::Result<Filled> {
    let maker = Arc::new(Maker { engine: Arc::clone(engine), profile: profile.profile.clone() });
    let mut found = survey(engine, stored.is_some()).await?;
    let missing = stored.map_or(0, |stored| stored.saturating_sub(found.sessions + live));
    let mut accounts = found.own_accounts;
    accounts.extend(make_full_accounts(&maker, missing).await?);
    found.sessions += missing;
    let too_few = live.div_ceil(PER_ACCOUNT).saturating_sub(accounts.len() as u64);
    accounts.extend(make_accounts(&maker, too_few).await?);
    accounts.sort_unstable();
    let opened = open_evenly(&maker, &accounts, live).await?;
    Ok(Filled { live: opened, stored: stored.map(|_| found.sessions + live) })
}

/// What a store holds.
#[derive(Default)]
struct Survey {
    own_accounts: Vec<AccountId>,
    sessions: u64,
}

async fn survey(engine: &Engine, counts_sessions: bool) -> Result<Survey, Fault> {
    let mut survey = Survey::default();
    if counts_sessions {
        survey.sessions = count_sessions(engine).await?;
    }
    let mut after = None;
    loop {
        let accounts = engine.store().accounts(Slice::after(after, SLICE_ROWS)).await?;
        for account in &accounts {
            if account.username.as_ref().is_some_and(|name| name.starts_with(NAME_PREFIX)) {
                survey.own_accounts.push(account.id);
            }
        }
        after = accounts.last().map(|account| account.id);
        if accounts.len() < SLICE_ROWS as usize {
            return Ok(survey);
        }
    }
}

/// Goes over all sessions by sweeping as of the beginning of time, when nothing had expired or ended: that changes
/// nothing and says how many it has seen.
async fn count_sessions(engine: &Engine) -> Result<u64, Fault> {
    let mut progress = Progress::new("counting sessions", 0);
    let slice = Slice::first(COUNTED_ROWS);
    let mut sweep = Sweep { slice, now: Timestamp(i64::MIN), keep_ended: Duration::ZERO };
    let mut count = 0;
    loop {
        let swept = engine.store().sweep(sweep).await?;
        count += swept.seen;
        progress.at(count);
        sweep.slice.after = swept.next;
        if swept.next.is_none() {
            return Ok(count);
        }
    }
}

/// Makes accounts with [`PER_ACCOUNT`] sessions each, `sessions` in all.
async fn make_full_accounts(maker: &Arc<Maker>, sessions: u64) -> anyhow::Result<Vec<AccountId>> {
    let mut progress = Progress::new("filling the store", sessions);
    let job = |index: u64| {
        let maker = Arc::clone(maker);
        let count = PER_ACCOUNT.min(sessions - index * PER_ACCOUNT);
        async move {
            let account = maker.make_account().await?;
            for _ in 0..count {
                maker.open_session(account).await?;
            }
            anyhow::Ok(account)
        }
    };
    in_parallel(sessions.div_ceil(PER_ACCOUNT), job, |done| progress.at(done * PER_ACCOUNT)).await
}

async fn make_accounts(maker: &Arc<Maker>, count: u64) -> anyhow::Result<Vec<AccountId>> {
    let job = |_| {
        let maker = Arc::clone(maker);
        async move { maker.make_account().await }
    };
    in_parallel(count, job, |_| {}).await
}

/// Opens `count` sessions whose keys lie at even distances over all `accounts`, which are in order.
async fn open_evenly(
    maker: &Arc<Maker>,
    accounts: &[AccountId],
    count: u64,
) -> anyhow::Result<Vec<LiveSession>> {
    let mut progress = Progress::new("opening sessions", count);
    let job = |index: u64| {
        let maker = Arc::clone(maker);
        let account = accounts[evenly(index, count, accounts.len())];
        async move { Ok(maker.write(&maker.open_session(account).await?)) }
    };
    in_parallel(count, job, |done| progress.at(done)).await
}

/// The place among `places` of item `index` of `count`, so that the items lie at even distances.
fn evenly(index: u64, count: u64, places: usize) -> usize {
    let place = u128::from(index) * places as u128 / u128::from(count.max(1));
    usize::try_from(place).unwrap_or(usize::MAX).min(places.saturating_sub(1))
}

/// Runs `count` jobs, [`WIDTH`] at a time, and tells how many are done.
async fn in_parallel<T, F>(
    count: u64,
    job: impl Fn(u64) -> F,
    mut tell: impl FnMut(u64),
) -> anyhow::Result<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = anyhow::Result<T>> + Send + 'static,
{
    let mut results = Vec::new();
    let mut running = JoinSet::new();
    let mut jobs = 0..count;
    loop {
        while running.len() < WIDTH
            && let Some(index) = jobs.next()
        {
            running.spawn(job(index));
        }
        let Some(done) = running.join_next().await else { return Ok(results) };
        results.push(done.context("filling the store panicked")??);
        tell(results.len() as u64);
    }
}

/// Makes accounts and sessions as the engine does, but for people that do not exist.
struct Maker {
    engine: Arc<Engine>,
    profile: Profile,
}

impl Maker {
    async fn make_account(&self) -> anyhow::Result<AccountId> {
        let now = self.engine.now();
        let id = AccountId(random::id(&SystemRandom::default(), now));
        let username = format!("{NAME_PREFIX}{}", id.0.simple());
        let name = Name::username(&username).context("the name of an account for load is refused")?;
        let account = Account { username: Some(username), ..Account::new(id, now) };
        let commit = Commit {
            account: id,
            expect: Expect::Anything,
            steps: vec![Step::CreateAccount(Box::new(account)), Step::AddName(name)],
            events: vec![self.event(id, EventKind::AccountCreated, None)],
        };
        let made = self.engine.store().commit(commit).await.context("could not make an account for load")?;
        if !made.is_done() {
            bail!("an account for load has a name that is taken");
        }
        Ok(id)
    }

    async fn open_session(&self, account: AccountId) -> anyhow::Result<RefreshToken> {
        let (random, now) = (SystemRandom::default(), self.engine.now());
        let key = SessionKey { account, session: SessionId(random::id(&random, now)) };
        let token = RefreshToken::first(self.profile.client.id, key, &random);
        let policy = &self.profile.policy;
        let session = Session::begun(key, self.profile.client.id, token.secret_hash(), Epoch(0), policy, now);
        let detail = SessionDetail { device: Some("sprag load".into()), ..SessionDetail::default() };
        let commit = Commit {
            account,
            expect: Expect::Standing(session.epoch),
            steps: vec![Step::OpenSession { session: Box::new(session), detail }],
            events: vec![self.event(account, EventKind::SessionOpened, Some(key.session))],
        };
        match self.engine.store().commit(commit).await.context("could not open a session for load")? {
            Committed::Done { .. } => Ok(token),
            Committed::AccountMoved | Committed::Missed { .. } => {
                bail!("an account for load was changed meanwhile; let it be and run again")
            }
        }
    }

    fn write(&self, token: &RefreshToken) -> LiveSession {
        let encoding = match self.profile.client.encoding {
            profile::Encoding::Opaque => Encoding::Opaque,
            profile::Encoding::Jwt => Encoding::Jwt,
        };
        let text = token.encode(encoding, &self.engine.keys(), self.engine.now());
        LiveSession::new(text.as_str().as_bytes())
    }

    fn event(&self, account: AccountId, kind: EventKind, session: Option<SessionId>) -> Event {
        Event {
            account,
            at: self.engine.now(),
            kind,
            session,
            cause: None,
            ip: None,
            user_agent: Some("sprag load".into()),
            note: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_sessions_lie_at_even_distances_over_all_accounts() {
        let places: Vec<_> = (0..4).map(|index| evenly(index, 4, 1000)).collect();
        assert_eq!(places, [0, 250, 500, 750]);
        let crowded: Vec<_> = (0..6).map(|index| evenly(index, 6, 3)).collect();
        assert_eq!(crowded, [0, 0, 1, 1, 2, 2]);
        assert_eq!(evenly(0, 0, 0), 0);
    }

    #[tokio::test]
    async fn jobs_all_run_and_a_failure_is_told() {
        let done = in_parallel(1000, |index| async move { Ok(index) }, |_| {}).await.unwrap();
        assert_eq!(done.iter().sum::<u64>(), 499_500);
        let failed =
            in_parallel(10, |index| async move { if index == 7 { bail!("no") } else { Ok(()) } }, |_| {});
        assert_eq!(failed.await.unwrap_err().to_string(), "no");
    }

    #[tokio::test]
    async fn a_store_is_filled_up_to_the_number_asked_for_and_no_further() {
        let engine = Arc::new(engine());
        let profile = profile();
        let filled = fill(&engine, &profile, 10, Some(57)).await.unwrap();
        assert_eq!((filled.live.len(), filled.stored), (10, Some(57)));
        assert_eq!(survey(&engine, true).await.unwrap().sessions, 57);
        let again = fill(&engine, &profile, 3, Some(57)).await.unwrap();
        assert_eq!((again.live.len(), again.stored), (3, Some(60)), "what is there counts");
        assert_eq!(survey(&engine, true).await.unwrap().sessions, 60);
    }

    #[tokio::test]
    async fn accounts_of_people_are_left_alone() {
        let engine = Arc::new(engine());
        let user = sprag::engine::NewUser {
            username: Some("ann"),
            password: Some("correct horse battery"),
            ..Default::default()
        };
        let nobody = sprag::engine::Requester::nobody();
        let ann = engine.accounts().create(user, &nobody).await.unwrap();
        let profile = profile();
        fill(&engine, &profile, 30, None).await.unwrap();
        assert_eq!(engine.sessions().of(ann.id).await.unwrap(), []);
        assert_eq!(survey(&engine, true).await.unwrap().own_accounts.len(), 3);
    }

    fn profile() -> LoadProfile {
        let shipped = profile::builtin_names().map(|name| Profile::builtin(name).unwrap().unwrap());
        LoadProfile::pick(shipped.collect()).unwrap()
    }

    fn engine() -> Engine {
        use sprag::clock::{Clock as _, SystemClock};
        use sprag::{keys::KeyRing, password::Hasher, store::memory::MemoryStore};
        let random = SystemRandom::default();
        let keys = KeyRing::generate(sprag::access::Algorithm::Es256, &random, SystemClock.now()).unwrap();
        let engine = Engine::builder(Arc::new(MemoryStore::default())).keys(keys).issuer("http://localhost");
        engine.hasher(Hasher::start(1, 4).unwrap()).build().unwrap()
    }
}
