//! A world for a story: a server without sockets, its store, a clock wound by hand, and ways to look behind it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use http_body_util::BodyExt as _;
use rusqlite::Connection;
use sprag::Engine;
use sprag::access::Algorithm;
use sprag::audit::{Entry, Severity};
use sprag::clock::{Clock as _, HandClock, Timestamp};
use sprag::engine::{Limits, Outcome, PasswordRules};
use sprag::hooks::Hooks;
use sprag::keys::KeyRing;
use sprag::letter::{Letter, LetterKind};
use sprag::limits::Rates;
use sprag::passkeys::Passkeys;
use sprag::password::{Breaches, Hasher};
use sprag::random::SystemRandom;
use sprag::risk::RiskPolicy;
use sprag::session::{AccountId, Session, SessionId, SessionKey};
use sprag::store::sqlite::{Settings, SqliteStore};
use sprag::store::{Slice, Store};
use sprag_server::edge::proxies::Proxies;
use sprag_server::edge::refresh_limits::{RefreshLimits, RefreshRates};
use sprag_server::http::{App, router};
use sprag_server::metrics::Metrics;
use sprag_server::places::Places;
use sprag_server::profile::{Profile, check_together};
use tempfile::TempDir;
use tower::ServiceExt as _;

use crate::call::{Answer, Call};
use crate::seam::Seam;

/// When every story begins: noon, 1 July 2026.
pub const BEGINNING: Timestamp = Timestamp(1_782_907_200_000);

/// W of our profile, in seconds.
pub const W: u64 = 30;

/// The origin of the server's own site.
pub const ORIGIN: &str = "https://auth.example.org";

/// A story takes as long as it takes: a slow disk must not turn into answers that it does not tell of.
const PATIENCE: Duration = Duration::from_secs(60);

const DAY: u64 = 24 * 3600;

pub fn days(days: u64) -> u64 {
    days * DAY
}

/// What a world is built from, where the usual will not do.
pub struct Plan {
    pub profiles: Vec<Profile>,
    pub hash_queue: usize,
    pub sessions_per_account: u32,
    /// The secret that another system's APIs verify with; without one, keys are made.
    pub hs256_secret: Option<String>,
    /// Other sites whose pages may call.
    pub other_origins: Vec<String>,
    /// Other sites whose pages may use passkeys.
    pub passkey_origins: Vec<String>,
    /// Who is believed about where a request comes from.
    pub proxies: Proxies,
    /// How log-ins are weighed, if they are.
    pub risk: Option<RiskPolicy>,
    /// What is known of addresses.
    pub places: Places,
    /// How often sessions and networks may refresh; not limited without them.
    pub refresh_rates: Option<RefreshRates>,
    /// How many zeros a challenge asks for; without it there are none.
    pub proof_of_work: Option<u8>,
    /// How often somebody may try; nothing is limited unless a story is about that.
    pub rates: Rates,
    /// Whether accounts know their devices.
    pub knows_devices: bool,
    /// For how long a device is not asked for a second factor; `None` where it is always asked.
    pub remember_for: Option<Duration>,
    /// Whoever knows which passwords were stolen, if anybody is asked.
    pub breaches: Option<Arc<dyn Breaches>>,
    /// What our profile has other systems asked.
    pub hooks: Hooks,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            profiles: vec![our_profile(&[])],
            hash_queue: 64,
            sessions_per_account: 100,
            hs256_secret: None,
            other_origins: Vec::new(),
            passkey_origins: Vec::new(),
            proxies: Proxies::default(),
            risk: None,
            places: Places::default(),
            refresh_rates: None,
            proof_of_work: None,
            rates: Rates::off(),
            knows_devices: false,
            remember_for: Some(Duration::from_secs(days(30))),
            breaches: None,
            hooks: Hooks::default(),
        }
    }
}

