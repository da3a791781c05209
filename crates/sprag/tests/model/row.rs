//! The server's side of the model: a row in little, judged and written by the ratchet itself.
//!
//! Generations and ages are small numbers, counted from whatever is oldest; `ratchet_properties.rs` shows that
//! only differences count. Every judgement is [`sprag::ratchet::judge`]'s and every write `Rotation`'s or
//! `Retried`'s own, unless a [`Fault`] is planted to see whether the checker notices.

use std::time::Duration;

use sprag::clock::Timestamp;
use sprag::policy::{Ahead, Lockstep, Policy, Retry};
use sprag::ratchet::{
    Denial, Found, Judgement, LogOut, Moment, Notice, Presented, Row, SessionState, Verdict, at_log_out,
    judge,
};
use sprag::session::{
    AccountId, EndCause, Ended, Epoch, Generation, Methods, ProfileId, Session, SessionId, SessionKey,
};
use uuid::Uuid;

/// Who presents a token, and whose retry id it comes with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum Party {
    Client,
    /// The client from its other network, which makes another instance of it.
    Elsewhere,
    Thief,
}

/// A mistake in the server that the checker must find.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// A retry starts the window anew.
    SlidingWindow,
    /// The token before the newest is answered at any age.
    PredecessorAlways,
    /// A spent token in the window is given a token of its own.
    Fork,
    /// Expiry is judged before spent.
    ExpiryFirst,
    /// Row 13 is missing: the newest token always turns the row.
    NoJustTurned,
    /// Read, then write without a condition.
    BlindWrite,
    /// A write's condition forgets that sessions end and accounts move.
    EndForgotten,
    /// Row 12b is missing: whoever presents the newest token of a contested generation goes on.
    ContestIgnored,
    /// Row 7 has no exception for a twin.
    TwinIsReuse,
}

/// What the server lives under.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Rules {
    /// W in ticks; no message is under way for longer than one.
    pub(crate) window: u8,
    /// The idle timeout in ticks.
    pub(crate) idle: u8,
    pub(crate) retry: Retry,
    pub(crate) ahead: Ahead,
    pub(crate) lockstep: Lockstep,
    pub(crate) fault: Option<Fault>,
}

/// A token as it arrives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Ask {
    pub(crate) generation: u8,
    pub(crate) party: Party,
    /// Whose retry id comes with it; there is one for each generation and party.
    pub(crate) retry: Option<Party>,
    pub(crate) misses: u8,
}

/// What the ratchet reads of a session and its account.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct LittleRow {
    pub(crate) generation: u8,
    /// Ticks since `rotated_at`.
    pub(crate) age: i8,
    /// Ticks since the row truly turned; a [`Fault`] cannot touch it.
    pub(crate) true_age: i8,
    retry: Option<Party>,
    /// Whose retry id made the rotation before the last.
    previous_retry: Option<Party>,
    instance: Party,
    other: Option<Party>,
    taken: Option<u8>,
    pub(crate) contested: Option<u8>,
    streak: u8,
    streak_generation: Option<u8>,
    pub(crate) ended: Option<&'static str>,
    pub(crate) has_epoch_moved: bool,
}

/// What a write came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wrote {
    /// Nothing: its condition no longer held.
    Missed,
    /// The row turned.
    Turned,
    /// The row did not turn.
    Else,
}

impl LittleRow {
    pub(crate) const NEW: Self = Self {
        generation: 0,
        age: 0,
        true_age: 0,
        retry: None,
        previous_retry: None,
        instance: Party::Client,
        other: None,
        taken: None,
        contested: None,
        streak: 0,
        streak_generation: None,
        ended: None,
        has_epoch_moved: false,
    };

    pub(crate) fn is_live(&self) -> bool {
        self.ended.is_none() && !self.has_epoch_moved
    }

    pub(crate) fn has_turned_within(&self, window: u8) -> bool {
        u8::try_from(self.true_age).is_ok_and(|age| age <= window)
    }

    /// Whether this request made the last rotation.
    pub(crate) fn was_turned_by(&self, ask: Ask) -> bool {
        ask.retry.is_some() && ask.retry == self.retry && ask.generation + 1 == self.generation
    }

    /// Whether this request made the rotation before the last.
    pub(crate) fn was_turned_before_by(&self, ask: Ask) -> bool {
        ask.retry.is_some() && ask.retry == self.previous_retry && ask.generation + 2 == self.generation
    }

    /// Whether a party's instance is one of the two that the row knows.
    pub(crate) fn knows(&self, party: Party) -> bool {
        party == self.instance || self.other == Some(party)
    }

    /// Whether an unknown instance has turned the row since this generation was the newest.
    pub(crate) fn was_taken_from(&self, generation: u8) -> bool {
        self.taken.is_some_and(|taken| taken > generation)
    }

    /// Whether it has turned it to this generation, or to one before.
    pub(crate) fn was_taken_before(&self, generation: u8) -> bool {
        self.taken.is_some_and(|taken| taken <= generation)
    }

