//! Who keeps a name that several users of one source have: said beforehand, so that nobody's name is taken away again.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use sprag::account::{Name, NameKind};
use sprag::clock::Timestamp;
use sprag::engine::NameKept;

use super::reader::{Feed, Item};
use super::row::User;

/// By what it is decided.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Keeps {
    /// Who comes first in the source.
    #[default]
    First,
    /// Nobody: whoever comes after the first is refused.
    Refused,
    /// Who was made first there.
    Oldest,
    /// Who was made last there.
    Newest,
    /// Who is in this list of their keys there; of several the first.
    Listed(HashSet<String>),
}

/// A claim to a name, the better the greater.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Claim {
    is_listed: bool,
    rank: i64,
    comes_first: std::cmp::Reverse<u64>,
}

/// Who keeps what several have. Of a name it holds no more than a digest, and of users only those who keep one.
#[derive(Debug, Default)]
pub(super) struct Keepers(HashMap<u64, String>);

/// What is known while the source is read for the first time.
struct Holder {
    claim: Claim,
    user: String,
    is_shared: bool,
}

impl Keeps {
    /// Whether the source must be read before anything is taken.
    #[must_use]
    pub fn looks_ahead(&self) -> bool {
        matches!(self, Self::Oldest | Self::Newest | Self::Listed(_))
    }

    /// Whether it is decided by when a user was made.
    #[must_use]
    pub fn asks_for_age(&self) -> bool {
        matches!(self, Self::Oldest | Self::Newest)
    }

    fn claim(&self, user: &User, number: u64) -> Claim {
        let made = user.imported().created_at.map(|Timestamp(at)| at);
        let rank = match self {
            // Of whom it is not known comes last.
            Self::Oldest => made.map_or(i64::MIN, |at| at.checked_neg().unwrap_or(i64::MAX)),
            Self::Newest => made.unwrap_or(i64::MIN),
            Self::First | Self::Refused | Self::Listed(_) => 0,
        };
        let is_listed = matches!(self, Self::Listed(ids) if ids.contains(user.imported().external_id));
        Claim { is_listed, rank, comes_first: std::cmp::Reverse(number) }
    }
}

impl Keepers {
    /// Reads a source to its end.
    pub(super) async fn of(
        keeps: &Keeps,
        mut feed: Feed,
        read: impl Fn(&Item) -> Option<User>,
    ) -> anyhow::Result<Self> {
        let mut holders: HashMap<u64, Holder> = HashMap::new();
        while let Some(item) = feed.next().await? {
            let Some(user) = read(&item) else { continue };
            let claim = keeps.claim(&user, item.position.number);
            for (_, name) in names(&user) {
                let id = user.imported().external_id;
                let newcomer = || Holder { claim: claim.clone(), user: id.to_owned(), is_shared: false };
                let holder = holders.entry(digest(&name)).or_insert_with(newcomer);
                if holder.user != id {
                    holder.is_shared = true;
                    if claim > holder.claim {
                        (holder.claim, holder.user) = (claim.clone(), id.to_owned());
                    }
                }
            }
        }
        let shared = holders.into_iter().filter(|(_, holder)| holder.is_shared);
        Ok(Self(shared.map(|(name, holder)| (name, holder.user)).collect()))
    }

    /// The names of a user that others keep.
    pub(super) fn left_to_others(&self, user: &User) -> Vec<NameKept> {
        let is_others = |(told_as, name): (NameKind, Name)| {
            let by = self.0.get(&digest(&name)).filter(|by| **by != user.imported().external_id)?;
            Some(NameKept { told_as, by: Some(by.clone()) })
        };
        if self.0.is_empty() { Vec::new() } else { names(user).filter_map(is_others).collect() }
    }
}

/// The names that a user would log in with. A user name that looks like somebody's address is no claim to that.
fn names(user: &User) -> impl Iterator<Item = (NameKind, Name)> {
    let user = user.imported();
    let email = user.email.or(user.username).and_then(|email| Name::email(email).ok());
    let username = user.username.and_then(|name| Name::username(name).ok());
    let email = email.map(|name| (NameKind::Email, name));
    email.into_iter().chain(username.map(|name| (NameKind::Username, name)))
}

fn digest(name: &Name) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish()
}
