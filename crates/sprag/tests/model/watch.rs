//! What the model watches: promises that no state shows by itself, judged from what was known at the time.

use sprag::policy::Retry;
use sprag::ratchet::{Denial, Verdict};
use sprag::session::EndCause;

use crate::model::row::{Ask, LittleRow, Rules};
use crate::model::world::{Broken, World};

impl World {
    /// The generation that whoever asked holds now, if it was answered.
    pub(crate) fn given(&self, ask: Ask, verdict: &Verdict) -> Option<u8> {
        match verdict {
            Verdict::Rotate(_) | Verdict::Retry(_) => Some(self.row.generation),
            Verdict::Keep => Some(ask.generation),
            Verdict::Refuse(_) | Verdict::Contest(_) | Verdict::Fault | Verdict::End(..) => None,
        }
    }

    /// The promises that bind every answer, whoever asked; `read` is the row the verdict was reached by.
    pub(crate) fn watch(
        &mut self,
        ask: Ask,
        read: LittleRow,
        verdict: &Verdict,
        given: Option<u8>,
        rules: Rules,
    ) {
        let is_in_window = rules.window > 0 && read.has_turned_within(rules.window);
        let is_refusing = rules.retry == Retry::Refuse;
        let is_before = read.true_age < 0;
        let is_near = is_in_window || is_before;
        let is_same_request = read.was_turned_by(ask) && (is_near || read.knows(ask.party));
        let is_own = is_refusing && read.knows(ask.party) && !read.was_taken_from(ask.generation);
        let (may_answer, may_spare) = match read.generation.saturating_sub(ask.generation) {
            0 => (true, true),
            1 => (is_same_request || (is_in_window && !is_refusing), is_near),
            _ => (false, is_near && (is_own || read.was_turned_before_by(ask))),
        };
        if let Some(given) = given {
            let is_kept = *verdict == Verdict::Keep && given == ask.generation;
            let is_successor = given == ask.generation + 1;
            if !(is_kept || is_successor) || given != self.row.generation {
                self.broken = Some(Broken::OneSuccessor);
            } else if !may_answer {
                self.broken = Some(Broken::WindowAnchored);
            }
        } else if read.is_live() && !may_answer && !may_spare && !is_reuse(verdict) {
            self.broken = Some(Broken::SpentIsReuse);
        }
    }

    /// Once the thief has turned the row and is not in step, the victim's next refresh must find it.
    pub(crate) fn watch_victim(&mut self, verdict: &Verdict, given: Option<u8>, since: u8, rules: Rules) {
        let Some(unseen) = self.unseen else { return };
        let is_in_step = unseen.is_one && unseen.age.saturating_sub(since) <= rules.window;
        let is_found = is_reuse(verdict) || matches!(verdict, Verdict::End(EndCause::Lockstep, _));
        if given.is_some() {
            self.unseen = None;
            self.has_contested = false;
        } else if is_in_step && rules.retry == Retry::Refuse && is_spent_refusal(verdict) {
            self.has_contested = true;
        }
        if !is_in_step && !is_found && *verdict != Verdict::Fault {
            self.broken = Some(Broken::ThiefFound);
        }
    }

    /// Whether an honest client was taken for a thief.
    pub(crate) fn is_over_for_honest_clients(&self) -> bool {
        let accusing = [EndCause::Reuse, EndCause::Lockstep, EndCause::Ahead].map(EndCause::name);
        !self.has_thief_struck && self.row.ended.is_some_and(|cause| accusing.contains(&cause))
    }
}

/// Whether nothing ends for now.
fn is_spent_refusal(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Contest(_) | Verdict::Refuse(Denial::Spent))
}

fn is_reuse(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::End(EndCause::Reuse, _))
}
