//! A commit: the account's lock, the account as it is expected, step by step, and then the journal, in one transaction.

use async_trait::async_trait;
use futures_util::FutureExt as _;

use super::PostgresStore;
use super::connection::Connection;
use super::error::QueryError;
use super::journal::Chain;
use super::pool::Outcome;
use super::steps;
use crate::error::Fault;
use crate::ratchet::waits;
use crate::session::{AccountId, EndCause, SessionKey};
use crate::store::steps::{AccountState, admits};
use crate::store::{Commit, Commits, Committed, Step};

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
        self.pool.transaction(doing, &commit, |connection, commit| run(connection, commit).boxed()).await
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
/// one of its sessions meanwhile.
async fn run(connection: &Connection, commit: &Commit) -> Result<Outcome<Committed>, QueryError> {
    let account = commit.account;
    let mut chain = Chain::of(connection, account).await?;
    let mut state = chain.account_state();
    if !commit.expect.holds(state) {
        return Ok(Outcome::Undo(Committed::AccountMoved));
    }
    let mut ends = Vec::new();
    for (place, step) in commit.steps.iter().enumerate() {
        let Some(ended) = take(connection, account, state, step).await? else {
            return Ok(Outcome::Undo(Committed::Missed { step: place }));
        };
        state = AccountState::after(state, step);
        ends.extend(ended);
    }
    let ended = ends.len() as u64;
    let ends = ends.iter().map(|(session, ending)| ending.event(SessionKey { account, session: *session }));
    chain.append_all(commit.events.iter().cloned().chain(ends).collect()).await?;
    Ok(Outcome::Keep(Committed::Done { ended }))
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
        Step::PutCredential { id, was, to, at } => {
            state.is_some() && steps::put_credential(connection, account, *id, (was, to), *at).await?
        }
        Step::MoveEpoch => steps::move_epoch(connection, account).await?,
        Step::Disable { at } => steps::disable(connection, account, *at).await?,
        Step::Enable => steps::enable(connection, account).await?,
        Step::OpenSession { session, detail } => {
            admits(state, session) && super::sessions::insert(connection, session, detail).await?
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
