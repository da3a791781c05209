//! The naive model: a ledger that keeps every token it ever gave, with what became of it.
//!
//! The ratchet keeps one row and compares generations. The ledger looks each token up and asks of it what the
//! table promises: was it spent, when, by which request, and is its successor still unspent? It shares no
//! code with the ratchet, and it may be as wasteful as it likes.

use sprag::clock::Timestamp;
use sprag::session::EndCause;

/// What a client is told, and what it holds afterwards.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Said {
    /// Here is the token of that generation.
    Successor(u64),
    /// Keep the one you have.
    Unchanged,
    /// Spent, but nobody is accused.
    NotNow,
    /// You have asked too often.
    TooOften,
    /// The session is over, for this cause.
    Over(EndCause),
}

/// The promises in force.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    pub(crate) window: i64,
    pub(crate) answers_retries: bool,
    pub(crate) fast_forwards: bool,
    pub(crate) lockstep_ends: bool,
    pub(crate) idle: i64,
    pub(crate) lifetime: i64,
}

/// Who asks, and under which retry id.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Asker {
    pub(crate) retry_id: Option<u8>,
    pub(crate) instance: u8,
}

/// One token and its fate.
#[derive(Clone, Debug)]
struct Token {
    born: i64,
    /// Who spent the token before it, to get this one; nobody that is remembered, if it was given and forgotten.
    bought_by: Option<Asker>,
    /// Whether that was somebody whom the session did not know then.
    is_taken: bool,
    /// Whether its buyer and the one from before have both come for it.
    is_contested: bool,
    /// How often it was given again.
    given_again: u8,
    /// Whether another instance was among those it was given again to.
    went_abroad: bool,
}

impl Token {
    fn given(born: i64, bought_by: Asker, is_taken: bool) -> Self {
        Self { bought_by: Some(bought_by), is_taken, ..Self::forgotten(born) }
    }

    /// One that the ledger was taken back from.
    fn forgotten(born: i64) -> Self {
        let (is_taken, is_contested) = (false, false);
        Self { born, bought_by: None, is_taken, is_contested, given_again: 0, went_abroad: false }
    }
}

/// All tokens of one session; the last is the only unspent one.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    rules: Rules,
    tokens: Vec<Token>,
    idles_out: i64,
    expires: i64,
    is_disabled: bool,
    has_epoch_moved: bool,
    ended: Option<EndCause>,
}

impl Ledger {
    pub(crate) fn open(rules: Rules, now: Timestamp) -> Self {
        let mut ledger = Self {
            rules,
            tokens: Vec::new(),
            idles_out: 0,
            expires: now.0 + rules.lifetime,
            is_disabled: false,
            has_epoch_moved: false,
            ended: None,
        };
        ledger.tokens.push(Token::given(now.0, Asker { retry_id: None, instance: 1 }, false));
        ledger.idles_out = now.0 + rules.idle;
        ledger
    }

    /// A client presents the token of this generation.
    pub(crate) fn present(&mut self, generation: u64, asker: Asker, now: Timestamp) -> Said {
        let now = now.0;
        if let Some(cause) = self.ended {
            return Said::Over(cause);
        }
        let newest = self.newest();
        if generation > newest {
            return self.present_forgotten(generation, asker, now);
        }
        if generation == newest {
            if let Some(cause) = self.reason_to_stop(now) {
                return self.end(cause);
            }
            if self.tokens[self.tokens.len() - 1].is_contested && self.other() != Some(asker.instance) {
                return self.end(EndCause::Reuse);
            }
            // The first token has no predecessor whose slow tabs must be spared.
            let is_first = generation == 0;
            let is_young = self.is_in_window(now)
                || (self.rules.window > 0 && now < self.tokens[self.tokens.len() - 1].born);
            if self.rules.answers_retries && is_young && !is_first {
                return Said::Unchanged;
            }
            return self.give(now, asker);
        }
        self.present_spent(generation, asker, now)
    }

