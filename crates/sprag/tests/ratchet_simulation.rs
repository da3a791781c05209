//! The ratchet beside the server of a simulation that was written from the table alone, in another language first: one
//! session, a few instances and retry ids, time that goes on, and one outage. Both must say the same at each step.
//!
//! That simulation, with honest tabs, networks and thieves around it, is where the table's figures come from. This holds
//! that what was simulated is what runs. It counts time as served time, and knows neither expiry nor a clock gone back.

use std::time::Duration;

use sprag::clock::Timestamp;
use sprag::policy::{Policy, Retry};
use sprag::random::{Random as _, SeededRandom};
use sprag::ratchet::{
    Denial, Found, MAX_MISSES, Moment, Notice, Presented, Row, SessionState, Verdict, judge,
};
use sprag::session::{
    AccountId, EndCause, Ended, Epoch, Generation, ProfileId, Session, SessionId, SessionKey,
};
use uuid::Uuid;

const STORIES: u64 = 3_000;
const STEPS: usize = 60;
const W: i64 = 30_000;
const START: i64 = 1_800_000_000_000;

/// What a step comes to: the row of the table, and the generation that is handed out, if one is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Says {
    Token(u64),
    Refused,
    TooMany,
    Ended,
}

/// The simulation's server: everything in it is a number.
#[derive(Clone, Debug)]
struct Simulated {
    mode: Retry,
    g: u64,
    at: i64,
    last_id: Option<u8>,
    id_before: Option<u8>,
    instance: u8,
    other: u8,
    /// The generation that a stranger's rotation led to last.
    new_at: u64,
    contest: Option<u64>,
    retries: u8,
    streak: u8,
    streak_at: Option<u64>,
    is_over: bool,
    warnings: u32,
    alerts: u32,
}

impl Simulated {
    fn refresh(&mut self, n: u64, id: Option<u8>, instance: u8, now: i64, age: i64) -> (Row, Says) {
        if self.is_over {
            return (Row::Ended, Says::Ended);
        }
        let is_inside = age <= W;
        let is_own = instance == self.instance;
        let is_known = is_own || instance == self.other;
        let is_taken = self.new_at > n;
        if n + 1 < self.g {
            let is_mild = self.mode == Retry::Refuse && is_known && !is_taken;
            let is_twin = n + 2 == self.g && id.is_some() && id == self.id_before;
            if is_inside && is_twin {
                self.warnings += 1;
            }
            let is_spared = is_inside && (is_mild || is_twin);
            return if is_spared { (Row::LongSpent, Says::Refused) } else { self.end(Row::LongSpent) };
        }
        if n + 1 == self.g {
            if id.is_some() && id == self.last_id && (is_inside || is_known) {
                return self.retry(Row::SameRequest, is_own);
            }
            if !is_inside {
                return self.end(Row::Spent);
            }
            if self.mode == Retry::Answer {
                return self.retry(Row::JustSpent, is_own);
            }
            if !is_own {
                self.warnings += 1;
                if is_taken {
                    self.contest = Some(self.g);
                }
            }
            return (Row::JustSpent, Says::Refused);
        }
        if self.contest == Some(self.g) && instance != self.other {
            return self.end(Row::Contested);
        }
        if self.g > 0 && is_inside && self.mode == Retry::Answer {
            return (Row::JustTurned, Says::Token(n));
        }
        if !is_known {
            self.new_at = self.g + 1;
        }
        if !is_own {
            self.other = self.instance;
        }
        (self.g, self.at, self.instance, self.retries) = (self.g + 1, now, instance, 0);
        (self.id_before, self.last_id) = (self.last_id, id);
        (Row::Current, Says::Token(self.g))
    }

    fn retry(&mut self, row: Row, is_own: bool) -> (Row, Says) {
        if self.retries == 16 {
            return (row, Says::TooMany);
        }
        self.retries += 1;
        if !is_own && self.streak_at != Some(self.g) {
            let goes_on = self.streak_at.is_some_and(|last| last + 1 == self.g);
            self.streak = if goes_on { self.streak.saturating_add(1) } else { 1 };
            self.streak_at = Some(self.g);
            if self.streak >= 3 { self.alerts += 1 } else { self.warnings += 1 }
        }
        (row, Says::Token(self.g))
    }

    fn end(&mut self, row: Row) -> (Row, Says) {
        self.is_over = true;
        (row, Says::Ended)
    }
}

/// The ratchet with a row of its own, as a store would keep it.
struct Real {
    state: SessionState,
    policy: Policy,
    warnings: u32,
    alerts: u32,
}