/// A server and everything around it.
pub struct World {
    hooks: Hooks,
    pub clock: Arc<HandClock>,
    pub seam: Arc<Seam>,
    pub engine: Arc<Engine>,
    pub folder: TempDir,
    /// Every token and cookie that was ever handed out.
    pub handed_out: Mutex<Vec<String>>,
    router: Router,
    profiles: Vec<Profile>,
    other_origins: Vec<String>,
    proxies: Proxies,
    places: Arc<Places>,
    refresh_rates: Option<RefreshRates>,
    proof_of_work: Option<u8>,
    knows_devices: bool,
    database: PathBuf,
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

impl World {
    /// A world with our own profile, as it is shipped.
    pub fn new() -> Self {
        Self::planned(Plan::default())
    }

    /// A world with our own profile, some lines of it changed.
    pub fn with(changes: &[(&str, &str)]) -> Self {
        Self::planned(Plan { profiles: vec![our_profile(changes)], ..Plan::default() })
    }

    pub fn planned(plan: Plan) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("sprag.db");
        let seam = Arc::new(Seam::over(open_store(&database)));
        let clock = Arc::new(HandClock::at(BEGINNING));
        let mut keys =
            KeyRing::generate(Algorithm::Es256, &SystemRandom::default(), BEGINNING).expect("keys");
        if let Some(secret) = &plan.hs256_secret {
            keys.with_hs256_secret(secret.as_bytes()).expect("a secret that is not weak");
        }
        let engine = Engine::builder(Arc::clone(&seam) as Arc<dyn Store>).clock(Arc::clone(&clock) as _);
        let engine = engine.keys(keys).issuer(ORIGIN).audience("sprag-stories").sends_letters(true);
        let passkeys =
            Passkeys::new(ORIGIN, None, &plan.passkey_origins, "Example").expect("sites with names");
        let engine = engine
            .passkeys(Some(passkeys))
            .hasher(Hasher::start(1, plan.hash_queue).expect("a thread").failing_at_once());
        let limits = Limits { sessions_per_account: plan.sessions_per_account };
        check_together(&plan.profiles).expect("profiles that go together");
        let rules = PasswordRules { breaches: plan.breaches.clone(), ..PasswordRules::default() };
        let engine = engine.passwords(rules);
        let Plan { profiles, other_origins, proxies, places, risk, knows_devices, rates, hooks, .. } = plan;
        let (refresh_rates, proof_of_work) = (plan.refresh_rates, plan.proof_of_work);
        let engine = engine.remembers_devices_for(plan.remember_for);
        let places = Arc::new(places);
        let engine = engine.limits(limits).rates(rates).whereabouts(Arc::clone(&places) as _);
        let engine = if let Some(risk) = risk { engine.risk(risk) } else { engine };
        let engine = Arc::new(engine.build().expect("an engine"));
        let mut world = Self {
            clock,
            seam,
            engine,
            folder,
            handed_out: Mutex::default(),
            router: Router::new(),
            profiles,
            other_origins,
            proxies,
            places,
            knows_devices,
            hooks,
            refresh_rates,
            proof_of_work,
            database,
        };
        world.is_served_by_another_node();
        world
    }

    /// From now on a node answers that has only begun: it knows what is in the store and no more.
    pub fn is_served_by_another_node(&mut self) {
        self.router = self.served_within(PATIENCE);
    }

    fn served_within(&self, deadline: Duration) -> Router {
        let app = App::new(Arc::clone(&self.engine), Arc::new(Metrics::default()), ORIGIN.to_owned());
        let limits = self.refresh_rates.map(|budgets| Arc::new(RefreshLimits::new(budgets)));
        let app = app.called_from(self.other_origins.clone()).behind(self.proxies.clone());
        let app = app.limiting_refreshes(limits).handing_out_challenges(self.proof_of_work);
        let app = app.showing_pages("Example").asking("sprag", self.hooks.clone());
        let mut app = app.knowing(Arc::clone(&self.places)).knowing_devices(self.knows_devices);
        app.deadline = deadline;
        router(&Arc::new(app), self.profiles.clone(), ORIGIN)
    }

    /// From now on what is not done is given up almost at once.
    pub fn loses_patience(&mut self) {
        self.router = self.served_within(Duration::from_millis(5));
    }

