//! What a new password is held to, and what is known of stolen ones.

use std::sync::Arc;

use super::{Engine, Error};
use crate::account::Account;
use crate::error::{Refusal, Rejected};
use crate::password::{Breaches, NewPassword, Password, PasswordSha1, rules};
use crate::policy::PasswordLength;
use crate::seldom;

/// What new passwords are held to.
#[derive(Clone, Debug, Default)]
pub struct PasswordRules {
    /// How long they must be where no profile says so: at the command line, and on pages of the server's own.
    pub length: PasswordLength,
    /// Whoever knows which were stolen, if anybody is asked.
    pub breaches: Option<Arc<dyn Breaches>>,
}

impl Engine {
    /// Takes a password that somebody chooses for an account with these names.
    pub(super) async fn chosen(&self, new: NewPassword<'_>, own: &[&str]) -> Result<Password, Error> {
        let least = new.length.unwrap_or(self.passwords.length).alone;
        rules::judge(new.text, least, own).map_err(Refusal::PasswordRejected)?;
        let password = Password::typed(new.text)?;
        match self.is_breached(&password.sha1()).await {
            true => Err(Refusal::PasswordRejected(Rejected::Breached).into()),
            false => Ok(password),
        }
    }

    /// Holds a password against what needs nobody to be asked, so that whoever cannot have it is told before anything is hashed.
    pub(super) fn expect_choosable(&self, new: NewPassword<'_>) -> Result<(), Error> {
        let length = new.length.unwrap_or(self.passwords.length);
        let least = length.alone.min(length.with_factor);
        let judged = rules::judge(new.text, least, &[]).map_err(|rejected| match rejected {
            // Whose it will be is not known yet, and what is said must be enough for whoever has no second factor.
            Rejected::TooShort(_) => Rejected::TooShort(length.alone.max(least)),
            other => other,
        });
        Ok(judged.map_err(Refusal::PasswordRejected)?)
    }

    /// Whether a password is known from a breach. Where nobody can be asked just now, it is taken for one that is not.
    pub(super) async fn is_breached(&self, hash: &PasswordSha1) -> bool {
        let Some(breaches) = &self.passwords.breaches else { return false };
        let fault = match breaches.know(hash).await {
            Ok(is_known) => {
                let counted = &self.breach_checks;
                if is_known {
                    counted.known.one()
                } else {
                    counted.unknown.one()
                }
                return is_known;
            }
            Err(fault) => fault,
        };
        self.breach_checks.unavailable.one();
        if let Some(left_out) = seldom::left_out("ask for stolen passwords") {
            tracing::warn!(
                %fault,
                left_out,
                "whether a password is known from a breach could not be asked; nobody is kept from anything by that"
            );
        }
        false
    }

    /// What came of looking for passwords among stolen ones, where that is done.
    pub(super) fn breach_checks_observed(&self) -> Vec<(&'static str, u64)> {
        let asked = self.passwords.breaches.as_ref().map(|_| self.breach_checks.observed().to_vec());
        asked.unwrap_or_default()
    }
}

/// The names of an account that its password may not be made of.
pub(super) fn own_names(account: &Account) -> Vec<&str> {
    let told = &account.particulars;
    let names = [&account.username, &account.email, &told.name, &told.given_name, &told.family_name];
    names.into_iter().filter_map(|name| name.as_deref()).collect()
}