impl Real {
    fn refresh(&mut self, n: u64, id: Option<u8>, instance: u8, moment: Moment) -> (Row, Says) {
        let session = &self.state.session;
        let token = Presented {
            key: session.key,
            profile: session.profile,
            generation: Generation(n),
            secret_hash: session.secret_hash,
            retry_hash: id.map(|id| [id; 16]),
            instance_hash: [instance; 16],
        };
        let found = Found::Session(Box::new(self.state.clone()));
        let judgement = judge(Some(&token), &found, MAX_MISSES - 1, moment, &self.policy);
        match judgement.notice {
            Some(Notice::Lockstep { .. }) => self.alerts += 1,
            Some(_) => self.warnings += 1,
            None => {}
        }
        let session = &mut self.state.session;
        let says = match judgement.verdict {
            Verdict::Refuse(Denial::Spent) => Says::Refused,
            Verdict::Refuse(Denial::TooManyRetries) => Says::TooMany,
            Verdict::Refuse(Denial::Ended(_)) => Says::Ended,
            Verdict::End(cause, _) => {
                session.ended = Some(Ended { at: moment.now, cause });
                assert_eq!(cause, EndCause::Reuse);
                Says::Ended
            }
            Verdict::Keep => Says::Token(n),
            Verdict::Contest(contest) => {
                contest.apply(session);
                Says::Refused
            }
            Verdict::Retry(retried) => {
                retried.apply(session);
                Says::Token(session.generation.0)
            }
            Verdict::Rotate(rotation) => {
                rotation.apply(session);
                Says::Token(session.generation.0)
            }
            verdict => panic!("nothing in this story leads to {verdict:?}"),
        };
        (judgement.row, says)
    }
}

/// Numbers below a bound, always the same for one seed.
struct Dice(SeededRandom);

impl Dice {
    fn roll(&self, bound: u8) -> u8 {
        let mut byte = [0];
        self.0.fill(&mut byte);
        byte[0] % bound
    }

    fn one_of<T: Copy>(&self, values: &[T]) -> T {
        values[usize::from(self.roll(u8::try_from(values.len()).expect("a few")))]
    }
}

#[test]
fn the_ratchet_says_what_the_simulation_says() {
    let mut met = std::collections::BTreeSet::new();
    for story in 0..STORIES {
        let dice = Dice(SeededRandom::new(story));
        let mode = dice.one_of(&[Retry::Answer, Retry::Refuse]);
        met.extend(tell(&dice, mode, story));
    }
    let inner = [
        Row::Ended,
        Row::LongSpent,
        Row::SameRequest,
        Row::JustSpent,
        Row::Spent,
        Row::Contested,
        Row::JustTurned,
        Row::Current,
    ];
    assert_eq!(
        met.into_iter().collect::<Vec<_>>(),
        inner,
        "a comparison that never meets a row says nothing of it"
    );
}

fn tell(dice: &Dice, mode: Retry, story: u64) -> Vec<Row> {
    let (mut simulated, mut real) = opened(mode);
    let outage = START + 60_000 * i64::from(dice.roll(10));
    let length = dice.one_of(&[0, 5_000, 33_000, 600_000]);
    let mut now = START;
    let mut rows = Vec::new();
    for step in 0..STEPS {
        now += dice.one_of(&[0, 1, 1_000, W / 2, W - 1, W, W + 1, 2 * W]);
        if (outage..outage + length).contains(&now) {
            // Nobody is answered, so nothing is asked.
            now = outage + length;
        }
        let n = simulated.g.saturating_sub(dice.one_of(&[0, 0, 0, 0, 1, 1, 1, 2, 2, 3]));
        let id = dice.one_of(&[None, None, Some(1), Some(2)]);
        let instance = dice.one_of(&[1, 1, 1, 2, 2, 3]);
        let away = (now.min(outage + length) - simulated.at.max(outage)).max(0);
        let age = now - simulated.at - if length > 0 { away } else { 0 };
        let expected = simulated.refresh(n, id, instance, now, age);
        let said = real.refresh(n, id, instance, moment(now, outage, length));
        assert_eq!(said, expected, "story {story}, step {step}: {simulated:?}");
        assert_eq!(
            (real.warnings, real.alerts),
            (simulated.warnings, simulated.alerts),
            "story {story}, step {step}"
        );
        rows.push(said.0);
    }
    rows
}

/// Now, and the moment before which W of served time lies.
fn moment(now: i64, outage: i64, length: i64) -> Moment {
    let since = now - (outage + length);
    let is_between = length > 0 && (0..W).contains(&since);
    let window_start = if is_between { outage - (W - since) } else { now - W };
    Moment { now: Timestamp(now), window_start: Timestamp(window_start) }
}

fn opened(mode: Retry) -> (Simulated, Real) {
    let simulated = Simulated {
        mode,
        g: 0,
        at: START,
        last_id: None,
        id_before: None,
        instance: 1,
        other: 1,
        new_at: 0,
        contest: None,
        retries: 0,
        streak: 0,
        streak_at: None,
        is_over: false,
        warnings: 0,
        alerts: 0,
    };
    let long = Duration::from_secs(365 * 86_400);
    let policy = Policy { retry: mode, idle_timeout: long, absolute_lifetime: long, ..Policy::default() };
    let key = SessionKey { account: AccountId(Uuid::from_u128(1)), session: SessionId(Uuid::from_u128(2)) };
    let begun = Session::begun(key, ProfileId(1), [7; 32], Epoch(0), &policy, Timestamp(START));
    let session = Session { instance_hash: [1; 16], ..begun };
    let state = SessionState { session, is_disabled: false, epoch: Epoch(0) };
    (simulated, Real { state, policy, warnings: 0, alerts: 0 })
}