    /// Sends a request and checks nothing: profiles differ in what they answer.
    pub async fn is_asked(&self, call: Call) -> Answer {
        ask(self.router.clone(), call).await
    }

    /// Sends a request and checks what holds for every answer.
    pub async fn sends(&self, call: Call) -> Answer {
        let answer = self.is_asked(call).await;
        answer.check();
        let cookies = answer.set_cookies().into_iter().filter_map(|cookie| {
            let (_, rest) = cookie.split_once('=')?;
            Some(rest.split(';').next().unwrap_or_default().to_owned())
        });
        let tokens = [answer.access_token(), answer.refresh_token()].into_iter().chain(cookies);
        let mut handed_out = self.handed_out.lock().expect("no test panics here");
        handed_out.extend(tokens.filter(|token| !token.is_empty()));
        drop(handed_out);
        answer
    }

    /// Sends a request later, for an interlude, and expects that status.
    pub fn later(&self, call: Call, status: u16) -> impl Future<Output = ()> + Send + 'static {
        let router = self.router.clone();
        async move {
            ask(router, call).await.is(status);
        }
    }

    pub fn winds(&self, seconds: u64) {
        self.clock.wind(Duration::from_secs(seconds));
    }

    pub fn winds_back(&self, seconds: u64) {
        self.clock.wind_back(Duration::from_secs(seconds));
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The key ring, as whoever stole it would have it.
    pub fn stolen_ring(&self) -> KeyRing {
        KeyRing::from_json(&self.engine.keys().to_json()).expect("the ring's own text")
    }

    /// Changes the ring in force, as a node does that reads the file again.
    pub fn changes_keys(&self, change: impl FnOnce(&mut KeyRing)) {
        let mut ring = self.stolen_ring();
        change(&mut ring);
        self.engine.upkeep().replace_keys(ring);
    }

    pub async fn row(&self, id: SessionId) -> Session {
        let found = self.seam.store().named(id).await.expect("a store that works");
        found.expect("a session of that id").0
    }

    /// All sessions of an account, ended ones too, oldest first.
    pub async fn rows(&self, account: AccountId) -> Vec<Session> {
        let rows = self.seam.store().of(account, Slice::first(1000)).await.expect("a store that works");
        rows.into_iter().map(|(session, _)| session).collect()
    }

    pub async fn entries(&self, account: AccountId) -> Vec<Entry> {
        let mut entries =
            self.seam.store().entries_of(account, Slice::first(1000)).await.expect("a store that works");
        entries.reverse();
        assert!(entries.iter().all(Entry::is_intact), "the chain is whole");
        entries
    }

    /// An account's journal, oldest first: `session_opened`, `critical session_ended reuse`, ….
    pub async fn journal(&self, account: AccountId) -> Vec<String> {
        self.entries(account).await.iter().map(in_words).collect()
    }

    /// Everything the store holds, as one text.
    pub async fn dump(&self) -> String {
        let store = self.seam.store();
        let mut dump = String::new();
        for account in store.accounts(Slice::first(1000)).await.expect("a store that works") {
            let credential = store.credential_of(account.id).await.expect("a store that works");
            let sessions = store.of(account.id, Slice::first(1000)).await.expect("a store that works");
            let _ = writeln!(dump, "{credential:#?}\n{sessions:#?}");
        }
        let entries = store.entries(Slice::first(10_000)).await.expect("a store that works");
        let _ = writeln!(dump, "{entries:#?}");
        dump
    }

    /// How often each row of the verdict table has decided, as the metrics count it; row 12b stands under 112.
    pub async fn verdicts(&self) -> BTreeMap<u8, u64> {
        let text = self.sends(Call::get("/metrics")).await.text();
        let counted = text.lines().filter_map(|line| line.strip_prefix("sprag_verdicts_total{row=\""));
        let pairs = counted.filter_map(|rest| Some((rest.split_once('"')?.0, rest.split_once("} ")?.1)));
        let number = |row: &str| match row.strip_suffix('b') {
            Some(row) => row.parse::<u8>().ok()?.checked_add(100),
            None => row.parse().ok(),
        };
        let read = pairs.map(|(row, count)| Some((number(row)?, count.parse().ok()?)));
        read.collect::<Option<_>>().expect("numbers")
    }

    /// The letters that wait, which are sent by that.
    pub async fn letters(&self) -> Vec<Letter> {
        let mut letters = Vec::new();
        loop {
            let leased =
                self.engine.outbox().lease(|_, why| panic!("{why}")).await.expect("a store that works");
            if leased.is_empty() {
                return letters;
            }
            for letter in leased {
                self.engine.outbox().settle(&letter, Outcome::Taken).await.expect("a store that works");
                letters.push(letter.letter);
            }
        }
    }

    /// The token in the link of the only letter that waits.
    pub async fn token_by_mail(&self, kind: LetterKind) -> String {
        let letters = self.letters().await;
        let [letter] = &letters[..] else { panic!("one letter waits, not {letters:?}") };
        assert_eq!(letter.kind, kind);
        letter.token.clone().expect("it has a link")
    }

    /// Writes to the database behind the server's back.
    pub fn meddles(&self, sql: &str) {
        let connection = Connection::open(&self.database).expect("the database");
        connection.busy_timeout(Duration::from_secs(5)).expect("a connection");
        connection.execute_batch(sql).expect("SQL");
    }

    pub fn database(&self) -> Connection {
        Connection::open(&self.database).expect("the database")
    }

    /// Takes a backup of the database.
    pub fn backs_up(&self) -> PathBuf {
        let backup = self.folder.path().join("backup.db");
        self.database().execute("vacuum into ?1", [backup.to_str()]).expect("a backup");
        backup
    }

    /// Restores a backup: the server goes on with the database as it was then.
    pub fn restores(&self, backup: &Path) {
        self.seam.replace(open_store(backup));
    }
}

