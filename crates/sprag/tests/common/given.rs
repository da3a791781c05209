//! What the ratchet is given, in words: a row, a token and a moment, all measured from each other.

use std::time::Duration;

use sprag::clock::Timestamp;
use sprag::policy::{Ahead, Lockstep, Policy, Retry};
use sprag::ratchet::{Found, Judgement, Moment, Presented, SessionState, judge};
use sprag::session::{
    AccountId, EndCause, Ended, Epoch, Generation, Methods, ProfileId, Session, SessionId, SessionKey,
    ShortHash,
};
use uuid::Uuid;

/// W, in milliseconds, unless a case says otherwise.
pub(crate) const W: i64 = 30_000;

/// A moment far from both ends of time; every row has turned here.
pub(crate) const TURNED: Timestamp = Timestamp(1_800_000_000_000);

/// The retry id of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Id {
    /// It has none.
    None,
    /// The one that made the last rotation.
    Same,
    /// The one that made the rotation before the last.
    BeforeLast,
    /// Another.
    Other,
}

/// Where the session comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Where {
    /// The tag did not verify, so nobody looked.
    NotLooked,
    /// There is none.
    Nowhere,
    /// Found.
    Here,
}

/// One situation: the row's side first, then the token's, then the policy's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Given {
    pub(crate) place: Where,
    /// g.
    pub(crate) g: u64,
    /// Whether a retry id made the last rotation.
    pub(crate) has_retry_id: bool,
    /// Whether one made the rotation before the last.
    pub(crate) has_earlier_id: bool,
    /// Whether the foreign instance is the last other one that the row had.
    pub(crate) knows_foreign: bool,
    /// The generation that an instance unknown till then turned the row to.
    pub(crate) taken: Option<u64>,
    /// The generation that is contested.
    pub(crate) contested: Option<u64>,
    pub(crate) retries: u8,
    /// The streak and the last generation that counted for it.
    pub(crate) streak: (u8, Option<u64>),
    pub(crate) ended: Option<EndCause>,
    pub(crate) is_disabled: bool,
    pub(crate) has_epoch_moved: bool,
    /// Milliseconds from now until the idle timeout.
    pub(crate) idle_in: i64,
    /// Milliseconds from now until the absolute lifetime ends.
    pub(crate) expires_in: i64,
    /// n.
    pub(crate) n: u64,
    /// Milliseconds since the row turned.
    pub(crate) age: i64,
    /// For how many of them nobody could be answered.
    pub(crate) outage: i64,
    pub(crate) id: Id,
    pub(crate) is_foreign: bool,
    pub(crate) has_wrong_secret: bool,
    pub(crate) has_other_profile: bool,
    pub(crate) misses: u8,
    pub(crate) window: i64,
    pub(crate) retry: Retry,
    pub(crate) ahead: Ahead,
    pub(crate) lockstep: Lockstep,
}

impl Given {
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(TURNED.0.saturating_add(self.age))
    }

    pub(crate) fn moment(&self) -> Moment {
        let served = Moment::uninterrupted(self.now(), self.policy().reuse_interval);
        Moment { window_start: Timestamp(served.window_start.0 - self.outage), ..served }
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            reuse_interval: Duration::from_millis(self.window.unsigned_abs()),
            retry: self.retry,
            ahead: self.ahead,
            lockstep: self.lockstep,
            ..Policy::default()
        }
    }

    pub(crate) fn state(&self) -> SessionState {
        let now = self.now();
        let session = Session {
            key: key(),
            profile: ProfileId(1),
            generation: Generation(self.g),
            secret_hash: [7; 32],
            epoch: Epoch(3),
            created_at: Timestamp(TURNED.0 - 86_400_000),
            rotated_at: TURNED,
            idle_expires_at: Timestamp(now.0.saturating_add(self.idle_in)),
            expires_at: Timestamp(now.0.saturating_add(self.expires_in)),
            authenticated_at: Timestamp(TURNED.0 - 86_400_000),
            methods: Methods::PASSWORD,
            retry_hash: self.has_retry_id.then_some(RETRY_ID),
            previous_retry_hash: self.has_earlier_id.then_some(EARLIER_ID),
            instance_hash: OWN,
            other_instance_hash: self.knows_foreign.then_some(FOREIGN),
            taken_generation: self.taken.map(Generation),
            contested_generation: self.contested.map(Generation),
            retries: self.retries,
            streak: self.streak.0,
            streak_generation: self.streak.1.map(Generation),
            ended: self.ended.map(|cause| Ended { at: TURNED, cause }),
        };
        let epoch = if self.has_epoch_moved { Epoch(4) } else { Epoch(3) };
        SessionState { session, is_disabled: self.is_disabled, epoch }
    }

    pub(crate) fn token(&self) -> Presented {
        Presented {
            key: key(),
            profile: ProfileId(if self.has_other_profile { 2 } else { 1 }),
            generation: Generation(self.n),
            secret_hash: if self.has_wrong_secret { [8; 32] } else { [7; 32] },
            retry_hash: match self.id {
                Id::None => None,
                Id::Same => Some(RETRY_ID),
                Id::BeforeLast => Some(EARLIER_ID),
                Id::Other => Some([0xee; 16]),
            },
            instance_hash: if self.is_foreign { FOREIGN } else { OWN },
        }
    }

    pub(crate) fn found(&self) -> Found {
        match self.place {
            Where::NotLooked | Where::Nowhere => Found::Nothing,
            Where::Here => Found::Session(Box::new(self.state())),
        }
    }

    pub(crate) fn judged(&self) -> Judgement {
        let token = (self.place != Where::NotLooked).then(|| self.token());
        judge(token.as_ref(), &self.found(), self.misses, self.moment(), &self.policy())
    }
}

pub(crate) const RETRY_ID: ShortHash = [1; 16];
pub(crate) const EARLIER_ID: ShortHash = [4; 16];
pub(crate) const OWN: ShortHash = [2; 16];
pub(crate) const FOREIGN: ShortHash = [3; 16];

fn key() -> SessionKey {
    SessionKey { account: AccountId(Uuid::from_u128(1)), session: SessionId(Uuid::from_u128(2)) }
}
