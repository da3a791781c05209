//! A commit: the account as it is expected, step by step, and then the journal; all in one savepoint.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension as _, Result};

use super::SqliteStore;
use super::job::{Concerns, Outcome};
use super::journal::Chain;
use super::rows::bytes;
use super::{factors, held_names, kept, one_time, outbox, steps};
use crate::audit::Event;
use crate::error::Fault;
use crate::security;
use crate::session::{AccountId, Epoch, SessionKey};
use crate::store::steps::{AccountState, admits};
use crate::store::{Along, Commit, Commits, Committed, Step};

#[async_trait]
impl Commits for SqliteStore {
    async fn commit(&self, commit: Commit) -> Result<Committed, Fault> {
        commit.expect_one_account()?;
        let (concerns, doing) = (Concerns::Account(commit.account), commit.doing());
        let along = self.along.current();
        let work = move |connection: &Connection| run(connection, commit, along.as_deref());
        let (committed, told) = self.writer.write_about(concerns, doing, work).await?;
        security::journalled(&told);
        Ok(committed)
    }
}

/// Carries a commit out, and says what it told the journal.
fn run(
    connection: &Connection,
    commit: Commit,
    along: Option<&dyn Along>,
) -> Result<Outcome<(Committed, Vec<Event>)>> {
    let Commit { account, expect, steps, events } = commit;
    let mut state = state(connection, account)?;
    if !expect.holds(state) {
        return Ok(Outcome::Undo((Committed::AccountMoved, Vec::new())));
    }
    let mut ends = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        if let Some(along) = along {
            held_names::remember(connection, account, step, along)?;
        }
        let Some(ended) = take(connection, account, state, step)? else {
            return Ok(Outcome::Undo((Committed::Missed { step: place }, Vec::new())));
        };
        state = AccountState::after(state, step);
        ends.extend(ended);
    }
    let ended = ends.len() as u64;
    let ends = ends.iter().map(|(session, ending)| ending.event(SessionKey { account, session: *session }));
    let events: Vec<_> = events.into_iter().chain(ends).collect();
    if !events.is_empty() {
        let mut chain = Chain::of(connection, account)?;
        events.iter().try_for_each(|event| chain.append(event.clone()))?;
    }
    if let Some(along) = along {
        let mut messages = events.iter().flat_map(|event| along.messages(event));
        messages.try_for_each(|message| outbox::put(connection, &message).map(drop))?;
    }
    Ok(Outcome::Keep((Committed::Done { ended }, events)))
}

/// The account as it stands; `None` if there is none.
fn state(connection: &Connection, account: AccountId) -> Result<Option<AccountState>> {
    let mut statement = connection.prepare_cached(
        "select epoch, disabled_at is not null as is_disabled
         from account
         where id = ?1",
    )?;
    let state = |row: &rusqlite::Row<'_>| {
        Ok(AccountState { epoch: Epoch(row.get("epoch")?), is_disabled: row.get("is_disabled")? })
    };
    statement.query_row([bytes(&account.0)], state).optional()
}

/// Takes a step, and says which sessions ended by it; `None` where it does not apply.
fn take<'s>(
    connection: &Connection,
    account: AccountId,
    state: Option<AccountState>,
    step: &'s Step,
) -> Result<Option<steps::EndedBy<'s>>> {
    let applies = match step {
        Step::CreateAccount(account) => steps::create_account(connection, account)?,
        Step::AddName(name) => state.is_some() && steps::add_name(connection, account, name)?,
        Step::Rename { from, to, told_as, text } => {
            steps::rename(connection, account, (from, to), (*told_as, text))?
        }
        Step::DropName(name) => steps::drop_name(connection, account, name)?,
        Step::TellName { told_as, text } => steps::tell_name(connection, account, *told_as, text)?,
        Step::TellParticular { which, text } => {
            steps::tell_particular(connection, account, *which, text.as_deref())?
        }
        Step::SetAdministrator(is_admin) => steps::set_administrator(connection, account, *is_admin)?,
        Step::DeleteAccount => steps::delete_account(connection, account)?,
        Step::EraseAccount => steps::erase_account(connection, account).map(|()| true)?,
        Step::PutCredential { id, was, to, at } => {
            state.is_some() && steps::put_credential(connection, account, *id, (was, to), *at)?
        }
        Step::KeepDevices { most } => steps::keep_devices(connection, account, *most).map(|()| true)?,
        Step::ForgetCredential { id, was } => factors::forget(connection, account, *id, was.as_deref())?,
        Step::ForgetCredentials(kind) => factors::forget_all(connection, account, *kind).map(|()| true)?,
        Step::ExpectNoFactor => factors::has_none(connection, account)?,
        Step::ExpectSession(session) => {
            steps::goes_on(connection, SessionKey { account, session: *session })?
        }
        Step::MoveEpoch => steps::move_epoch(connection, account)?,
        Step::Disable { at } => steps::disable(connection, account, *at)?,
        Step::Enable => steps::enable(connection, account)?,
        Step::PlanErasure { at } => kept::plan_erasure(connection, account, *at)?,
        Step::CallOffErasure => kept::call_off_erasure(connection, account)?,
        Step::ExpectErasureDue { at } => kept::is_erasure_due(connection, account, *at)?,
        Step::OpenSession { session, detail } => {
            admits(state, session) && super::sessions::insert(connection, session, detail)?
        }
        Step::ConfirmEmail { address, at } => one_time::confirm_email(connection, account, address, *at)?,
        Step::UnconfirmEmail => one_time::unconfirm_email(connection, account)?,
        Step::PutToken(token) => one_time::put(connection, token)?,
        Step::TryCode { .. } => one_time::try_code(connection, account, step)?,
        Step::SpendToken { .. } => one_time::spend(connection, account, state, step)?,
        Step::EndTokens { purpose } => one_time::end(connection, account, *purpose).map(|()| true)?,
        Step::EndTokensSince { purpose, since } => {
            one_time::end_since(connection, account, *purpose, *since).map(|()| true)?
        }
        Step::PutMessage(message) => outbox::put(connection, message)?,
        Step::PutMessageOnce { message, due_at } => {
            outbox::put_due(connection, message, *due_at).map(|_| true)?
        }
        Step::ForgetEnded => super::sweep::thin_out(connection, account).map(|()| true)?,
        Step::BindImportedToken { session, from, to } => {
            steps::bind_imported_token(connection, SessionKey { account, session: *session }, (from, to))?
        }
        Step::MakeRoom(room) => return steps::make_room(connection, account, room).map(Some),
        Step::EndSession { session, ending } => {
            let has_ended = steps::end(connection, SessionKey { account, session: *session }, ending)?;
            return Ok(has_ended.then(|| vec![(*session, ending)]));
        }
        Step::EndSessions { except, with, ending } => {
            return steps::end_sessions(connection, account, (*except, *with), ending);
        }
    };
    Ok(applies.then(Vec::new))
}
