//! Which key the app's tables know a new account by.

use sprag::engine::NextId;
use sprag::store::MAX_NUMBER;

use super::error::ProfileError;
use super::section::Section;

/// The highest floor: there are more numbers above it than will ever be handed out.
pub const MAX_FLOOR: u64 = 9_000_000_000_000_000;

/// The words for the kinds of keys.
pub(crate) const KINDS: [(&str, IdKind); 3] =
    [("uuid", IdKind::Uuid), ("objectid", IdKind::ObjectId), ("integer", IdKind::Integer)];

/// A kind of key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum IdKind {
    /// The account's own id.
    Uuid,
    /// As MongoDB makes them.
    ObjectId,
    /// A number above a floor.
    Integer,
}

/// Reads `next_id` and `next_id_floor`.
///
/// # Errors
/// Numbers without a floor, a floor without numbers, or one out of range.
pub(super) fn parse(profile: &Section<'_>) -> Result<NextId, ProfileError> {
    let kind = profile.get("next_id").map(|field| Ok((field.one_of(&KINDS)?, field))).transpose()?;
    let floor = profile.get("next_id_floor");
    match (kind, floor) {
        (Some((IdKind::Integer, _)), Some(floor)) => {
            Ok(NextId::Integer { floor: floor.number(1..=MAX_FLOOR)? })
        }
        (Some((IdKind::Integer, field)), None) => {
            let what = "next_id = \"integer\" needs next_id_floor, above which the numbers begin";
            Err(field.error(what).hint(
                "set it above every number that the source system will ever hand out beside this server",
            ))
        }
        (_, Some(floor)) => Err(floor
            .error("next_id_floor is where numbers begin, and this profile gives none")
            .hint("write next_id = \"integer\"")),
        (Some((IdKind::ObjectId, _)), None) => Ok(NextId::ObjectId),
        (Some((IdKind::Uuid, _)) | None, None) => Ok(NextId::Uuid),
    }
}

const _: () = assert!(MAX_FLOOR < MAX_NUMBER);
