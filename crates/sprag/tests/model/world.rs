//! The model: one session's row, tabs that share one token store, a network, a thief, and every order in
//! which things can happen to them.
//!
//! Time goes in ticks. No message is under way for longer than one tick, so a [`Setting`] with a window of
//! three ticks has delays of at most W/3. Where no backup is restored, generations are counted from the oldest
//! token about, so that the space is finite though the session may live for ever.

use sprag::ratchet::{Row, Verdict};
use sprag::session::EndCause;

use crate::model::row::{Ask, LittleRow, Party, Wrote};
use crate::model::setting::{Losses, Restores, RetryIdTheft, Setting};

/// A promise that was broken.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Broken {
    /// A generation was answered with something else than its one successor, or turned twice.
    OneSuccessor,
    /// A spent token was answered outside the window.
    WindowAnchored,
    /// A spent token outside the window did not count as reuse.
    SpentIsReuse,
    /// A refresh that began after an acknowledged end succeeded, or a write changed an ended row.
    EndIsFinal,
    /// The victim's next refresh did not find the thief.
    ThiefFound,
}

/// Where a message is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) enum At {
    /// On its way to the server.
    Asked,
    /// The server has read this row for it and not yet written.
    Read(LittleRow),
    /// On its way back, decided by this row of the table; with the generation the client then holds.
    Answered(Option<u8>, Row),
}

/// One request, and later its answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Message {
    pub(crate) at: At,
    pub(crate) generation: u8,
    /// Whether it comes from the client's other network.
    pub(crate) is_elsewhere: bool,
    pub(crate) is_copy: bool,
    pub(crate) is_after_end: bool,
    pub(crate) age: u8,
    /// Ticks since the row was read for it.
    pub(crate) since: u8,
    pub(crate) misses: u8,
}

/// One tab: the request it waits for, and its messages under way.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub(crate) struct Tab {
    pub(crate) waiting: Option<Waiting>,
    pub(crate) messages: Vec<Message>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Waiting {
    pub(crate) generation: u8,
    pub(crate) age: u8,
}

/// Rotations by the thief that the victim has not come upon yet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Unseen {
    pub(crate) is_one: bool,
    /// Ticks since the last.
    pub(crate) age: u8,
}

/// Everything there is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct World {
    pub(crate) row: LittleRow,
    /// The token that all tabs share.
    pub(crate) store: u8,
    pub(crate) tabs: Vec<Tab>,
    pub(crate) backup: Option<LittleRow>,
    pub(crate) has_restored: bool,
    pub(crate) has_clock_gone_back: bool,
    pub(crate) is_end_acknowledged: bool,
    /// The generations of which a message was lost, one bit each.
    pub(crate) lost: u16,
    /// The generations of the tokens that the thief holds, one bit each.
    pub(crate) thief: u16,
    /// Those of them that it copied together with the client's retry id.
    pub(crate) thief_ids: u16,
    pub(crate) has_thief_struck: bool,
    pub(crate) unseen: Option<Unseen>,
    /// Whether the victim was refused a token that the thief had spent a moment before, and has not gone on since.
    pub(crate) has_contested: bool,
    pub(crate) broken: Option<Broken>,
}

/// Something that happens next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Action {
    Tick,
    /// A tab refreshes.
    Ask {
        tab: usize,
        is_elsewhere: bool,
    },
    /// A tab whose answer is overdue looks whether the store has moved on, and else repeats its request.
    Again {
        tab: usize,
        is_elsewhere: bool,
    },
    /// A request comes to the server; with duplicates, a copy of it stays under way.
    Arrive {
        tab: usize,
        message: usize,
        leaves_copy: bool,
    },
    Write {
        tab: usize,
        message: usize,
    },
    Answer {
        tab: usize,
        message: usize,
    },
    /// A request or an answer is lost, or the server crashes before the write or before the answer.
    Lose {
        tab: usize,
        message: usize,
    },
    ThiefCopies,
    ThiefAsks {
        generation: u8,
        has_retry_id: bool,
    },
    LogOut,
    MoveEpoch,
    Backup,
    Restore,
    ClockBack,
}

