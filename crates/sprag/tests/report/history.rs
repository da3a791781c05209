//! What people do on two nodes, and how often, counted by hand and by the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use sprag::audit::EventKind;
use sprag::clock::{Clock as _, HandClock, Timestamp};
use sprag::counts::{By, Report, ReportRow};
use sprag::day::Day;
use sprag::engine::{
    ClientPolicy, Engine, Limits, LogOutRequest, NewUser, OpenRequest, RefreshRequest, Requester,
};
use sprag::keys::{Algorithm, KeyRing};
use sprag::password::Hasher;
use sprag::policy::Policy;
use sprag::random::SeededRandom;
use sprag::ratchet::Row;
use sprag::session::{AccountId, Methods, ProfileId};
use sprag::store::{Slice, Store, Swept};
use sprag::{Error, Refusal};

/// Ten minutes before midnight.
pub(super) const START: Timestamp = Timestamp(1_795_219_200_000 - 600_000);

const STEP: Duration = Duration::from_secs(7);
const PASSWORD: &str = "correct horse battery";
const PEOPLE: usize = 9;

/// How often something happened, by day and by what the report calls it.
type Tally = BTreeMap<(Day, String), u64>;

pub(super) struct History {
    clock: Arc<HandClock>,
    stores: [Arc<dyn Store>; 2],
    nodes: [Option<Node>; 2],
    people: Vec<AccountId>,
    tokens: Vec<(AccountId, Vec<String>)>,
    /// What both nodes wrote, or will have written.
    naive: Tally,
    active: BTreeMap<Day, BTreeSet<AccountId>>,
    most_live: BTreeMap<Day, u64>,
    lost: Tally,
    wrote_last: Timestamp,
    killed: Option<(Timestamp, Timestamp)>,
}

struct Node {
    engine: Engine,
    /// What it has counted since it wrote.
    unwritten: Tally,
    active: BTreeSet<(Day, AccountId)>,
}

fn client() -> ClientPolicy {
    let policy = Policy { idle_timeout: Duration::from_secs(400), ..Policy::default() };
    ClientPolicy { policy, ..ClientPolicy::new(ProfileId(7), "web") }
}

fn somebody() -> Requester {
    Requester { ip: Some("192.0.2.1".into()), ..Requester::nobody() }
}

impl History {
    pub(super) async fn begin(one: Arc<dyn Store>, other: Arc<dyn Store>) -> Self {
        let mut history = Self {
            clock: Arc::new(HandClock::at(START)),
            stores: [one, other],
            nodes: [None, None],
            people: Vec::new(),
            tokens: Vec::new(),
            naive: Tally::new(),
            active: BTreeMap::new(),
            most_live: BTreeMap::new(),
            lost: Tally::new(),
            wrote_last: START,
            killed: None,
        };
        history.nodes[0] = Some(history.node(0));
        history.start_second_node();
        for number in 0..PEOPLE {
            let name = format!("person-{number}");
            let password = (number == 0).then_some(PASSWORD);
            let user = NewUser { username: Some(&name), password, ..NewUser::default() };
            let before = history.journal().await;
            let node = history.nodes[number % 2].as_ref().unwrap();
            let account = node.engine.accounts().create(user, &somebody()).await.unwrap();
            history.people.push(account.id);
            history.note_journal(number % 2, &before).await;
        }
        history
    }

    fn node(&self, at: usize) -> Node {
        let engine = Engine::builder(Arc::clone(&self.stores[at]))
            .keys(KeyRing::generate(Algorithm::Hs256, &SeededRandom::new(3), START).unwrap())
            .issuer("https://id.example")
            .clock(Arc::clone(&self.clock) as Arc<dyn sprag::clock::Clock>)
            .hasher(Hasher::start(1, 16).unwrap())
            .limits(Limits { sessions_per_account: 4 });
        Node { engine: engine.build().unwrap(), unwritten: Tally::new(), active: BTreeSet::new() }
    }

    pub(super) fn start_second_node(&mut self) {
        self.nodes[1] = Some(self.node(1));
    }

    /// What it has counted since it last wrote is lost.
    pub(super) fn kill_second_node(&mut self) {
        let node = self.nodes[1].take().unwrap();
        self.lost = node.unwritten;
        self.killed = Some((self.wrote_last, self.now()));
    }

