//! `sprag user names` and `sprag user rename`: names that an earlier build made, and another for one of them.

use std::process::ExitCode;

use anyhow::bail;
use clap::ArgGroup;
use serde::Serialize;
use sprag::account::{Name, NameKind};
use sprag::session::AccountId;
use sprag::store::Slice;
use sprag::{Engine, Error, Refusal};

use super::super::accounts::{SLICE, called, find};
use super::super::on_node::{plainly, requester};
use super::super::output::{Column, List, say};

const COLUMNS: [Column; 4] =
    [Column::cut("NAME"), Column::cut("FORM TODAY"), Column::whole("ACCOUNT"), Column::cut("ALSO OF")];

#[derive(Debug, clap::Args)]
#[command(group(ArgGroup::new("name").required(true).args(["username", "email"])))]
pub(in crate::cli) struct Rename {
    /// A user name, an e-mail address or an account's id
    who: String,
    /// The user name it logs in with from now on, in place of the one it has
    #[arg(long)]
    username: Option<String>,
    /// The e-mail address it logs in with from now on, in place of the one it has
    #[arg(long)]
    email: Option<String>,
}

/// A name that an earlier build made.
#[derive(Serialize)]
struct Record<'a> {
    name: &'a str,
    kind: &'static str,
    /// The form that is compared today; none where it would be refused.
    form: Option<&'a str>,
    account: AccountId,
    /// Other accounts with a name of that form.
    also_of: Vec<AccountId>,
}

/// Lists the names that an earlier build made and that have another form today.
pub(super) async fn list(engine: &Engine, is_json: bool) -> anyhow::Result<ExitCode> {
    let mut list = List::new(&COLUMNS, is_json);
    let mut after = None;
    loop {
        let slice = engine.store().names_of_earlier_builds(Slice::after(after, SLICE)).await?;
        for (name, account) in &slice {
            let form = name.form_today().unwrap_or_default();
            let also_of = others(engine, name, &form, *account).await?;
            let ids: Vec<String> = also_of.iter().map(ToString::to_string).collect();
            let refused = if form.is_empty() { "(refused today)" } else { form.as_str() };
            let cells = vec![name.value.clone(), refused.to_owned(), account.to_string(), ids.join(" ")];
            let form = Some(form.as_str()).filter(|form| !form.is_empty());
            let record =
                Record { name: &name.value, kind: name.kind.name(), form, account: *account, also_of };
            list.add(&record, cells)?;
        }
        let is_last = slice.len() < SLICE as usize;
        after = slice.into_iter().last().map(|(name, _)| name);
        if is_last {
            break;
        }
    }
    list.finish("every name is in the form that is compared today")?;
    Ok(ExitCode::SUCCESS)
}

/// The other accounts with a name of that form.
async fn others(
    engine: &Engine,
    name: &Name,
    form: &str,
    owner: AccountId,
) -> anyhow::Result<Vec<AccountId>> {
    if form.is_empty() {
        return Ok(Vec::new());
    }
    let today = Name { kind: name.kind, value: form.to_owned() };
    let alike = engine.store().alike(&today).await?;
    let mut others: Vec<_> = alike.into_iter().map(|(_, id)| id).filter(|id| *id != owner).collect();
    others.sort_unstable();
    others.dedup();
    Ok(others)
}

/// Has an account log in under another name.
pub(super) async fn rename(engine: &Engine, args: &Rename) -> anyhow::Result<ExitCode> {
    let account = find(engine, &args.who).await?;
    let (told_as, text) = match (&args.username, &args.email) {
        (Some(username), _) => (NameKind::Username, username),
        (None, Some(email)) => (NameKind::Email, email),
        (None, None) => bail!("give --username or --email"),
    };
    let what = if told_as == NameKind::Email { "e-mail address" } else { "user name" };
    match engine.accounts().rename(account.id, told_as, text, &requester()).await {
        Ok(true) => {
            let renamed = engine.accounts().get(account.id).await.map_err(plainly)?;
            say(format_args!("account {} is {} now, and logs in so", account.id, called(&renamed)))?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(false) => bail!("{} has no {what} that leads to it; nothing was changed", called(&account)),
        Err(Error::Refused(Refusal::NameTaken)) => {
            bail!("another account has this {what}, or one that looks like it; nothing was changed")
        }
        Err(error) => Err(plainly(error)),
    }
}
