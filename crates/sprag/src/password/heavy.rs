//! The line in front of the dearest comparisons, of which one is done at a time: bounded, and served one network after the other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::lines::{Leaving, Lines};
use crate::error::Fault;
use crate::prefix::Prefix;

/// Who may have one of the dearest comparisons done next.
pub(super) struct HeavyLine(Mutex<State>);

struct State {
    lines: Lines<Ticket>,
    is_taken: bool,
}

/// Who waits for a turn. Dropped, it says that there is no place any more.
struct Ticket(oneshot::Sender<Admission>);

impl Leaving for Ticket {
    fn is_gone(&self) -> bool {
        self.0.is_closed()
    }
}

/// That one may go ahead, until it is dropped; then the next one may.
pub(super) struct Admission(Arc<HeavyLine>);

impl HeavyLine {
    /// As many may wait as `places` says, at least one: with more, the last would wait for minutes.
    pub(super) fn of(places: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { lines: Lines::of(places.max(1)), is_taken: false })))
    }

    /// Waits until none of the dearest comparisons is under way, and those before it of other networks have had their turn.
    ///
    /// # Errors
    /// A busy [`Fault`] where too many wait already, or where another network's first takes the place of this one's newest.
    pub(super) async fn turn(self: &Arc<Self>, prefix: Prefix) -> Result<Admission, Fault> {
        let turn = {
            let mut state = self.lock();
            if !state.is_taken {
                state.is_taken = true;
                return Ok(Admission(Arc::clone(self)));
            }
            let (ticket, turn) = oneshot::channel();
            drop(state.lines.add(prefix, Ticket(ticket)));
            turn
        };
        turn.await.map_err(|_no_place| Fault::busy("take in one more of the costliest passwords"))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What is behind it is whole at every moment.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let next = {
            let mut state = self.0.lock();
            let next = state.lines.next();
            state.is_taken = next.is_some();
            next
        };
        if let Some(Ticket(next)) = next {
            // Whoever left just now hands it on: the turn that is not taken is dropped.
            drop(next.send(Self(Arc::clone(&self.0))));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;

    use tokio::task::yield_now;

    use super::*;

    type Asking = Pin<Box<dyn Future<Output = Result<Admission, Fault>>>>;

    fn network(number: u8) -> Prefix {
        Prefix::of(Some(&format!("10.0.{number}.1")))
    }

    async fn asks(line: &Arc<HeavyLine>, number: u8) -> Asking {
        let line = Arc::clone(line);
        let mut asking: Asking = Box::pin(async move { line.turn(network(number)).await });
        assert!(now(&mut asking).await.is_none());
        asking
    }

    async fn now(asking: &mut Asking) -> Option<Result<Admission, Fault>> {
        yield_now().await;
        std::future::poll_fn(|context| {
            let polled = asking.as_mut().poll(context);
            std::task::Poll::Ready(match polled {
                std::task::Poll::Ready(turn) => Some(turn),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }

    #[tokio::test]
    async fn a_network_with_many_of_the_dearest_passwords_kept_another_one_waiting() {
        let line = HeavyLine::of(8);
        let under_way = line.turn(network(1)).await.unwrap();
        let mut many = [asks(&line, 1).await, asks(&line, 1).await, asks(&line, 1).await];
        let mut other = asks(&line, 2).await;
        drop(under_way);
        let first = now(&mut many[0]).await.expect("it came first").unwrap();
        assert!(now(&mut other).await.is_none());
        drop(first);
        let turn = now(&mut other).await.expect("then the other network has its turn").unwrap();
        assert!(now(&mut many[1]).await.is_none());
        drop(turn);
        assert!(now(&mut many[1]).await.is_some());
    }

    #[tokio::test]
    async fn a_network_took_all_places_and_others_heard_that_there_was_none() {
        let line = HeavyLine::of(2);
        let _under_way = line.turn(network(1)).await.unwrap();
        let (mut first, mut second) = (asks(&line, 1).await, asks(&line, 1).await);
        let mut other = asks(&line, 2).await;
        assert!(now(&mut second).await.expect("its place is another network's").is_err());
        assert!(now(&mut first).await.is_none() && now(&mut other).await.is_none());
    }

    #[tokio::test]
    async fn a_turn_that_nobody_takes_is_the_next_ones() {
        let line = HeavyLine::of(8);
        let under_way = line.turn(network(1)).await.unwrap();
        let (left, gone, mut waits) = (asks(&line, 1).await, asks(&line, 2).await, asks(&line, 3).await);
        drop(gone);
        drop(under_way);
        // It has been handed the turn, and goes away before it has looked.
        drop(left);
        let turn = now(&mut waits).await.expect("it is the only one left").unwrap();
        drop(turn);
        assert!(line.turn(network(4)).await.is_ok());
    }
}
