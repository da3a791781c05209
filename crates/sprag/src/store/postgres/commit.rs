//! A commit: the account's lock, the account as it is expected, step by step, and then the journal, in one transaction.

use async_trait::async_trait;
use futures_util::future::join_all;
use futures_util::{FutureExt as _, join};

use super::PostgresStore;
use super::connection::Connection;
use super::error::QueryError;
use super::journal::Chain;
use super::pool::Outcome;
use super::{factors, held_names, kept, one_time, outbox, particulars, steps};
use crate::audit::Event;
use crate::error::Fault;
use crate::ratchet::waits;
use crate::security;
use crate::session::{AccountId, EndCause, SessionKey};
use crate::store::steps::{AccountState, admits};
use crate::store::{Along, Commit, Commits, Committed, Step};

#[async_trait]
impl Commits for PostgresStore {
    async fn commit(&self, commit: Commit) -> Result<Committed, Fault> {
        commit.expect_one_account()?;
        let doing = commit.doing();
        if causes(&commit).any(|cause| waits(cause, self.health.is_only_just_back())) {
            let why = "the database was away a moment ago, and this token's rotation may be from then; nobody is \
                       accused until that is known";
            return Err(Fault::unavailable(doing, why));
        }
        let given = (commit, self.along.current());
        let carried_out = self.pool.transaction(doing, &given, |connection, (commit, along)| {
            run(connection, commit, along.as_deref()).boxed()
        });
        let (committed, told) = carried_out.await?;
        security::journalled(&told);
        Ok(committed)
    }
}

/// Why the sessions that it names end.
fn causes(commit: &Commit) -> impl Iterator<Item = EndCause> {
    commit.steps.iter().filter_map(|step| match step {
        Step::EndSession { ending, .. } | Step::EndSessions { ending, .. } => Some(ending.cause),
        _ => None,
    })
}

/// The account's row is locked first, and so stays as it is but for what the steps do to it: nobody else opens or ends
/// one of its sessions meanwhile. Says what it told the journal, too.
async fn run(
    connection: &Connection,
    commit: &Commit,
    along: Option<&dyn Along>,
) -> Result<Outcome<(Committed, Vec<Event>)>, QueryError> {
    let account = commit.account;
    let mut chain = Chain::of(connection, account).await?;
    let mut state = chain.account_state();
    if !commit.expect.holds(state) {
        return Ok(Outcome::Undo((Committed::AccountMoved, Vec::new())));
    }
    if let Some(along) = along {
        held_names::remember(connection, account, &commit.steps, along).await?;
    }
    let (mut ends, mut place) = (Vec::new(), 0);
    let (steps, forgets_last) = match commit.steps.split_last() {
        Some((Step::ForgetEnded, before)) => (before, true),
        _ => (commit.steps.as_slice(), false),
    };
    for flight in flights(steps) {
        let taken = join_all(flight.iter().map(|step| {
            let before = state;
            state = AccountState::after(state, step);
            take(connection, account, before, step)
        }));
        for ended in told_by_the_cause(taken.await) {
            let Some(ended) = ended? else {
                return Ok(Outcome::Undo((Committed::Missed { step: place }, Vec::new())));
            };
            ends.extend(ended);
            place += 1;
        }
    }
    let ended = ends.len() as u64;
    let events = ends.iter().map(|(session, ending)| ending.event(SessionKey { account, session: *session }));
    let events: Vec<_> = commit.events.iter().cloned().chain(events).collect();
    let forgets =
        async { if forgets_last { super::sweep::thin_out(connection, account).await } else { Ok(()) } };
    let (told, noted, forgotten) =
        join!(chain.append_all(events.clone()), steps::note_ips(connection, account, &ends), forgets);
    told.and(noted).and(forgotten)?;
    let messages =
        along.map(|along| events.iter().flat_map(|event| along.messages(event)).collect::<Vec<_>>());
    outbox::put_all(connection, &messages.unwrap_or_default()).await?;
    Ok(Outcome::Keep((Committed::Done { ended }, events)))
}

/// Where a statement fails, so do all behind it, some of them an earlier step's; puts what failed by itself in their place.
fn told_by_the_cause<T>(mut outcomes: Vec<Result<T, QueryError>>) -> Vec<Result<T, QueryError>> {
    let is_aftermath = |outcome: &Result<T, _>| outcome.as_ref().is_err_and(QueryError::is_aftermath);
    let is_cause = |outcome: &Result<T, _>| outcome.is_err() && !is_aftermath(outcome);
    let places = (outcomes.iter().position(is_aftermath), outcomes.iter().position(is_cause));
    if let (Some(first), Some(cause)) = places
        && first < cause
    {
        outcomes.swap(first, cause);
    }
    outcomes
}

