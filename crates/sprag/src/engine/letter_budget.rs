//! How many letters go to one address, and how many are asked for from one network.

use super::{Error, Letters, Requester};
use crate::account::{Account, Name, NameKind};
use crate::budget::Budget;
use crate::limits::Whose;
use crate::proof_of_work::Solved;

impl Letters<'_> {
    /// Reserves a letter to whoever that name leads to, or to nobody: both have a budget of the address and one of the network. It is
    /// the address's whether an account has it or not yet, or what a sign-up took would tell by what is left.
    pub(super) async fn reserve_letter(
        &self,
        account: Option<&Account>,
        typed: &str,
        solved: Option<Solved>,
        requester: &Requester,
    ) -> Result<(), Error> {
        let Self(engine) = self;
        let name = Name::meant_by(typed).pop();
        let address = account.and_then(|account| Name::email(account.email.as_deref()?).ok());
        let whose = match (&address, account, &name) {
            (Some(address), _, _) => Whose::Name(address),
            (None, Some(account), _) => Whose::Account(account.id),
            (None, None, Some(name)) => Whose::Name(name),
            (None, None, None) => Whose::Typed(typed.trim()),
        };
        let wanted = [(Budget::MailAddress, whose), (Budget::MailPrefix, Whose::NetworkOf(requester))];
        let (store, keys, now) = (engine.store.as_ref(), engine.keys.load(), engine.now());
        match engine.gate.reserve_or_by_work(store, &keys, (&wanted, 1), solved, now).await? {
            Ok(_spent) => Ok(()),
            Err(spent) => Err(spent.into()),
        }
    }

    /// Reserves a letter to whoever a name leads to, or to nobody; says whether one may be written.
    ///
    /// A user name has a budget of its own, which tells whoever asks that it is spent. That of the address it leads to is spent without
    /// a word: who has asked with the address until there was no room would learn otherwise whose it is.
    pub(super) async fn reserve_letter_by_name(
        &self,
        account: Option<&Account>,
        typed: &str,
        solved: Option<Solved>,
        requester: &Requester,
    ) -> Result<bool, Error> {
        let Self(engine) = self;
        let name = Name::meant_by(typed).pop();
        let address = account.and_then(|account| Name::email(account.email.as_deref()?).ok());
        let is_address = name.as_ref().is_none_or(|name| name.kind == NameKind::Email);
        if is_address && (account.is_none() || address == name) {
            self.reserve_letter(account, typed, solved, requester).await?;
            return Ok(true);
        }
        let own = name.as_ref().map_or(Whose::Typed(typed.trim()), Whose::Name);
        let wanted = [(Budget::MailAddress, own), (Budget::MailPrefix, Whose::NetworkOf(requester))];
        let (store, keys, now) = (engine.store.as_ref(), engine.keys.load(), engine.now());
        let _spent = engine.gate.reserve_or_by_work(store, &keys, (&wanted, 1), solved, now).await??;
        // Of nobody's name as much is reserved, so that it takes as long.
        let of_nobody = format!("the address of {typed}");
        let whose = match (&address, account) {
            (Some(address), _) => Whose::Name(address),
            (None, Some(account)) => Whose::Account(account.id),
            (None, None) => Whose::Typed(&of_nobody),
        };
        let wanted = [(Budget::MailAddress, whose)];
        Ok(engine.gate.reserve(store, &keys, (&wanted, 1), now).await?.is_ok())
    }
}