impl World {
    pub(crate) fn new(setting: &Setting) -> Self {
        Self {
            row: LittleRow::NEW,
            store: 0,
            tabs: vec![Tab::default(); usize::from(setting.tabs)],
            backup: None,
            has_restored: false,
            has_clock_gone_back: false,
            is_end_acknowledged: false,
            lost: 0,
            thief: 0,
            thief_ids: 0,
            has_thief_struck: false,
            unseen: None,
            has_contested: false,
            broken: None,
        }
    }

    pub(crate) fn actions(&self, setting: &Setting, actions: &mut Vec<Action>) {
        if self.broken.is_some() || self.is_over_for_honest_clients() {
            return;
        }
        self.client_actions(setting, actions);
        self.network_actions(setting, actions);
        if setting.has_thief {
            actions.push(Action::ThiefCopies);
            for (tokens, has_retry_id) in [(self.thief, false), (self.thief_ids, true)] {
                let held = (0..16).filter(|generation| tokens & (1 << generation) != 0);
                actions.extend(held.map(|generation| Action::ThiefAsks { generation, has_retry_id }));
            }
        }
        if setting.has_ends && self.row.is_live() {
            actions.extend([Action::LogOut, Action::MoveEpoch]);
        }
        if setting.restores != Restores::Never && !self.has_restored {
            actions.push(Action::Backup);
            let is_quiet = self.messages().next().is_none();
            if self.backup.is_some() && (is_quiet || setting.restores == Restores::Anytime) {
                actions.push(Action::Restore);
            }
        }
        if setting.clock_back > 0 && !self.has_clock_gone_back {
            actions.push(Action::ClockBack);
        }
        if self.may_tick(setting) {
            actions.push(Action::Tick);
        }
    }

    fn client_actions(&self, setting: &Setting, actions: &mut Vec<Action>) {
        let is_free = !setting.is_locked || self.tabs.iter().all(|tab| tab.waiting.is_none());
        for (tab, state) in self.tabs.iter().enumerate() {
            let has_room = state.messages.len() < setting.messages;
            match state.waiting {
                None if is_free && has_room => {
                    actions.push(Action::Ask { tab, is_elsewhere: false });
                    if setting.has_two_networks {
                        actions.push(Action::Ask { tab, is_elsewhere: true });
                    }
                }
                Some(Waiting { age: OVERDUE.., .. }) if state.messages.is_empty() => {
                    actions.push(Action::Again { tab, is_elsewhere: false });
                    if setting.has_two_networks {
                        actions.push(Action::Again { tab, is_elsewhere: true });
                    }
                }
                _ => {}
            }
        }
    }

    fn network_actions(&self, setting: &Setting, actions: &mut Vec<Action>) {
        for (tab, state) in self.tabs.iter().enumerate() {
            let has_room = state.messages.len() < setting.messages;
            for (message, sent) in state.messages.iter().enumerate() {
                match sent.at {
                    At::Asked => {
                        actions.push(Action::Arrive { tab, message, leaves_copy: false });
                        if setting.has_duplicates && has_room && !sent.is_copy {
                            actions.push(Action::Arrive { tab, message, leaves_copy: true });
                        }
                    }
                    At::Read(_) => actions.push(Action::Write { tab, message }),
                    At::Answered(..) => actions.push(Action::Answer { tab, message }),
                }
                let may_lose = match setting.losses {
                    Losses::None => false,
                    Losses::OfCopies => sent.is_copy,
                    Losses::OnePerGeneration => self.lost & bit(sent.generation) == 0,
                    Losses::Any => true,
                };
                if may_lose {
                    actions.push(Action::Lose { tab, message });
                }
            }
        }
    }

    /// Nothing stays under way for longer than a tick, and who must hurry does.
    fn may_tick(&self, setting: &Setting) -> bool {
        let must_hurry = setting.losses == Losses::OnePerGeneration;
        let is_late = |tab: &Tab| tab.waiting.is_some_and(|waiting| waiting.age >= OVERDUE);
        self.messages().all(|message| message.age < 1) && !(must_hurry && self.tabs.iter().any(is_late))
    }