    pub(super) fn lost(&self) -> &Tally {
        &self.lost
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn wind(&self, span: Duration) {
        self.clock.wind(span);
    }

    pub(super) fn killed_at(&self) -> Timestamp {
        self.killed.unwrap().1
    }

    pub(super) fn last_write_of_the_killed(&self) -> Timestamp {
        self.killed.unwrap().0
    }

    pub(super) fn store(&self) -> &dyn Store {
        self.stores[0].as_ref()
    }

    /// Somebody does something at one of the nodes; each minute both write.
    pub(super) async fn step(&mut self, step: usize) {
        let at = if self.nodes[1].is_some() { step % 2 } else { 0 };
        let before = self.journal().await;
        self.act(at, step).await;
        self.note_journal(at, &before).await;
        self.clock.wind(STEP);
        if self.now().millis_since(self.wrote_last) >= 60_000 {
            for node in self.nodes.iter_mut().flatten() {
                node.engine.upkeep().write_counts(false).await.unwrap();
                // A write whose answer was lost is repeated.
                node.engine.upkeep().write_counts(false).await.unwrap();
                take(&mut self.naive, &mut self.active, node);
            }
            self.wrote_last = self.now();
        }
    }

    async fn act(&mut self, at: usize, step: usize) {
        let person = self.people[step * 5 % PEOPLE];
        match step % 11 {
            0 | 4 | 7 => self.log_in(at, person).await,
            1 | 2 | 5 | 8 => self.refresh(at, step, 0).await,
            3 => self.refresh(at, step, 1).await,
            6 => self.refresh(at, step, 2).await,
            9 if step.is_multiple_of(2) => self.log_out(at, person, step.is_multiple_of(4)).await,
            9 => self.disable_and_enable(at, person).await,
            _ if step.is_multiple_of(3) => self.guess(at).await,
            _ => self.present_garbage(at).await,
        }
    }

    async fn log_in(&mut self, at: usize, person: AccountId) {
        let engine = &self.nodes[at].as_ref().unwrap().engine;
        let known = engine.authn().vouch_for(person, Methods::PASSWORD).await.unwrap();
        let pair = engine.open_session(&client(), known, OpenRequest::default(), &somebody()).await.unwrap();
        self.tokens.push((person, vec![pair.refresh.text().to_owned()]));
        self.note_active(at, person);
    }

    /// Presents the newest token of some session, or one from before.
    async fn refresh(&mut self, at: usize, step: usize, back: usize) {
        let which = step * 3 % self.tokens.len();
        let (person, tokens) = &self.tokens[which];
        let person = *person;
        let token = tokens[tokens.len().saturating_sub(1 + back)].clone();
        let engine = &self.nodes[at].as_ref().unwrap().engine;
        let request = RefreshRequest { token: &token, retry_id: None };
        let outcome = engine.refresh(&client(), request, &somebody()).await;
        match outcome.answer {
            Ok(pair) => {
                let text = pair.refresh.text().to_owned();
                let tokens = &mut self.tokens[which].1;
                if tokens.last() != Some(&text) {
                    tokens.push(text);
                }
                self.note(at, "refreshes", 1);
                if outcome.row != Row::Current {
                    self.note(at, "refreshes_repeated", 1);
                }
                self.note_active(at, person);
            }
            Err(Error::Refused(refusal)) => {
                self.note(at, &format!("refused_refreshes {}", refusal.code()), 1)
            }
            Err(Error::Failed(fault)) => panic!("{fault:?}"),
        }
    }

    async fn log_out(&mut self, at: usize, person: AccountId, everywhere: bool) {
        let engine = &self.nodes[at].as_ref().unwrap().engine;
        if everywhere {
            engine.sessions().end_all_of(person, &somebody()).await.unwrap();
            return;
        }
        let Some((_, tokens)) = self.tokens.iter().rev().find(|(account, _)| *account == person) else {
            return;
        };
        engine.log_out(&client(), LogOutRequest::with(tokens.last().unwrap()), &somebody()).await.unwrap();
    }

    async fn disable_and_enable(&mut self, at: usize, person: AccountId) {
        let engine = &self.nodes[at].as_ref().unwrap().engine;
        engine.accounts().disable(person, &somebody()).await.unwrap();
        engine.accounts().enable(person, &somebody()).await.unwrap();
    }

    async fn guess(&mut self, at: usize) {
        let engine = &self.nodes[at].as_ref().unwrap().engine;
        for name in ["person-0", "nobody"] {
            let refused = engine.authn().password(name, "a wrong password", &somebody()).await.unwrap_err();
            assert!(matches!(refused, Error::Refused(Refusal::CredentialsInvalid)));
        }
        self.note(at, "failed_logins credentials_invalid", 2);
    }

    async fn present_garbage(&mut self, at: usize) {
        let engine = &self.nodes[at].as_ref().unwrap().engine;
        let request = RefreshRequest { token: "garbage", retry_id: None };
        assert!(engine.refresh(&client(), request, &somebody()).await.answer.is_err());
        self.note(at, "refused_refreshes token_invalid", 1);
    }

    /// The first node sweeps all sessions, in slices.
    pub(super) async fn sweep(&mut self) {
        let before = self.journal().await;
        let upkeep = self.nodes[0].as_ref().unwrap().engine.upkeep();
        let mut pass = Swept::default();
        loop {
            pass = pass.then(upkeep.sweep(pass.next, Duration::from_secs(300)).await.unwrap());
            if pass.next.is_none() {
                break;
            }
        }
        upkeep.swept(&pass);
        self.note_journal(0, &before).await;
        for (what, count) in
            [("passes", 1), ("seen", pass.seen), ("ended", pass.ended), ("removed", pass.removed)]
        {
            self.note(0, &format!("sweep {what}"), count);
        }
        let mut live = 0;
        for person in &self.people {
            let sessions = self.store().of(*person, Slice::first(1000)).await.unwrap();
            live += sessions.iter().filter(|(session, _)| session.is_live(self.now())).count() as u64;
        }
        let most = self.most_live.entry(Day::of(self.now())).or_default();
        *most = live.max(*most);
    }

    /// Both nodes end in order.
    pub(super) async fn leave(&mut self) {
        for node in self.nodes.iter_mut().flatten() {
            node.engine.upkeep().write_counts(true).await.unwrap();
            take(&mut self.naive, &mut self.active, node);
        }
    }

    pub(super) async fn report(&self, since: Day, until: Day, by: By) -> Report {
        self.nodes[0].as_ref().unwrap().engine.report(since, until, by).await.unwrap()
    }

    pub(super) async fn fold(&self) -> u64 {
        self.nodes[0].as_ref().unwrap().engine.upkeep().fold_counts().await.unwrap()
    }

    fn note(&mut self, at: usize, what: &str, count: u64) {
        let day = Day::of(self.now());
        if count > 0 {
            *self.nodes[at].as_mut().unwrap().unwritten.entry((day, what.to_owned())).or_default() += count;
        }
    }

    fn note_active(&mut self, at: usize, person: AccountId) {
        let day = Day::of(self.now());
        self.nodes[at].as_mut().unwrap().active.insert((day, person));
    }

    /// What the journal says happened, by day.
    async fn journal(&self) -> Tally {
        let mut tally = Tally::new();
        let mut after = None;
        loop {
            let entries = self.store().entries(Slice::after(after, 1000)).await.unwrap();
            let Some(last) = entries.last() else { return tally };
            after = Some((last.event.account, last.number));
            for entry in &entries {
                let (kind, day) = (entry.event.kind, Day::of(entry.event.at));
                let what = match kind {
                    EventKind::SessionEnded => format!("sessions_ended {}", entry.event.cause.unwrap()),
                    EventKind::SessionOpened => "logins".to_owned(),
                    EventKind::LoginFailed => continue,
                    kind => format!("events {}", kind.name()),
                };
                *tally.entry((day, what)).or_default() += 1;
            }
        }
    }

    /// Notes what the journal has more than before.
    async fn note_journal(&mut self, at: usize, before: &Tally) {
        for (what, count) in self.journal().await {
            let more = count - before.get(&what).copied().unwrap_or_default();
            if more > 0 {
                *self.nodes[at].as_mut().unwrap().unwritten.entry(what).or_default() += more;
            }
        }
    }

    /// Whether a row of the report is what was counted by hand, but for what the killed node never wrote.
    pub(super) fn expect_naive(&self, row: &ReportRow) {
        let day = row.from;
        let told = |name: &str| -> BTreeMap<String, u64> {
            let of_day = self.naive.iter().filter(|((of, _), _)| *of == day);
            let named = of_day
                .filter_map(|((_, what), count)| Some((what.strip_prefix(name)?.strip_prefix(' ')?, count)));
            named.map(|(label, count)| (label.to_owned(), *count)).collect()
        };
        let one = |what: &str| self.naive.get(&(day, what.to_owned())).copied().unwrap_or_default();
        assert_eq!(row.logins, one("logins"), "{day}");
        assert_eq!(
            row.sessions_opened,
            BTreeMap::from([("session_opened".to_owned(), one("logins"))]),
            "{day}"
        );
        assert_eq!(row.sessions_ended, told("sessions_ended"), "{day}");
        assert_eq!(row.failed_logins, told("failed_logins"), "{day}");
        assert_eq!(row.refreshes, one("refreshes"), "{day}");
        assert_eq!(row.refreshes_repeated, one("refreshes_repeated"), "{day}");
        assert_eq!(row.refused_refreshes, told("refused_refreshes"), "{day}");
        assert_eq!(row.events, told("events"), "{day}");
        assert_eq!(row.new_accounts, one("events account_created"), "{day}");
        let sweep = [row.sweep.passes, row.sweep.seen, row.sweep.ended, row.sweep.removed];
        assert_eq!(
            sweep,
            ["passes", "seen", "ended", "removed"].map(|what| one(&format!("sweep {what}"))),
            "{day}"
        );
        assert_eq!(row.live_sessions, self.most_live.get(&day).copied(), "{day}");
        let spread: u64 = row.sessions_per_account.iter().map(|bucket| bucket.accounts).sum();
        assert!(spread <= PEOPLE as u64 && (spread > 0) == (row.live_sessions > Some(0)), "{day}: {spread}");
        let active = self.active.get(&day).map_or(0, BTreeSet::len) as u64;
        assert_eq!((row.active_accounts, row.active_accounts_exact), (active, true), "{day}");
        assert!(
            row.logins > 5 && row.refreshes > 5 && row.sessions_ended.len() > 2,
            "enough happened on {day}"
        );
    }
}

fn take(naive: &mut Tally, active: &mut BTreeMap<Day, BTreeSet<AccountId>>, node: &mut Node) {
    for (what, count) in std::mem::take(&mut node.unwritten) {
        *naive.entry(what).or_default() += count;
    }
    for (day, account) in std::mem::take(&mut node.active) {
        active.entry(day).or_default().insert(account);
    }
}
