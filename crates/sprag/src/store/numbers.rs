//! Numbers that new accounts of a profile are known by, where the app's tables count their users.

use async_trait::async_trait;

use crate::error::Fault;
use crate::session::ProfileId;

/// The largest number that is handed out: the largest that every JSON reader holds exactly.
pub const MAX_NUMBER: u64 = (1 << 53) - 1;

/// The longest number that is looked at, in digits: those of [`MAX_NUMBER`].
pub(super) const MAX_DIGITS: u8 = 16;

/// Hands out numbers, each once and for all, however many nodes ask.
#[async_trait]
pub trait Numbers: Send + Sync {
    /// How far a profile has come; `None` if it was never given a floor or asked for a number.
    async fn numbering(&self, profile: ProfileId) -> Result<Option<Numbering>, Fault>;

    /// Sets the floor above which a profile's numbers are; it is never lowered.
    async fn raise_floor(&self, profile: ProfileId, floor: u64) -> Result<Numbering, Fault>;

    /// The next number of a profile: above this floor, above every floor before, and above every number handed out before,
    /// by one statement. Whether or not an account is made with it, nobody gets it again.
    ///
    /// # Errors
    /// A [`Fault`]; then a number may have been handed out that nobody heard of. Also where [`MAX_NUMBER`] is reached.
    async fn next_number(&self, profile: ProfileId, floor: u64) -> Result<u64, Fault>;

    /// The highest number that an account is known by on a profile, whoever gave it. It looks through all of them.
    async fn highest_number(&self, profile: ProfileId) -> Result<Option<u64>, Fault>;
}

/// How far a profile has come with its numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Numbering {
    /// The highest floor that was ever set.
    pub floor: u64,
    /// The number that was handed out last, or the floor where that is higher.
    pub last: u64,
}

impl Numbering {
    /// Begins above a floor.
    #[must_use]
    pub fn above(floor: u64) -> Self {
        Self { floor, last: floor }
    }

    /// Whether a number is none of the source system's: those are below the floor, which is nobody's.
    #[must_use]
    pub fn has(self, number: u64) -> bool {
        number >= self.floor
    }

    /// With a floor that is this high at least.
    #[must_use]
    pub fn raised(self, floor: u64) -> Self {
        Self { floor: self.floor.max(floor), last: self.last.max(floor) }
    }
}

/// The number that a key is, as the app's tables have it; none where it is another text or too long to be handed out.
#[must_use]
pub fn number(key: &str) -> Option<u64> {
    let is_number =
        (1..=usize::from(MAX_DIGITS)).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_digit());
    if is_number { key.parse().ok() } else { None }
}

/// A floor as it is stored.
///
/// # Errors
/// There is no number above it.
pub(super) fn stored(floor: u64) -> Result<i64, Fault> {
    if floor < MAX_NUMBER { Ok(floor.cast_signed()) } else { Err(used_up()) }
}

pub(super) const DOING: &str = "hand out a number";

pub(super) fn used_up() -> Fault {
    Fault::unavailable(
        DOING,
        format!("the numbers of this profile are used up: {MAX_NUMBER} is the last one"),
    )
}