    pub(crate) fn step(&mut self, action: Action, setting: &Setting) {
        match action {
            Action::Tick => self.tick(setting),
            Action::Ask { tab, is_elsewhere } => self.send(tab, self.store, is_elsewhere),
            Action::Again { tab, is_elsewhere } => match self.tabs[tab].waiting {
                Some(waiting) if waiting.generation == self.store => self.send(tab, self.store, is_elsewhere),
                _ => self.tabs[tab].waiting = None,
            },
            Action::Arrive { tab, message, leaves_copy } => {
                let mut arrived = self.tabs[tab].messages.remove(message);
                if leaves_copy {
                    self.tabs[tab].messages.push(Message { is_copy: true, ..arrived });
                }
                (arrived.at, arrived.since) = (At::Read(self.row), 0);
                self.read(tab, arrived, setting);
            }
            Action::Write { tab, message } => {
                let message = self.tabs[tab].messages.remove(message);
                self.write(tab, message, setting);
            }
            Action::Answer { tab, message } => {
                let message = self.tabs[tab].messages.remove(message);
                self.answer(tab, message, setting);
            }
            Action::Lose { tab, message } => {
                let message = self.tabs[tab].messages.remove(message);
                if setting.losses == Losses::OnePerGeneration {
                    self.lost |= bit(message.generation);
                }
            }
            Action::ThiefCopies => {
                self.thief |= bit(self.store);
                if setting.retry_id_theft != RetryIdTheft::No {
                    self.thief_ids |= bit(self.store);
                }
            }
            Action::ThiefAsks { generation, has_retry_id } => {
                self.thief_asks(generation, has_retry_id, setting)
            }
            Action::LogOut => {
                self.log_out(setting);
                self.is_end_acknowledged = true;
            }
            Action::MoveEpoch => {
                self.row.has_epoch_moved = true;
                self.is_end_acknowledged = true;
            }
            Action::Backup => self.backup = Some(self.row),
            Action::Restore => self.restore(),
            Action::ClockBack => {
                let by = i8::try_from(setting.clock_back).expect("a small step");
                self.row.grow_younger(by);
                self.has_clock_gone_back = true;
            }
        }
        self.settle(setting);
    }

    /// With the token that the tabs share, and its retry id where there is one; else with an access token.
    fn log_out(&mut self, setting: &Setting) {
        if setting.has_retry_ids {
            let (generation, retry) = (self.store, Some(Party::Client));
            let ask = Ask { generation, party: Party::Client, retry, misses: 0 };
            self.row.log_out(ask, setting.rules);
        } else {
            self.row.ended = Some(EndCause::Logout.name());
        }
    }

    fn tick(&mut self, setting: &Setting) {
        let most = setting.rules.most_age();
        self.row.grow_older(most);
        if let Some(backup) = &mut self.backup {
            backup.grow_older(most);
        }
        for tab in &mut self.tabs {
            if let Some(waiting) = &mut tab.waiting {
                waiting.age = (waiting.age + 1).min(OVERDUE);
            }
            for message in &mut tab.messages {
                message.age += 1;
                message.since += u8::from(matches!(message.at, At::Read(_)));
            }
        }
        if let Some(unseen) = &mut self.unseen {
            unseen.age = (unseen.age + 1).min(setting.rules.window + 2);
        }
    }

    fn send(&mut self, tab: usize, generation: u8, is_elsewhere: bool) {
        self.tabs[tab].waiting = Some(Waiting { generation, age: 0 });
        self.tabs[tab].messages.push(Message {
            at: At::Asked,
            generation,
            is_elsewhere,
            is_copy: false,
            is_after_end: self.is_end_acknowledged,
            age: 0,
            since: 0,
            misses: 0,
        });
    }

    /// The server reads the row; what needs no write it answers at once.
    fn read(&mut self, tab: usize, message: Message, setting: &Setting) {
        let (_, verdict) = self.row.verdict(message.ask(setting), setting.rules);
        let needs_write = matches!(
            verdict,
            Verdict::Rotate(_) | Verdict::Retry(_) | Verdict::Contest(_) | Verdict::End(..)
        );
        if needs_write && setting.is_two_step {
            self.tabs[tab].messages.push(message);
        } else {
            self.write(tab, message, setting);
        }
    }

