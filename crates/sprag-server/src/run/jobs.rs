//! What a running server does by itself: move its mark of life, sweep, read the key ring again, add a checkpoint to the
//! journal.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio::join;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::config::Database;
use crate::metrics::{Metrics, Pass};
use crate::places::Places;
use crate::run::keeper::{Keeper, settle};
use crate::run::node::Node;
use crate::run::ring_watch::RingWatch;
use sprag::checkpoints::{Checkpointing, Cutting};
use sprag::clock::{Clock as _, ClockNews, Doubt, SystemClock, TakenFor};
use sprag::counts::Written;
use sprag::day::Day;
use sprag::store::Swept;
use sprag::{Engine, seldom};

mod erasures;
mod letters;
mod outbox;
mod places;
mod refreshes;
mod webhooks;

/// How often the node's mark of life is moved.
const MARK_INTERVAL: Duration = Duration::from_secs(1);

/// How often the key ring's file is looked at.
const RING_INTERVAL: Duration = Duration::from_secs(2);

/// How often the files that tell of addresses are looked at.
const PLACES_INTERVAL: Duration = Duration::from_secs(10);

/// How often the journal's chains are bound together by a checkpoint.
const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(3600);

/// How often what was only counted is looked through: failed log-ins for the journal, refusals for the security log.
const COUNTED_INTERVAL: Duration = Duration::from_secs(5);

/// How often what was counted for the report is written: what a killed node loses, at most.
const COUNTS_INTERVAL: Duration = Duration::from_secs(60);

/// How often budgets that are whole are forgotten, and the others made durable where that is not done with each reservation.
const BUDGETS_INTERVAL: Duration = Duration::from_secs(60);

/// How often budgets of refreshes that are whole again are forgotten.
const REFRESHES_INTERVAL: Duration = Duration::from_secs(5);

/// How often the journal is cut, where it is not kept for ever.
const CUT_INTERVAL: Duration = Duration::from_secs(3600);

/// How often a node looks as whom the others sign.
const ISSUERS_INTERVAL: Duration = Duration::from_secs(600);

/// For how long a node counts that has not said again as whom it signs.
const ISSUERS_KEPT: Duration = Duration::from_secs(1800);

/// The pause between two slices of a sweep, in which refreshes go first.
pub(crate) const SWEEP_PAUSE: Duration = Duration::from_millis(20);

/// Something that a running server does by itself, again and again.
struct Job {
    /// What the log calls it.
    name: &'static str,
    every: Duration,
    work: Box<dyn Work>,
}

/// What a job does each time. Every node does it for itself.
#[async_trait]
trait Work: Send {
    async fn run(&mut self);
}

/// Starts the jobs; they stop when the set is dropped. From now on the node serves, and whoever ends that in order says so
/// ([`leave`]).
pub fn start(node: &Node) -> JoinSet<()> {
    start_with(node, RingWatch::of(node))
}

/// Starts the jobs, where somebody else may have the ring looked at, too.
pub fn start_with(node: &Node, ring: Option<RingWatch>) -> JoinSet<()> {
    node.engine.upkeep().serve_at(&node.place());
    let mut jobs: JoinSet<()> = jobs(node, ring).into_iter().map(Job::repeat).collect();
    jobs.spawn(Keeper::of(node).keep());
    letters::start(node, &mut jobs);
    webhooks::start(node, &mut jobs);
    jobs
}

/// Removes the node's mark of life, once nobody is served any more.
pub async fn leave(node: &Node) {
    // At one time, for each takes a few round trips, and the store may be far away.
    let upkeep = node.engine.upkeep();
    let (told, (), swept) = join!(
        upkeep.tell_counted(true),
        tell_places(&node.engine, &node.places, true),
        upkeep.sweep_budgets()
    );
    if let Err(fault) = told {
        tracing::warn!(%fault, "how many log-ins failed in the last minute is not in the journal");
    }
    if let Err(fault) = swept {
        tracing::warn!(%fault, "who tried how often in the last minute is forgotten");
    }
    if let Err(fault) = upkeep.write_counts(true).await {
        tracing::warn!(%fault, "what this node counted last is not in the report; at most the last minute is missing");
    }
    if let Err(fault) = node.engine.upkeep().leave().await {
        tracing::warn!(
            %fault,
            "the node's mark of life could not be removed; the time until somebody serves again counts as an outage"
        );
    }
    if let Err(fault) = node.engine.store().sign_no_more(&node.place()).await {
        tracing::warn!(%fault, "as whom this node signed could not be forgotten; others may be told of it for half an hour");
    }
    if let Err(fault) = settle(node).await {
        tracing::warn!(%fault, "what was committed last is not counted; if it is lost, nobody is told");
    }
}