    pub(crate) fn judge(&self, ask: Ask, rules: Rules) -> Judgement {
        let mut policy = rules.policy();
        let mut token = ask.presented();
        let mut state = self.state(0, rules);
        let is_spent = token.generation < state.session.generation;
        match rules.fault {
            Some(Fault::PredecessorAlways) if token.generation.next() == state.session.generation => {
                state.session.rotated_at = NOW;
            }
            Some(Fault::ExpiryFirst) if is_spent => {
                let newest = Presented { generation: state.session.generation, ..token.clone() };
                let judged = judged(&newest, &state, ask, &policy);
                if judged.row == Row::Expired {
                    return judged;
                }
            }
            _ => {}
        }
        let judgement = judged(&token, &state, ask, &policy);
        let is_planted = match rules.fault {
            Some(Fault::NoJustTurned) => judgement.row == Row::JustTurned,
            Some(Fault::Fork) => judgement.row == Row::JustSpent,
            Some(Fault::ContestIgnored) => judgement.row == Row::Contested,
            Some(Fault::TwinIsReuse) if is_twin(&judgement) => {
                let cause = EndCause::Reuse;
                let verdict = Verdict::End(cause, Denial::Ended(Some(cause)));
                return Judgement { verdict, notice: None, ..judgement };
            }
            _ => false,
        };
        if is_planted {
            // A policy that answers no retries has no row 13 either: it turns whatever is newest.
            policy.retry = Retry::Refuse;
            state.session.contested_generation = None;
            token.generation = state.session.generation;
            return judged(&token, &state, ask, &policy);
        }
        judgement
    }

    /// What the server means to do about a request.
    pub(crate) fn verdict(&self, ask: Ask, rules: Rules) -> (Row, Verdict) {
        let judgement = self.judge(ask, rules);
        (judgement.row, judgement.verdict)
    }

    /// Carries out a verdict that was reached `since` ticks ago, if its condition still holds.
    pub(crate) fn write(&mut self, verdict: &Verdict, since: u8, rules: Rules) -> Wrote {
        let mut state = self.state(since, rules);
        let is_blind = rules.fault == Some(Fault::BlindWrite);
        if rules.fault == Some(Fault::ContestIgnored) {
            state.session.contested_generation = None;
        }
        if rules.fault == Some(Fault::EndForgotten) {
            state.session.ended = None;
            state.epoch = state.session.epoch;
        }
        match verdict {
            Verdict::Rotate(rotation) if is_blind || rotation.applies_to(&state) => {
                rotation.apply(&mut state.session);
                self.take(&state.session, since);
                self.previous_retry = self.retry;
                self.retry = rotation.retry_hash.map(|hash| party(hash[0]));
                self.true_age = self.age;
                Wrote::Turned
            }
            Verdict::Retry(retried) | Verdict::Contest(retried) if is_blind || retried.applies_to(&state) => {
                retried.apply(&mut state.session);
                if rules.fault == Some(Fault::SlidingWindow) {
                    state.session.rotated_at = NOW;
                }
                self.take(&state.session, since);
                Wrote::Else
            }
            Verdict::Rotate(_) | Verdict::Retry(_) | Verdict::Contest(_) => Wrote::Missed,
            Verdict::End(cause, _) => {
                self.ended.get_or_insert(cause.name());
                Wrote::Else
            }
            Verdict::Refuse(_) | Verdict::Fault | Verdict::Keep => Wrote::Else,
        }
    }

    /// Ends by a log-out that shows this token.
    pub(crate) fn log_out(&mut self, ask: Ask, rules: Rules) {
        let policy = rules.policy();
        let moment = Moment::uninterrupted(NOW, policy.reuse_interval);
        let state = self.state(0, rules);
        if let LogOut::Ends { cause, .. } =
            at_log_out(&ask.presented(), state, EndCause::Logout, moment, &policy)
        {
            self.ended.get_or_insert(cause.name());
        }
    }

    fn take(&mut self, session: &Session, since: u8) {
        let age = NOW.millis_since(session.rotated_at) / TICK + i64::from(since);
        self.age = i8::try_from(age).expect("ages are small");
        self.generation = little(session.generation);
        self.instance = party(session.instance_hash[0]);
        self.other = session.other_instance_hash.map(|hash| party(hash[0]));
        self.taken = session.taken_generation.map(little);
        self.contested = session.contested_generation.map(little);
        self.streak = session.streak;
        self.streak_generation = session.streak_generation.map(little);
    }

