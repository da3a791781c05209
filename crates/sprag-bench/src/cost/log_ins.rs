//! Log-ins under callgrind, which takes a hundred times as long over a password's hash as the processor does: on a busy machine
//! longer than a server lets anybody wait. One that was answered 503 does not count, and comes again.

use std::thread::sleep;
use std::time::Duration;

use super::callgrind::Counted;
use super::counts::Counts;
use super::report::Measured;
use crate::output::tell;
use crate::stage::Stage;

/// How often a log-in is tried that the server finds no time for.
const TRIES: usize = 12;

/// How long to wait before it is tried again: the hash that nobody waits for any more is worked on to its end.
const PAUSE: Duration = Duration::from_secs(5);

/// Counts log-ins, for as long as the machine has time for them.
pub(super) struct LogIns<'a> {
    pub(super) stage: &'a Stage,
    /// How many a round has; none from the moment that one came to nothing however often it was tried.
    pub(super) wanted: usize,
}

impl LogIns<'_> {
    /// One log-in, so that every statement is prepared.
    pub(super) fn warm_up(&mut self, counted: &Counted<'_>, user: usize) -> anyhow::Result<()> {
        if self.wanted > 0 {
            let answered = until_answered(TRIES, PAUSE, || Ok(self.ask(counted, user)?.then_some(())))?;
            self.give_up_unless(answered.is_some());
        }
        Ok(())
    }

    /// Counts a round of them, each by itself.
    pub(super) fn count(
        &mut self,
        counted: &mut Counted<'_>,
        user: usize,
        measured: &mut Measured,
    ) -> anyhow::Result<()> {
        let mut counts = Counts::default();
        for _ in 0..self.wanted {
            let one = until_answered(TRIES, PAUSE, || {
                counted.forget()?;
                let is_answered = self.ask(counted, user)?;
                let one = counted.take()?;
                Ok(is_answered.then_some(one))
            })?;
            let Some(one) = one else {
                self.give_up_unless(false);
                return Ok(());
            };
            counts.take_in(&one);
        }
        if self.wanted > 0 {
            measured.add_log_ins(&counts, self.wanted as u64);
        }
        Ok(())
    }

    fn ask(&self, counted: &Counted<'_>, user: usize) -> anyhow::Result<bool> {
        self.stage.log_in(&counted.server, user)
    }

    fn give_up_unless(&mut self, is_answered: bool) {
        if !is_answered {
            tell(format_args!(
                "  log-ins are left out from here on: {TRIES} in turn were answered 503, as this machine is too busy to hash a \
                 password under valgrind in time; count them when less else runs, or none with --log-ins 0"
            ));
            self.wanted = 0;
        }
    }
}

/// Asks until there is an answer, so many times at most, with a pause after each that came to nothing.
fn until_answered<T>(
    tries: usize,
    pause: Duration,
    mut ask: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<Option<T>> {
    for _ in 0..tries {
        let answer = ask()?;
        if answer.is_some() {
            return Ok(answer);
        }
        sleep(pause);
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    #[test]
    fn a_log_in_that_was_answered_503_counts_when_it_is_answered() {
        let mut asked = 0;
        let answered = until_answered(5, Duration::ZERO, || {
            asked += 1;
            Ok((asked == 3).then_some(asked))
        });
        assert_eq!(answered.unwrap(), Some(3));
    }

    #[test]
    fn what_is_never_answered_is_given_up_and_what_breaks_is_told_at_once() {
        let mut asked = 0;
        let mut count = |outcome: fn() -> anyhow::Result<Option<()>>| {
            let came_to = until_answered(5, Duration::ZERO, || {
                asked += 1;
                outcome()
            });
            (came_to.ok(), std::mem::take(&mut asked))
        };
        assert_eq!(count(|| Ok(None)), (Some(None), 5));
        assert_eq!(count(|| bail!("it broke off")), (None, 1));
    }
}