/// All jobs of a server.
fn jobs(node: &Node, ring: Option<RingWatch>) -> Vec<Job> {
    let (engine, metrics) = (&node.engine, &node.metrics);
    let sweep = node.config.sessions.sweep_interval.map(|every| {
        let (engine, metrics) = (Arc::clone(engine), Arc::clone(metrics));
        Job {
            name: "sweep",
            every,
            work: Box::new(Sweep { engine, metrics, keep: node.config.sessions.keep_ended }),
        }
    });
    let watch = ring.map(|watch| Job { name: "key ring", every: RING_INTERVAL, work: Box::new(watch) });
    let checkpoints = Box::new(Checkpoints { engine: Arc::clone(engine) });
    let checkpoints = Job { name: "checkpoint", every: CHECKPOINT_INTERVAL, work: checkpoints };
    let (of_engine, of_metrics) = (Arc::clone(engine), Arc::clone(metrics));
    let marks = Marks { engine: of_engine, metrics: of_metrics, is_failing: false, untold: Vec::new() };
    let marks = Box::new(marks);
    let marks = Job { name: "mark", every: MARK_INTERVAL, work: marks };
    let issuers = matches!(node.config.store.database, Database::Postgres(_)).then(|| Job {
        name: "issuers",
        every: ISSUERS_INTERVAL,
        work: Box::new(Issuers {
            engine: Arc::clone(engine),
            place: node.place(),
            own: node.config.issuer().to_owned(),
            setting: node.config.called("public-url"),
            told: Vec::new(),
        }),
    });
    let places = node.places.has_files().then(|| Job {
        name: "places",
        every: PLACES_INTERVAL,
        work: Box::new(places::LookAtPlaces(Arc::clone(&node.places))),
    });
    let counted = Box::new(Counted { engine: Arc::clone(engine), places: Arc::clone(&node.places) });
    let counted = Job { name: "counted", every: COUNTED_INTERVAL, work: counted };
    let counts = Box::new(Counts { engine: Arc::clone(engine), folded: None, is_failing: false });
    let counts = Job { name: "counts", every: COUNTS_INTERVAL, work: counts };
    let budgets = Box::new(Budgets { engine: Arc::clone(engine) });
    let budgets = Job { name: "budgets", every: BUDGETS_INTERVAL, work: budgets };
    let refreshes = node.refresh_limits.as_ref().map(|limits| {
        let work = Box::new(refreshes::Refreshes { limits: Arc::clone(limits) });
        Job { name: "refreshes", every: REFRESHES_INTERVAL, work }
    });
    let cuts = node.config.sessions.keep_journal.map(|keep| {
        let cuts = Cuts { engine: Arc::clone(engine), keep, has_said_who: false };
        Job { name: "cut", every: CUT_INTERVAL, work: Box::new(cuts) }
    });
    [
        Some(marks),
        sweep,
        watch,
        Some(checkpoints),
        issuers,
        places,
        Some(counted),
        Some(budgets),
        refreshes,
        Some(counts),
        cuts,
        Some(erasures::job(engine)),
        Some(outbox::job(node)),
        Some(outbox::sweep(engine)),
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Job {
    /// Does it at once, and then again and again.
    async fn repeat(mut self) {
        let mut ticks = interval(self.every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            tracing::trace!(job = self.name, "a job runs");
            self.work.run().await;
        }
    }
}

/// Moves the node's mark of life, and tells what became of the clock.
struct Marks {
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    is_failing: bool,
    /// What the journal does not know yet.
    untold: Vec<ClockNews>,
}

#[async_trait]
impl Work for Marks {
    async fn run(&mut self) {
        let upkeep = self.engine.upkeep();
        let moved = upkeep.mark().await;
        match (&moved, self.is_failing) {
            (Err(fault), false) => {
                tracing::warn!(%fault, "the node's mark of life does not move; until it does, no time counts for reuse");
            }
            (Ok(()), true) => tracing::info!("the node's mark of life moves again"),
            _ => {}
        }
        self.is_failing = moved.is_err();
        for news in upkeep.clock_news() {
            tell_of_clock(news);
            if matches!(news, ClockNews::Jumped(_)) {
                self.metrics.clock_jumped();
            }
            self.untold.push(news);
        }
        while let Some(news) = self.untold.first() {
            if upkeep.journal_clock(*news).await.is_err() {
                return;
            }
            self.untold.remove(0);
        }
    }
}

fn tell_of_clock(news: ClockNews) {
    match news {
        ClockNews::Jumped(Doubt { off_by, .. }) => tracing::error!(
            off_by_millis = off_by,
            "the clock has jumped and is not believed; the time before the jump goes on. Look at the clock and its time \
             server; if the clock is right now, send this process SIGUSR1, or wait five minutes"
        ),
        ClockNews::Returned => tracing::info!("the clock is back where it was expected, and counts again"),
        ClockNews::Taken { by, why: TakenFor::WantOfAnother } => tracing::error!(
            by_millis = by,
            "critical: the clock was not steady for an hour and nobody confirmed it; it is taken as it stands now, and \
             sessions may expire by it. Look at the clock and its time server"
        ),
        ClockNews::Taken { by, why: _ } => {
            tracing::warn!(by_millis = by, "the clock that had jumped is believed where it stands now");
        }
    }
}

/// Ends the sessions that have expired, and removes those that ended long ago.
struct Sweep {
    engine: Arc<Engine>,
    metrics: Arc<Metrics>,
    keep: Duration,
}

#[async_trait]
impl Work for Sweep {
    async fn run(&mut self) {
        let (begun, mut pass) = (Instant::now(), Swept::default());
        loop {
            match self.engine.upkeep().sweep(pass.next, self.keep).await {
                Ok(swept) => {
                    self.metrics.swept(swept.seen, swept.ended, swept.removed);
                    pass = pass.then(swept);
                }
                Err(fault) => {
                    tracing::warn!(%fault, "a sweep stopped half way; the next one begins again");
                    self.metrics.sweep_ended(None);
                    return;
                }
            }
            if pass.next.is_none() {
                self.engine.upkeep().swept(&pass);
                let (at, took, per_account) = (SystemClock.now(), begun.elapsed(), pass.histogram());
                return self.metrics.sweep_ended(Some(Pass { at, took, per_account }));
            }
            sleep(SWEEP_PAUSE).await;
        }
    }
}

/// Forgets budgets that are whole, and keeps the others beyond a restart.
struct Budgets {
    engine: Arc<Engine>,
}

#[async_trait]
impl Work for Budgets {
    async fn run(&mut self) {
        if let Err(fault) = self.engine.upkeep().sweep_budgets().await {
            tracing::warn!(%fault, "budgets that are whole are not forgotten yet; trying again in a minute");
        }
    }
}

/// Reads the key ring's file again when it has changed.
#[async_trait]
impl Work for RingWatch {
    async fn run(&mut self) {
        self.look().await;
    }
}

/// Looks as whom the other nodes on the database sign: each refuses the access tokens of one that was told another public URL.
struct Issuers {
    engine: Arc<Engine>,
    place: String,
    own: String,
    /// What it is set by.
    setting: String,
    /// Who has been told of already.
    told: Vec<String>,
}

#[async_trait]
impl Work for Issuers {
    async fn run(&mut self) {
        let (store, since) = (self.engine.store(), self.engine.now().minus(ISSUERS_KEPT));
        match store.sign_as(&self.place, &self.own, since).await {
            Ok(others) if !others.is_empty() && others != self.told => {
                tracing::warn!(
                    "this node signs access tokens as {}, and others on this database sign as {}: each refuses the tokens of \
                     the others; set {} to the one URL that clients use, the same on every node",
                    self.own,
                    others.join(", "),
                    self.setting
                );
                self.told = others;
            }
            Ok(others) => self.told = others,
            Err(fault) => {
                tracing::warn!(%fault, "nobody can tell as whom the other nodes sign; asking again")
            }
        }
    }
}

/// Binds the journal's chains together.
struct Checkpoints {
    engine: Arc<Engine>,
}

#[async_trait]
impl Work for Checkpoints {
    async fn run(&mut self) {
        match self.engine.upkeep().add_checkpoint().await {
            Ok(Checkpointing::Added(checkpoint)) => {
                // In the log as well, so that a copy of it stands where a writer to the database cannot reach.
                let tag = data_encoding::HEXLOWER.encode(&checkpoint.tag);
                tracing::info!(
                    number = checkpoint.number,
                    entries = checkpoint.entries,
                    tag,
                    "journal checkpoint"
                );
            }
            Ok(Checkpointing::NothingNew) => {}
            Ok(Checkpointing::Broken(flaw)) => {
                tracing::error!(%flaw, "the journal was tampered with and got no checkpoint; run: sprag audit verify");
            }
            Err(fault) => tracing::warn!(%fault, "the journal got no checkpoint; trying again in an hour"),
        }
    }
}

/// Tells what was only counted.
struct Counted {
    engine: Arc<Engine>,
    places: Arc<Places>,
}

#[async_trait]
impl Work for Counted {
    async fn run(&mut self) {
        if let Err(fault) = self.engine.upkeep().tell_counted(false).await
            && let Some(left_out) = seldom::left_out("journal counted failures")
        {
            tracing::warn!(%fault, left_out, "how many log-ins failed is not in the journal yet; trying again in 5 seconds");
        }
        tell_places(&self.engine, &self.places, false).await;
    }
}

/// Tells the journal how many requests were refused for their place.
async fn tell_places(engine: &Engine, places: &Places, all: bool) {
    if let Some(told) = places.turned.due(engine.now(), all)
        && let Err(fault) = engine.upkeep().journal_places(told.clone()).await
    {
        tracing::warn!(%fault, "the journal could not be told of this: {told}");
    }
}

/// Writes what was counted for the report, and folds days that are over.
struct Counts {
    engine: Arc<Engine>,
    /// The day on which days were folded last.
    folded: Option<Day>,
    is_failing: bool,
}

#[async_trait]
impl Work for Counts {
    async fn run(&mut self) {
        let upkeep = self.engine.upkeep();
        let written = upkeep.write_counts(false).await;
        match &written {
            Ok(Written { lost_days: 1.. }) => tracing::warn!(
                "what this node counted on days before yesterday could not be written in time and is missing in the report"
            ),
            Ok(_) if self.is_failing => tracing::info!("what is counted for the report is written again"),
            Err(fault) if !self.is_failing => {
                tracing::warn!(%fault, "what is counted for the report is not written; trying again each minute");
            }
            _ => {}
        }
        self.is_failing = written.is_err();
        let today = Day::of(self.engine.now());
        if self.is_failing || self.folded == Some(today) {
            return;
        }
        match upkeep.fold_counts().await {
            Ok(_) => self.folded = Some(today),
            Err(fault) => tracing::warn!(%fault, "old days of the report are not folded; trying again soon"),
        }
    }
}

/// Cuts off the journal what has been kept long enough.
struct Cuts {
    engine: Arc<Engine>,
    keep: Duration,
    has_said_who: bool,
}

#[async_trait]
impl Work for Cuts {
    async fn run(&mut self) {
        match self.engine.upkeep().cut_journal(self.keep, |_| sleep(SWEEP_PAUSE)).await {
            Ok(Ok(Cutting::Done { cut, removed })) => {
                let tag = data_encoding::HEXLOWER.encode(&cut.tag);
                tracing::info!(number = cut.number, removed, entries = cut.entries, tag, "journal cut");
            }
            Ok(Ok(Cutting::NothingOldEnough)) => {}
            Ok(Ok(Cutting::NotAllowed)) => {
                if !std::mem::replace(&mut self.has_said_who, true) {
                    tracing::warn!(
                        "keep-journal is set, and this server's role may not remove entries of the journal; run \
                         `sprag audit cut` now and then as the owner of the tables (docs/guide/production.md)"
                    );
                }
            }
            Ok(Ok(Cutting::Broken(flaw))) => {
                tracing::error!(%flaw, "the journal was tampered with and is not cut; run: sprag audit verify");
            }
            Ok(Err(flaw)) => {
                tracing::error!(%flaw, "the journal was tampered with and is not cut; run: sprag audit verify");
            }
            Err(fault) => {
                tracing::warn!(%fault, "the journal was not cut to its end; trying again in an hour")
            }
        }
    }
}

#[cfg(test)]
mod tests;