    /// The row as the ratchet sees it; `since` ticks have passed since the verdict was reached.
    fn state(&self, since: u8, rules: Rules) -> SessionState {
        let turned = Timestamp(NOW.0 + TICK * (i64::from(since) - i64::from(self.age)));
        let session = Session {
            key: KEY,
            profile: ProfileId(1),
            generation: Generation(u64::from(self.generation)),
            secret_hash: [7; 32],
            epoch: Epoch(0),
            created_at: turned,
            rotated_at: turned,
            idle_expires_at: turned.plus(rules.policy().idle_timeout),
            expires_at: Timestamp(i64::MAX),
            retry_hash: self.retry.map(|party| retry_hash(party, self.generation.saturating_sub(1))),
            authenticated_at: turned,
            methods: Methods::NONE,
            previous_retry_hash: self
                .previous_retry
                .map(|party| retry_hash(party, self.generation.saturating_sub(2))),
            instance_hash: [byte(self.instance); 16],
            other_instance_hash: self.other.map(|party| [byte(party); 16]),
            taken_generation: self.taken.map(|generation| Generation(u64::from(generation))),
            contested_generation: self.contested.map(|generation| Generation(u64::from(generation))),
            // Not counted here: a refused seventeenth retry ends nothing, and the space stays small.
            retries: 0,
            streak: self.streak,
            streak_generation: self.streak_generation.map(|generation| Generation(u64::from(generation))),
            ended: self.ended.map(|_| Ended { at: turned, cause: EndCause::Logout }),
        };
        SessionState { session, is_disabled: false, epoch: Epoch(i64::from(self.has_epoch_moved)) }
    }

    /// Lets time pass; ages beyond `most` are all alike.
    pub(crate) fn grow_older(&mut self, most: i8) {
        self.age = (self.age + 1).min(most);
        self.true_age = (self.true_age + 1).min(most);
    }

    /// Sets the server's clock back.
    pub(crate) fn grow_younger(&mut self, by: i8) {
        self.age -= by;
        self.true_age -= by;
    }

    /// Counts generations from a later one.
    pub(crate) fn shift(&mut self, by: u8) {
        self.generation -= by;
        self.streak_generation = self.streak_generation.map(|generation| generation.saturating_sub(by));
        self.taken = self.taken.and_then(|generation| generation.checked_sub(by)).filter(|taken| *taken > 0);
        self.contested = self.contested.and_then(|generation| generation.checked_sub(by));
    }

    /// Forgets a streak that can no longer run on, a contest that is over, and what this policy does not ask for.
    pub(crate) fn settle(&mut self, rules: Rules) {
        if rules.retry == Retry::Answer {
            (self.taken, self.contested) = (None, None);
        }
        self.contested = self.contested.filter(|contested| *contested == self.generation);
        if self.streak_generation.is_some_and(|last| last + 1 < self.generation) {
            (self.streak, self.streak_generation) = (0, None);
        }
        // Whoever is judged lockstep already is judged so again.
        self.streak = self.streak.min(4);
    }
}

fn is_twin(judgement: &Judgement) -> bool {
    judgement.notice == Some(Notice::LateTwin)
}

fn judged(token: &Presented, state: &SessionState, ask: Ask, policy: &Policy) -> Judgement {
    let moment = Moment::uninterrupted(NOW, policy.reuse_interval);
    judge(Some(token), &Found::Session(Box::new(state.clone())), ask.misses, moment, policy)
}

impl Ask {
    fn presented(self) -> Presented {
        Presented {
            key: KEY,
            profile: ProfileId(1),
            generation: Generation(u64::from(self.generation)),
            secret_hash: [7; 32],
            retry_hash: self.retry.map(|party| retry_hash(party, self.generation)),
            instance_hash: [byte(self.party); 16],
        }
    }
}

impl Rules {
    pub(crate) fn policy(self) -> Policy {
        let ticks = |count: u8| Duration::from_millis(u64::from(count) * TICK.unsigned_abs());
        Policy {
            reuse_interval: ticks(self.window),
            retry: self.retry,
            ahead: self.ahead,
            lockstep: self.lockstep,
            idle_timeout: ticks(self.idle),
            ..Policy::default()
        }
    }

    /// The age from which all ages are alike.
    pub(crate) fn most_age(self) -> i8 {
        let least = self.window + 1;
        let most = if self.idle == NEVER { least } else { least.max(self.idle) };
        i8::try_from(most).expect("ages are small")
    }
}

/// An idle timeout that no age reaches.
pub(crate) const NEVER: u8 = u8::MAX;

const TICK: i64 = 10_000;
const NOW: Timestamp = Timestamp(1_800_000_000_000);
const KEY: SessionKey =
    SessionKey { account: AccountId(Uuid::from_u128(1)), session: SessionId(Uuid::from_u128(2)) };

fn little(generation: Generation) -> u8 {
    u8::try_from(generation.0).expect("generations are small")
}

fn retry_hash(party: Party, generation: u8) -> [u8; 16] {
    let mut hash = [generation; 16];
    hash[0] = byte(party);
    hash
}

fn byte(party: Party) -> u8 {
    match party {
        Party::Client => 1,
        Party::Thief => 2,
        Party::Elsewhere => 3,
    }
}

fn party(byte: u8) -> Party {
    match byte {
        1 => Party::Client,
        2 => Party::Thief,
        _ => Party::Elsewhere,
    }
}
