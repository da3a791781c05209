//! Which worlds are the same, and how to tell of one.

use sprag::policy::Retry;

use crate::model::setting::{Restores, Setting};
use crate::model::world::{At, Message, Tab, World, bit};

impl World {
    /// The world in a line.
    pub(crate) fn brief(&self) -> String {
        let row = &self.row;
        let tabs: Vec<_> = self.tabs.iter().map(Tab::brief).collect();
        let ended = row.ended.map_or(String::new(), |cause| format!(" ended: {cause}"));
        let (g, age, store) = (row.generation, row.age, self.store);
        format!("row {g}, turned {age} ago{ended}; store {store}; tabs {}", tabs.join(" | "))
    }

    /// Makes worlds equal that differ only in what cannot matter any more.
    pub(crate) fn settle(&mut self, setting: &Setting) {
        self.row.settle(setting.rules);
        if setting.restores == Restores::Never {
            self.forget_the_oldest(setting);
            self.count_from_the_oldest();
        }
        for tab in &mut self.tabs {
            tab.messages.sort_unstable();
        }
        self.tabs.sort_unstable();
    }

    /// A token two behind is as spent as the very first, and the row never goes back. With retry ids, or where it matters
    /// who has taken the row from which token, that holds of one three behind.
    fn forget_the_oldest(&mut self, setting: &Setting) {
        let is_refusing = setting.rules.retry == Retry::Refuse;
        let behind = if setting.has_retry_ids || is_refusing { 3 } else { 2 };
        let floor = self.row.generation.saturating_sub(behind);
        if is_refusing && self.row.was_taken_before(floor) {
            return;
        }
        let raise = |generation: &mut u8| *generation = (*generation).max(floor);
        raise(&mut self.store);
        for tab in &mut self.tabs {
            tab.waiting.iter_mut().for_each(|waiting| raise(&mut waiting.generation));
            for message in &mut tab.messages {
                // A row that was read before may stand further back, and its message with it.
                if !matches!(message.at, At::Read(_)) {
                    raise(&mut message.generation);
                }
                if let At::Answered(Some(given), _) = &mut message.at {
                    raise(given);
                }
            }
        }
        for tokens in [&mut self.thief, &mut self.thief_ids] {
            let forgotten = *tokens & (bit(floor) - 1);
            if forgotten != 0 {
                *tokens = (*tokens ^ forgotten) | bit(floor);
            }
        }
        self.lost &= !(bit(floor) - 1);
    }

    fn count_from_the_oldest(&mut self) {
        let read = |message: &Message| match message.at {
            At::Read(row) => row.generation.min(message.generation),
            At::Asked | At::Answered(..) => message.generation,
        };
        let waiting = self.tabs.iter().filter_map(|tab| tab.waiting).map(|waiting| waiting.generation);
        let held = (self.thief != 0).then(|| self.thief.trailing_zeros() as u8);
        let oldest = waiting.chain(self.messages().map(read)).chain(held).fold(self.store, u8::min);
        let by = oldest.min(self.row.generation).saturating_sub(1);
        if by == 0 {
            return;
        }
        self.row.shift(by);
        self.store -= by;
        self.thief >>= by;
        self.thief_ids >>= by;
        self.lost >>= by;
        for tab in &mut self.tabs {
            tab.waiting.iter_mut().for_each(|waiting| waiting.generation -= by);
            for message in &mut tab.messages {
                message.generation -= by;
                match &mut message.at {
                    At::Read(row) => row.shift(by),
                    At::Answered(Some(given), _) => *given -= by,
                    At::Asked | At::Answered(None, _) => {}
                }
            }
        }
    }
}

impl Tab {
    fn brief(&self) -> String {
        let waits = self.waiting.map_or("idle".into(), |waiting| format!("waits for {}", waiting.generation));
        let messages = self.messages.iter().map(|message| match message.at {
            At::Asked => format!(", {} asked", message.generation),
            At::Read(_) => format!(", {} read", message.generation),
            At::Answered(given, row) => format!(", {} answered {given:?} by {row:?}", message.generation),
        });
        messages.fold(waits, |line, message| line + &message)
    }
}
