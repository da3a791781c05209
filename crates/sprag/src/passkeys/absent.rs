//! What `site.rs` has, in a build without passkeys: no site can be made, so that nothing here is ever reached.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Asks, Impossible, Verified};
use crate::error::Fault;
use crate::session::AccountId;

#[derive(Clone)]
pub(crate) enum Site {}

#[derive(Clone, Serialize, Deserialize)]
pub(crate) enum Passkey {}

#[derive(Serialize, Deserialize)]
pub(crate) enum Asked {}

#[derive(Serialize, Deserialize)]
pub(crate) enum Registering {}

pub(crate) enum Answer {}

impl Site {
    pub(super) fn of(
        _origin: &str,
        _rp_id: Option<&str>,
        _related: &[String],
        _service: &str,
    ) -> Result<(Self, Vec<String>), Impossible> {
        Err(Impossible::LeftOut)
    }

    pub(crate) fn ask(&self, _of: &[Passkey]) -> Result<Asks<Asked>, Fault> {
        match *self {}
    }

    pub(crate) fn register(
        &self,
        _account: AccountId,
        _names: (&str, &str),
        _known: &[Passkey],
    ) -> Result<Asks<Registering>, Fault> {
        match *self {}
    }

    pub(crate) fn registered(&self, _answer: &Value, _state: &Registering) -> Option<Passkey> {
        match *self {}
    }

    pub(crate) fn holder(&self, _answer: &Answer) -> Option<AccountId> {
        match *self {}
    }

    pub(crate) fn verify(&self, _answer: &Answer, _asked: Asked, _passkey: &mut Passkey) -> Verified {
        match *self {}
    }
}

impl Answer {
    pub(crate) fn read(_credential: &Value) -> Option<Self> {
        None
    }

    pub(crate) fn is_of(&self, _passkey: &Passkey) -> bool {
        match *self {}
    }
}