async fn ask(router: Router, call: Call) -> Answer {
    let line = call.line();
    let response = match router.oneshot(call.into_request()).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    let (parts, body) = response.into_parts();
    let body = body.collect().await.expect("a body in memory").to_bytes().to_vec();
    Answer { line, status: parts.status.as_u16(), headers: parts.headers, body }
}

/// The one place that chooses what the stories' data is kept in. A commit that takes a second would date a rotation by that
/// second, which a clock wound by hand knows nothing of: the row would seem to have turned in its future.
fn open_store(path: &Path) -> Arc<dyn Store> {
    SqliteStore::migrate(path).expect("a database");
    let settings = Settings {
        readers: 1,
        deadline: PATIENCE,
        busy_timeout: PATIENCE,
        restamp_after: PATIENCE,
        ..Settings::default()
    };
    Arc::new(SqliteStore::open(path, settings).expect("a migrated database"))
}

/// Our own profile with some of its text replaced; each replaced text must be there.
pub fn our_profile(changes: &[(&str, &str)]) -> Profile {
    let mut text = Profile::builtin_text("sprag").expect("our profile").to_owned();
    for (from, to) in changes {
        assert!(text.contains(from), "our profile has no {from}");
        text = text.replace(from, to);
    }
    Profile::parse("sprag", "sprag.toml", &text).unwrap_or_else(|error| panic!("{error}"))
}

/// A second profile beside ours, with an id, a cookie and paths of its own.
pub fn second_profile(changes: &[(&str, &str)]) -> Profile {
    let own = [
        ("id = 1\n", "id = 2\n"),
        ("/api/v1/auth", "/second"),
        ("/api/v1/admin", "/second/administration"),
        ("__Host-sprag", "__Host-second"),
    ];
    let mut profile = our_profile(&[&own, changes].concat());
    profile.name = "second".to_owned();
    profile
}

pub fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

pub fn key(account: AccountId, session: SessionId) -> SessionKey {
    SessionKey { account, session }
}

fn in_words(entry: &Entry) -> String {
    let event = &entry.event;
    let mut words = Vec::new();
    if event.severity() != Severity::Notice {
        words.push(event.severity().name());
    }
    words.push(event.kind.name());
    words.extend(event.cause.map(|cause| cause.name()));
    words.join(" ")
}