/// The steps that leave together, each with its first statement behind that of the one before, for the server may be far
/// away. One that begins by reading names, in what it sends then, the rows that it has read, and a renaming sends one
/// statement after the other; so nothing follows them in their flight but the opening of a session, which is none of those
/// rows.
fn flights(steps: &[Step]) -> Vec<&[Step]> {
    let mut reads = false;
    let chunks = steps.chunk_by(|before, after| {
        reads = match before {
            Step::MakeRoom(_) | Step::EndSessions { .. } | Step::ForgetEnded => true,
            // What they change last would come after what a later step changes of the same rows.
            Step::Rename { .. } => true,
            Step::AddName(name) => name.may_be_of_an_earlier_build(),
            Step::OpenSession { .. } => reads,
            _ => false,
        };
        !reads || matches!(after, Step::OpenSession { .. })
    });
    chunks.collect()
}

/// Takes a step, and says which sessions ended by it; `None` where it does not apply.
async fn take<'s>(
    connection: &Connection,
    account: AccountId,
    state: Option<AccountState>,
    step: &'s Step,
) -> Result<Option<steps::EndedBy<'s>>, QueryError> {
    let applies = match step {
        Step::CreateAccount(account) => steps::create_account(connection, account).await?,
        Step::AddName(name) => state.is_some() && steps::add_name(connection, account, name).await?,
        Step::Rename { from, to, told_as, text } => {
            steps::rename(connection, account, (from, to), (*told_as, text)).await?
        }
        Step::DropName(name) => steps::drop_name(connection, account, name).await?,
        Step::TellName { told_as, text } => {
            particulars::tell_name(connection, account, *told_as, text).await?
        }
        Step::TellParticular { which, text } => {
            particulars::tell_particular(connection, account, *which, text.as_deref()).await?
        }
        Step::SetAdministrator(is_admin) => {
            particulars::set_administrator(connection, account, *is_admin).await?
        }
        Step::DeleteAccount => particulars::delete_account(connection, account).await?,
        Step::EraseAccount => particulars::erase_account(connection, account).await.map(|()| true)?,
        Step::PutCredential { id, was, to, at } => {
            state.is_some() && steps::put_credential(connection, account, *id, (was, to), *at).await?
        }
        Step::KeepDevices { most } => steps::keep_devices(connection, account, *most).await.map(|()| true)?,
        Step::ForgetCredential { id, was } => {
            factors::forget(connection, account, *id, was.as_deref()).await?
        }
        Step::ForgetCredentials(kind) => {
            factors::forget_all(connection, account, *kind).await.map(|()| true)?
        }
        Step::ExpectNoFactor => factors::has_none(connection, account).await?,
        Step::ExpectSession(session) => {
            steps::goes_on(connection, SessionKey { account, session: *session }).await?
        }
        Step::MoveEpoch => steps::move_epoch(connection, account).await?,
        Step::Disable { at } => steps::disable(connection, account, *at).await?,
        Step::Enable => steps::enable(connection, account).await?,
        Step::PlanErasure { at } => kept::plan_erasure(connection, account, *at).await?,
        Step::CallOffErasure => kept::call_off_erasure(connection, account).await?,
        Step::ExpectErasureDue { at } => kept::is_erasure_due(connection, account, *at).await?,
        Step::OpenSession { session, detail } => {
            admits(state, session) && super::sessions::insert(connection, session, detail).await?
        }
        Step::ConfirmEmail { address, at } => {
            one_time::confirm_email(connection, account, address, *at).await?
        }
        Step::UnconfirmEmail => one_time::unconfirm_email(connection, account).await?,
        Step::PutToken(token) => one_time::put(connection, token).await?,
        Step::TryCode { .. } => one_time::try_code(connection, account, step).await?,
        Step::SpendToken { .. } => one_time::spend(connection, account, state, step).await?,
        Step::EndTokens { purpose } => one_time::end(connection, account, *purpose).await.map(|()| true)?,
        Step::EndTokensSince { purpose, since } => {
            one_time::end_since(connection, account, *purpose, *since).await.map(|()| true)?
        }
        Step::PutMessage(message) => outbox::put(connection, message).await?,
        Step::PutMessageOnce { message, due_at } => {
            outbox::put_due(connection, message, *due_at).await.map(|_| true)?
        }
        Step::ForgetEnded => super::sweep::thin_out(connection, account).await.map(|()| true)?,
        Step::BindImportedToken { session, from, to } => {
            steps::bind_imported_token(connection, SessionKey { account, session: *session }, (from, to))
                .await?
        }
        Step::MakeRoom(room) => return steps::make_room(connection, account, room).await.map(Some),
        Step::EndSession { session, ending } => {
            let ended = steps::end(connection, account, &[*session], ending).await?;
            return Ok((!ended.is_empty()).then_some(ended));
        }
        Step::EndSessions { except, with, ending } => {
            return steps::end_sessions(connection, account, (*except, *with), ending).await;
        }
    };
    Ok(applies.then(Vec::new))
}
