//! What a commit does, as one pure function on what belongs to one account. The memory store is made of it, and the
//! contract throws random commits at it and at every other store, and fails where they disagree.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::credentials::{CredentialId, CredentialKind, Was};
use super::ending::{Ending, Room};
use super::steps::{AccountState, Commit, Committed, MAX_ENDED_KEPT, Step, admits};
use crate::account::{Account, ConfirmedEmail, Name, NameKind};
use crate::audit::Event;
use crate::clock::Timestamp;
use crate::one_time::{Digest, MAX_TRIES, OneTimeToken, Proof, Purpose, TokenId};
use crate::outbox::Queued;
use crate::session::{Ended, SecretHash, Session, SessionDetail, SessionId, SessionKey};

/// Where, in what a known device is verified with, it stands when it was last seen.
const DEVICE_SEEN: usize = 32;

/// What belongs to one account. Before it is made, it has nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Rows {
    pub(super) account: Option<Account>,
    pub(super) names: Vec<Name>,
    pub(super) credentials: BTreeMap<CredentialId, Vec<u8>>,
    pub(super) sessions: BTreeMap<SessionId, (Session, SessionDetail)>,
    pub(super) tokens: BTreeMap<TokenId, OneTimeToken>,
    pub(super) messages: BTreeMap<Uuid, Queued>,
}

impl Commit {
    /// What the rows are after the commit and what its journal tells, if it is done; `is_taken` says whether a name leads
    /// to somebody already, but for the one that is given up for it, and `is_elsewhere` whether another account has a session of
    /// that id.
    pub(super) fn apply(
        &self,
        before: &Rows,
        is_taken: impl Fn(&Name, Option<&Name>) -> bool,
        is_elsewhere: impl Fn(SessionId) -> bool,
    ) -> Result<(Rows, Vec<Event>), Committed> {
        if !self.expect.holds(before.account.as_ref().map(AccountState::of)) {
            return Err(Committed::AccountMoved);
        }
        let (mut rows, mut events) = (before.clone(), self.events.clone());
        for (place, step) in self.steps.iter().enumerate() {
            let ended = rows.take(step, &is_taken, &is_elsewhere).ok_or(Committed::Missed { step: place })?;
            let key = |session| SessionKey { account: self.account, session };
            events.extend(ended.iter().map(|(session, ending)| ending.event(key(*session))));
        }
        Ok((rows, events))
    }
}

/// The sessions that a step ended, and how.
type EndedBy<'s> = Vec<(SessionId, &'s Ending)>;