    /// The server carries out what it made of the row it read.
    fn write(&mut self, tab: usize, mut message: Message, setting: &Setting) {
        let At::Read(read) = message.at else { return };
        let ask = message.ask(setting);
        let (row, verdict) = read.verdict(ask, setting.rules);
        let was_ended = !self.row.is_live();
        let before = self.row.generation;
        let wrote = self.row.write(&verdict, message.since, setting.rules);
        if wrote == Wrote::Missed {
            (message.at, message.misses) = (At::Asked, message.misses + 1);
            self.tabs[tab].messages.push(message);
            return;
        }
        if was_ended && matches!(verdict, Verdict::Rotate(_) | Verdict::Retry(_)) {
            self.broken = Some(Broken::EndIsFinal);
        }
        if wrote == Wrote::Turned && read.generation != before {
            self.broken = Some(Broken::OneSuccessor);
        }
        let given = self.given(ask, &verdict);
        self.watch(ask, read, &verdict, given, setting.rules);
        if !was_ended {
            self.watch_victim(&verdict, given, message.since, setting.rules);
        }
        if given.is_some() && message.is_after_end {
            self.broken = Some(Broken::EndIsFinal);
        }
        message.at = At::Answered(given, row);
        (message.age, message.since, message.misses) = (0, 0, 0);
        self.tabs[tab].messages.push(message);
    }

    fn answer(&mut self, tab: usize, message: Message, setting: &Setting) {
        let At::Answered(given, _) = message.at else { return };
        if let Some(given) = given {
            self.store = if setting.keeps_newer { self.store.max(given) } else { given };
        }
        let waits = |waiting: Waiting| waiting.generation == message.generation;
        if self.tabs[tab].waiting.is_some_and(waits) {
            self.tabs[tab].waiting = None;
        }
    }

    /// The thief's requests need no network: the worst moment for each is among the others.
    fn thief_asks(&mut self, generation: u8, has_retry_id: bool, setting: &Setting) {
        let retry = has_retry_id.then_some(Party::Client);
        let ask = Ask { generation, party: Party::Thief, retry, misses: 0 };
        let read = self.row;
        let (_, verdict) = read.verdict(ask, setting.rules);
        let wrote = self.row.write(&verdict, 0, setting.rules);
        let given = self.given(ask, &verdict);
        self.has_thief_struck = true;
        self.watch(ask, read, &verdict, given, setting.rules);
        if given.is_some() && self.is_end_acknowledged {
            self.broken = Some(Broken::EndIsFinal);
        }
        let is_spared = has_retry_id && setting.retry_id_theft == RetryIdTheft::FoundLater;
        // It was known then that one of the two had no right to the newest token: it must not be the one that goes on.
        if wrote == Wrote::Turned && self.has_contested {
            self.broken = Some(Broken::ThiefFound);
        }
        if wrote == Wrote::Turned && !is_spared {
            self.unseen = Some(Unseen { is_one: self.unseen.is_none(), age: 0 });
        }
        self.thief |= given.map_or(0, bit);
    }

    fn restore(&mut self) {
        let Some(backup) = self.backup.take() else { return };
        self.row = backup;
        self.has_restored = true;
        // What was ended since the backup lives again: the journal tells, and an operator decides.
        self.is_end_acknowledged = !backup.is_live();
        for message in self.tabs.iter_mut().flat_map(|tab| &mut tab.messages) {
            message.is_after_end &= self.is_end_acknowledged;
        }
        self.unseen = None;
        self.has_contested = false;
    }

    pub(crate) fn messages(&self) -> impl Iterator<Item = &Message> {
        self.tabs.iter().flat_map(|tab| &tab.messages)
    }
}

impl Message {
    fn ask(&self, setting: &Setting) -> Ask {
        Ask {
            generation: self.generation,
            party: if self.is_elsewhere { Party::Elsewhere } else { Party::Client },
            retry: setting.has_retry_ids.then_some(Party::Client),
            misses: self.misses,
        }
    }
}

pub(crate) fn bit(generation: u8) -> u16 {
    1 << generation
}

/// The age of a request that nothing can answer any more: there and back takes two ticks.
const OVERDUE: u8 = 2;