    fn present_spent(&mut self, generation: u64, asker: Asker, now: i64) -> Said {
        let newest = self.newest();
        let is_refusing = !self.rules.answers_retries;
        let is_soon = self.is_in_window(now);
        let is_before = now < self.tokens[self.tokens.len() - 1].born;
        let came_with = |retry_id: Option<u8>| asker.retry_id.is_some() && asker.retry_id == retry_id;

        if generation + 1 < newest {
            let before_last = self.buyers().nth(1).and_then(|buyer| buyer.retry_id);
            let is_twin = generation + 2 == newest && came_with(before_last);
            let is_own = self.knows(asker.instance) && !self.was_taken_from(generation);
            let is_spared = is_twin || (is_refusing && is_own);
            return if is_spared && (is_soon || is_before) {
                Said::NotNow
            } else {
                self.end(EndCause::Reuse)
            };
        }
        let is_same_request =
            came_with(self.buyer().retry_id) && (is_soon || is_before || self.knows(asker.instance));
        if is_same_request || (is_soon && !is_refusing) {
            if let Some(cause) = self.reason_to_stop(now) {
                return self.end(cause);
            }
            return self.give_again(asker, !is_same_request);
        }
        if is_soon && asker.instance != self.buyer().instance && self.was_taken_from(generation) {
            let goes_on = self.reason_to_stop(now).is_none();
            self.tokens.last_mut().expect("one is the newest").is_contested |= goes_on;
        }
        if is_soon || is_before { Said::NotNow } else { self.end(EndCause::Reuse) }
    }

    /// A token the ledger has forgotten giving, because it was taken back to an older copy of itself.
    fn present_forgotten(&mut self, generation: u64, asker: Asker, now: i64) -> Said {
        if !self.rules.fast_forwards {
            return self.end(EndCause::Ahead);
        }
        if let Some(cause) = self.reason_to_stop(now) {
            return self.end(cause);
        }
        while self.newest() < generation {
            self.tokens.push(Token::forgotten(now));
        }
        self.give(now, asker)
    }

    fn give_again(&mut self, asker: Asker, may_end: bool) -> Said {
        let newest = self.newest();
        let last = self.tokens.len() - 1;
        if self.tokens[last].given_again == 16 {
            return Said::TooOften;
        }
        let is_abroad = asker.instance != self.buyer().instance;
        if is_abroad && !self.tokens[last].went_abroad {
            let running = self.tokens[..last].iter().rev().take_while(|token| token.went_abroad).count() + 1;
            if running >= 3 && self.rules.lockstep_ends && may_end {
                return self.end(EndCause::Lockstep);
            }
            self.tokens[last].went_abroad = true;
        }
        self.tokens[last].given_again += 1;
        Said::Successor(newest)
    }

    fn give(&mut self, now: i64, bought_by: Asker) -> Said {
        let is_taken = !self.knows(bought_by.instance);
        self.tokens.push(Token::given(now, bought_by, is_taken));
        self.idles_out = now + self.rules.idle;
        Said::Successor(self.newest())
    }

    /// Who bought the newest token.
    fn buyer(&self) -> Asker {
        self.buyers().next().expect("somebody opened it")
    }

    /// Everybody who bought one and is remembered, the last first.
    fn buyers(&self) -> impl Iterator<Item = Asker> {
        self.tokens.iter().rev().filter_map(|token| token.bought_by)
    }

    /// The last other instance that bought one.
    fn other(&self) -> Option<u8> {
        let own = self.buyer().instance;
        self.buyers().map(|buyer| buyer.instance).find(|instance| *instance != own)
    }

    fn knows(&self, instance: u8) -> bool {
        instance == self.buyer().instance || self.other() == Some(instance)
    }

    /// Whether somebody unknown has bought a token since this one was the newest.
    fn was_taken_from(&self, generation: u64) -> bool {
        self.tokens.iter().zip(0..).any(|(token, number)| number > generation && token.is_taken)
    }

    pub(crate) fn newest(&self) -> u64 {
        self.tokens.len() as u64 - 1
    }

    fn is_in_window(&self, now: i64) -> bool {
        let born = self.tokens[self.tokens.len() - 1].born;
        self.rules.window > 0 && born <= now && now <= born + self.rules.window
    }

    fn reason_to_stop(&self, now: i64) -> Option<EndCause> {
        let reasons = [
            (self.is_disabled, EndCause::Disabled),
            (self.has_epoch_moved, EndCause::Revoked),
            (now >= self.expires, EndCause::Expired),
            (now >= self.idles_out, EndCause::Idle),
        ];
        reasons.into_iter().find(|(holds, _)| *holds).map(|(_, cause)| cause)
    }

    pub(crate) fn end(&mut self, cause: EndCause) -> Said {
        self.ended.get_or_insert(cause);
        Said::Over(cause)
    }

    pub(crate) fn set_disabled(&mut self, is_disabled: bool) {
        self.is_disabled = is_disabled;
    }

    pub(crate) fn move_epoch(&mut self) {
        self.has_epoch_moved = true;
    }
}
