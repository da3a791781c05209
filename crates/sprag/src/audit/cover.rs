//! How an entry's hash covers what the entry says.

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::hmac;

use super::{CHAIN_START, Event, Hash};

/// What an entry's HMAC is made under: random, and of this entry alone. Whoever has it can find out by trying which address an
/// entry told of; once it is gone, nobody can.
pub type Salt = [u8; 32];

/// How an entry's hash covers what tells of a person: the address, the client and the note.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cover {
    /// As they stand, as builds before erasure wrote it: they can be erased only by chaining anew.
    Plain,
    /// By way of an HMAC.
    Salted {
        /// HMAC-SHA-256 over them, under the salt.
        mac: Hash,
        /// The salt; gone together with what tells of a person.
        salt: Option<Salt>,
    },
}

impl Cover {
    /// The cover of what an event tells, under a salt.
    pub(super) fn salted(event: &Event, salt: Salt) -> Self {
        Self::Salted { mac: Self::mac(event, &salt), salt: Some(salt) }
    }

    /// The HMAC over what an event tells of a person.
    pub(super) fn mac(event: &Event, salt: &Salt) -> Hash {
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, salt));
        let mut field = |bytes: Option<&[u8]>| each_part(bytes, |part| context.update(part));
        field(Some(b"sprag particulars v1"));
        told(event).into_iter().for_each(&mut field);
        hash_of(context.sign().as_ref())
    }

    /// Whether it is the cover of what an event tells; of an erased one, whether nothing is left.
    pub(super) fn holds(&self, event: &Event) -> bool {
        match self {
            Self::Plain => true,
            Self::Salted { mac, salt: Some(salt) } => *mac == Self::mac(event, salt),
            Self::Salted { salt: None, .. } => told(event) == [None; 3],
        }
    }

    /// SHA-256 over everything an entry says, each field under its length, so that no two entries read alike.
    pub(super) fn entry_hash(&self, number: u64, event: &Event, previous: &Hash) -> Hash {
        let mut context = Context::new(&SHA256);
        let mut field = |bytes: Option<&[u8]>| each_part(bytes, |part| context.update(part));
        field(Some(match self {
            Self::Plain => b"sprag event v1",
            Self::Salted { .. } => b"sprag event v2",
        }));
        field(Some(previous));
        field(Some(event.account.0.as_bytes()));
        field(Some(&number.to_be_bytes()));
        field(Some(&event.at.0.to_be_bytes()));
        field(Some(event.kind.name().as_bytes()));
        field(event.session.as_ref().map(|id| id.0.as_bytes().as_slice()));
        field(event.cause.map(|cause| cause.name().as_bytes()));
        match self {
            Self::Plain => told(event).into_iter().for_each(&mut field),
            Self::Salted { mac, .. } => field(Some(mac)),
        }
        hash_of(context.finish().as_ref())
    }
}

/// What of an event tells of a person. A note may name the network that somebody came from.
fn told(event: &Event) -> [Option<&[u8]>; 3] {
    [&event.ip, &event.user_agent, &event.note].map(|text| text.as_deref().map(str::as_bytes))
}

/// The parts of a field: its length and its bytes, or the mark of one that is missing.
fn each_part(bytes: Option<&[u8]>, mut update: impl FnMut(&[u8])) {
    match bytes {
        None => update(&u32::MAX.to_be_bytes()),
        Some(bytes) => {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX - 1);
            update(&length.to_be_bytes());
            update(bytes);
        }
    }
}

fn hash_of(bytes: &[u8]) -> Hash {
    let mut hash = CHAIN_START;
    hash.copy_from_slice(bytes);
    hash
}