impl Rows {
    /// Takes a step; `None` where it does not apply, and then what it did is to be thrown away.
    fn take<'s>(
        &mut self,
        step: &'s Step,
        is_taken: impl Fn(&Name, Option<&Name>) -> bool,
        is_elsewhere: impl Fn(SessionId) -> bool,
    ) -> Option<EndedBy<'s>> {
        match step {
            Step::CreateAccount(_) | Step::AddName(_) | Step::Rename { .. } | Step::DropName(_) => {
                self.take_of_names(step, is_taken)?;
            }
            Step::TellName { .. }
            | Step::TellParticular { .. }
            | Step::SetAdministrator(_)
            | Step::MoveEpoch
            | Step::Disable { .. }
            | Step::Enable
            | Step::PlanErasure { .. }
            | Step::CallOffErasure
            | Step::ExpectErasureDue { .. }
            | Step::ConfirmEmail { .. }
            | Step::UnconfirmEmail => self.change_account(step)?,
            Step::PutToken(_)
            | Step::TryCode { .. }
            | Step::SpendToken { .. }
            | Step::EndTokens { .. }
            | Step::EndTokensSince { .. }
            | Step::PutMessage(_)
            | Step::PutMessageOnce { .. } => self.take_of_letters(step)?,
            Step::DeleteAccount => {
                self.account.take()?;
                self.credentials.clear();
                self.tokens.clear();
            }
            Step::EraseAccount => *self = Self::default(),
            Step::PutCredential { .. }
            | Step::KeepDevices { .. }
            | Step::ForgetCredential { .. }
            | Step::ForgetCredentials(_)
            | Step::ExpectNoFactor => self.take_of_credentials(step)?,
            Step::OpenSession { session, detail } => {
                self.open(session, detail, is_elsewhere)?;
            }
            Step::ExpectSession(session) => {
                self.sessions.get(session).filter(|(row, _)| row.ended.is_none())?;
            }
            Step::ForgetEnded => self.forget_ended(),
            Step::BindImportedToken { session, from, to } => self.bind(*session, (*from, *to))?,
            Step::MakeRoom(room) => return Some(self.make_room(room)),
            Step::EndSession { session, ending } => {
                return self.end(*session, ending).then(|| vec![(*session, ending)]);
            }
            Step::EndSessions { except, with, ending } => {
                return self.end_sessions(*except, *with, ending);
            }
        }
        Some(Vec::new())
    }

    /// Makes the account, or has other names lead to it.
    fn take_of_names(&mut self, step: &Step, is_taken: impl Fn(&Name, Option<&Name>) -> bool) -> Option<()> {
        match step {
            Step::CreateAccount(account) => {
                if self.account.is_some() {
                    return None;
                }
                self.account = Some((**account).clone());
            }
            Step::AddName(name) => {
                if self.account.is_none() || is_taken(name, None) || self.names.contains(name) {
                    return None;
                }
                self.names.push(name.clone());
            }
            Step::Rename { from, to, told_as, text } => {
                let place = self.names.iter().position(|name| name == from)?;
                if is_taken(to, Some(from)) || (to != from && self.names.contains(to)) {
                    return None;
                }
                self.names[place] = to.clone();
                self.tell_name(*told_as, text)?;
            }
            Step::DropName(name) => {
                let place = self.names.iter().position(|held| held == name)?;
                self.names.remove(place);
            }
            _ => return None,
        }
        Some(())
    }

    /// What proves who somebody is.
    fn take_of_credentials(&mut self, step: &Step) -> Option<()> {
        match step {
            Step::PutCredential { id, was, to, .. } => self.put_credential(*id, was, to)?,
            Step::KeepDevices { most } => self.keep_devices(*most as usize),
            Step::ForgetCredential { id, was } => {
                self.credentials.get(id).filter(|found| was.as_ref().is_none_or(|was| was == *found))?;
                self.credentials.remove(id);
            }
            Step::ForgetCredentials(kind) => self.credentials.retain(|id, _| id.kind != *kind),
            Step::ExpectNoFactor => self.expect_no_factor()?,
            _ => return None,
        }
        Some(())
    }

    /// Changes the account's own row.
    fn change_account(&mut self, step: &Step) -> Option<()> {
        match step {
            Step::TellName { told_as, text } => self.tell_name(*told_as, text)?,
            Step::TellParticular { which, text } => {
                self.account.as_mut()?.particulars.tell(*which, text.clone());
            }
            Step::SetAdministrator(is_admin) => {
                let account = self.account.as_mut().filter(|account| account.is_admin != *is_admin)?;
                account.is_admin = *is_admin;
            }
            Step::MoveEpoch => {
                let account = self.account.as_mut()?;
                account.epoch = account.epoch.next();
            }
            Step::Disable { at } => {
                let account = self.account.as_mut().filter(|account| account.disabled_at.is_none())?;
                account.disabled_at = Some(*at);
            }
            Step::Enable => {
                let account = self.account.as_mut().filter(|account| account.disabled_at.is_some())?;
                account.disabled_at = None;
            }
            Step::PlanErasure { at } => {
                let account = self.account.as_mut().filter(|account| account.erase_at.is_none())?;
                account.erase_at = Some(*at);
            }
            Step::CallOffErasure => self.account.as_mut()?.erase_at = None,
            Step::ExpectErasureDue { at } => {
                self.account.as_ref()?.erase_at.filter(|due| due <= at)?;
            }
            Step::ConfirmEmail { address, at } => {
                let has_it = |account: &&mut Account| account.email.as_ref() == Some(address);
                let account = self.account.as_mut().filter(has_it)?;
                account.confirmed = Some(ConfirmedEmail { address: address.clone(), at: *at });
            }
            Step::UnconfirmEmail => {
                let is_confirmed = |account: &&mut Account| account.email_confirmed_at().is_some();
                self.account.as_mut().filter(is_confirmed)?.confirmed = None;
            }
            _ => return None,
        }
        Some(())
    }

    /// What is handed out once, and what leaves the server.
    fn take_of_letters(&mut self, step: &Step) -> Option<()> {
        match step {
            Step::PutToken(token) => {
                if self.tokens.contains_key(&token.id) {
                    return None;
                }
                self.tokens.insert(token.id, (**token).clone());
            }
            Step::TryCode { .. } => self.try_code(step)?,
            Step::SpendToken { token, purpose, bound_to, proof, at } => {
                self.spend(*token, (*purpose, *bound_to), *proof, *at)?;
            }
            Step::EndTokens { purpose } => self.tokens.retain(|_, token| token.purpose != *purpose),
            Step::EndTokensSince { purpose, since } => {
                self.tokens.retain(|_, token| token.purpose != *purpose || token.made_at < *since);
            }
            Step::PutMessageOnce { message, due_at } => {
                let queued = Queued { due_at: Some(*due_at), ..Queued::new((**message).clone()) };
                self.messages.entry(message.key.id).or_insert(queued);
            }
            Step::PutMessage(message) => {
                if self.messages.contains_key(&message.key.id) {
                    return None;
                }
                self.messages.insert(message.key.id, Queued::new((**message).clone()));
            }
            _ => return None,
        }
        Some(())
    }

    fn tell_name(&mut self, told_as: NameKind, text: &str) -> Option<()> {
        let account = self.account.as_mut()?;
        let told = if told_as == NameKind::Username { &mut account.username } else { &mut account.email };
        *told = Some(text.to_owned());
        Some(())
    }

    fn put_credential(&mut self, id: CredentialId, was: &Was, to: &[u8]) -> Option<()> {
        let found = self.credentials.get(&id);
        let applies = match was {
            Was::Missing => found.is_none(),
            Was::This(was) => found == Some(was),
            Was::Any => true,
        };
        (applies && self.account.is_some()).then(|| {
            self.credentials.insert(id, to.to_vec());
        })
    }

    fn keep_devices(&mut self, most: usize) {
        for kind in [CredentialKind::Device, CredentialKind::Remembered] {
            self.keep_newest(kind, most);
        }
    }

    fn keep_newest(&mut self, kind: CredentialKind, most: usize) {
        let devices = self.credentials.iter().filter(|(id, _)| id.kind == kind);
        let seen = |secret: &[u8]| secret.get(DEVICE_SEEN..).unwrap_or_default().to_vec();
        let mut devices: Vec<_> = devices.map(|(id, secret)| (seen(secret), *id)).collect();
        devices.sort_unstable();
        devices.reverse();
        for (_, id) in devices.into_iter().skip(most) {
            self.credentials.remove(&id);
        }
    }

    /// The account's second factors and what goes with them, in the order of their kinds' names.
    pub(super) fn of_factors(&self) -> Vec<(CredentialId, Vec<u8>)> {
        let of_factors =
            self.credentials.iter().filter(|(id, _)| CredentialKind::OF_FACTORS.contains(&id.kind));
        let mut found: Vec<_> = of_factors.map(|(id, secret)| (*id, secret.clone())).collect();
        found.sort_by_key(|(id, _)| (id.kind.name(), id.id));
        found
    }

    fn expect_no_factor(&self) -> Option<()> {
        let has_factor = self.credentials.keys().any(|id| CredentialKind::FACTORS.contains(&id.kind));
        (!has_factor).then_some(())
    }

    fn try_code(&mut self, step: &Step) -> Option<()> {
        let Step::TryCode { token, purpose, bound_to, code_hash, solver, at } = step else { return None };
        let found = self.tokens.get_mut(token).filter(|found| found.is_for(*purpose, bound_to, *at))?;
        let code = found.code_hash.filter(|_| found.tries < MAX_TRIES)?;
        found.tries += 1;
        found.solved_by = (code == *code_hash).then_some(*solver);
        Some(())
    }

    fn spend(
        &mut self,
        id: TokenId,
        (purpose, bound_to): (Purpose, Digest),
        proof: Proof,
        at: Timestamp,
    ) -> Option<()> {
        let found = self.tokens.get(&id).filter(|found| found.is_for(purpose, &bound_to, at))?;
        let is_proved = match proof {
            Proof::Secret(hash) => found.secret_hash == hash,
            Proof::Solved(by) => found.solved_by == Some(by),
        };
        let epoch = self.account.as_ref().map(|account| account.epoch);
        let is_of_today = found.epoch.is_none() || found.epoch == epoch;
        (is_proved && is_of_today).then(|| {
            self.tokens.remove(&id);
        })
    }

    fn bind(&mut self, session: SessionId, (from, to): (SecretHash, SecretHash)) -> Option<()> {
        let (row, _) = self.sessions.get_mut(&session).filter(|(row, _)| row.secret_hash == from)?;
        row.secret_hash = to;
        Some(())
    }

    fn open(
        &mut self,
        session: &Session,
        detail: &SessionDetail,
        is_elsewhere: impl Fn(SessionId) -> bool,
    ) -> Option<()> {
        let account = self.account.as_ref().map(AccountState::of);
        let id = session.key.session;
        if id.is_imported() && is_elsewhere(id) {
            return None;
        }
        (admits(account, session) && !self.sessions.contains_key(&id)).then(|| {
            self.sessions.insert(id, (session.clone(), detail.clone()));
        })
    }

    /// Ends a session; `false` if there is none or it had ended.
    pub(super) fn end(&mut self, session: SessionId, ending: &Ending) -> bool {
        let live = self.sessions.get_mut(&session).filter(|(row, _)| row.ended.is_none());
        let Some((row, detail)) = live else { return false };
        row.ended = Some(Ended { at: ending.at, cause: ending.cause });
        detail.ended_ip.clone_from(&ending.ip);
        true
    }

    fn end_sessions<'s>(
        &mut self,
        except: Option<SessionId>,
        with: Option<SessionId>,
        ending: &'s Ending,
    ) -> Option<EndedBy<'s>> {
        let live = self.sessions.iter().filter(|(id, (row, _))| row.ended.is_none() && Some(**id) != except);
        let live: Vec<SessionId> = live.map(|(id, _)| *id).collect();
        if with.is_some_and(|with| !live.contains(&with)) {
            return None;
        }
        Some(live.into_iter().filter(|id| self.end(*id, ending)).map(|id| (id, ending)).collect())
    }

    fn make_room<'s>(&mut self, room: &'s Room) -> EndedBy<'s> {
        let (now, ending) = (room.ending.at, &room.ending);
        let replaced = room.replaces.filter(|id| self.sessions.contains_key(id));
        let has_replaced_a_live_one = replaced.is_some_and(|id| self.sessions[&id].0.is_live(now));
        let mut ended: Vec<SessionId> = replaced.into_iter().filter(|id| self.end(*id, ending)).collect();
        let surplus = self.surplus(room.most, now);
        for id in surplus.into_iter().take(room.may_give_way(has_replaced_a_live_one)) {
            self.end(id, ending);
            ended.push(id);
        }
        ended.into_iter().map(|id| (id, ending)).collect()
    }

    /// The live sessions that give way, longest unused first, so that with one more there are `most`.
    fn surplus(&self, most: u32, now: Timestamp) -> Vec<SessionId> {
        let mut live: Vec<&Session> = self
            .sessions
            .values()
            .map(|(session, _)| session)
            .filter(|session| session.is_live(now))
            .collect();
        live.sort_by_key(|session| (session.rotated_at, session.key));
        let stay = most.saturating_sub(1) as usize;
        live.iter().take(live.len().saturating_sub(stay)).map(|session| session.key.session).collect()
    }

    fn forget_ended(&mut self) {
        let ended = self.sessions.iter().filter_map(|(id, (session, _))| Some((session.ended?.at, *id)));
        let mut ended: Vec<(Timestamp, SessionId)> = ended.collect();
        ended.sort_unstable();
        let beyond = ended.len().saturating_sub(MAX_ENDED_KEPT as usize);
        for (_, id) in &ended[..beyond] {
            self.sessions.remove(id);
        }
    }
}
