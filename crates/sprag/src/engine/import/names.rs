//! Names that two users of a source have, or one of them and an account that is here.

use super::super::commits::NewAccount;
use super::{Imported, ImportedUser};
use crate::account::{Account, Name, NameKind};

/// What becomes of a user one of whose names leads to another account already.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SameNames {
    /// It is refused.
    #[default]
    Refused,
    /// It is taken without that name, by which nobody could tell who is meant. Its sessions go on, and it logs in with its
    /// other name, if it has one.
    LeftOut,
}

/// A name of a user that another account keeps.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NameKept {
    /// What the name is to the user: [`NameKind::Username`] or [`NameKind::Email`].
    pub told_as: NameKind,
    /// The key of whose it is in the source system; `None` of an account that did not come from there.
    pub by: Option<String>,
}

/// The outcome, with what the user has to do without.
pub(super) fn without(outcome: Imported, kept: Vec<NameKept>) -> Imported {
    match outcome {
        _ if kept.is_empty() => outcome,
        Imported::Refused(_) | Imported::Over(_) => outcome,
        outcome => Imported::WithoutName(Box::new(outcome), kept),
    }
}

/// The account without a name that another one keeps: neither does it lead there, nor is it told.
pub(super) fn leave_out(new: &mut NewAccount, told_as: NameKind) {
    let Account { username, email, .. } = &mut new.account;
    *(if told_as == NameKind::Email { email } else { username }) = None;
}

/// What a user's names are to it, in the order of a new account's names behind its key: its address, then its user name,
/// unless that is the same, or is none here.
pub(super) fn told_as(user: &ImportedUser<'_>, name: &Name) -> NameKind {
    let is_email = user.email.is_some_and(|email| Name::email(email).is_ok_and(|own| own == *name));
    let is_only = user.email.is_none() && name.kind == NameKind::Email;
    if is_email || is_only { NameKind::Email } else { NameKind::Username }
}
