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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::Profile;

    fn read(lines: &str) -> Result<NextId, String> {
        let route = "[[route]]\non = \"POST /refresh\"\ndoes = \"refresh\"\ngives = { a = \"$access_token\", r = \"$refresh_token\" }";
        let text = format!("id = 1000\nabout = \"a test\"\n{lines}\n{route}\n");
        Profile::parse("x", "x.toml", &text)
            .map(|profile| profile.client.next_id)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_go_with_a_floor_and_a_floor_with_numbers() {
        assert_eq!(read(""), Ok(NextId::Uuid));
        assert_eq!(read("next_id = \"uuid\""), Ok(NextId::Uuid));
        assert_eq!(read("next_id = \"objectid\""), Ok(NextId::ObjectId));
        let numbers = read("next_id = \"integer\"\nnext_id_floor = 1000");
        assert_eq!(numbers, Ok(NextId::Integer { floor: 1000 }));
        for (lines, told) in [
            ("next_id = \"integer\"", "x.toml:3: next_id = \"integer\" needs next_id_floor"),
            ("next_id_floor = 1000", "x.toml:3: next_id_floor is where numbers begin"),
            ("next_id = \"uuid\"\nnext_id_floor = 1000", "x.toml:4: next_id_floor is where numbers begin"),
            (
                "next_id = \"integer\"\nnext_id_floor = 0",
                "x.toml:4: next_id_floor must be a whole number from 1",
            ),
            ("next_id = \"serial\"", "x.toml:3: next_id cannot be \"serial\""),
            ("next-id = \"integer\"", "x.toml:3: unknown key \"next-id\"; did you mean \"next_id\"?"),
        ] {
            let error = read(lines).unwrap_err();
            assert!(error.starts_with(told), "{lines}: {error}");
        }
    }
}
