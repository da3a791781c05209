//! Judges the history of a run by what clients saw and what was found on the disk; it shares no code with the server.
//!
//! I1: no generation of a session has two tokens, and no old branch lives on. I2: what was acknowledged is on the
//! disk after the kill, and is never answered with a "no". I3: a session that was ended stays ended. I5: no session
//! ends that nobody ended. A session's attempts stand in the order in which its one client made them.

use std::collections::{BTreeMap, HashMap};

use crate::binary::token::Id;

/// One request and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    pub session: Id,
    /// Which start of the server it was sent to, from 0.
    pub life: usize,
    /// Whether it was under way together with the attempt before it.
    pub is_beside: bool,
    /// The generation of the token it presented.
    pub presented: u64,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// No answer came, or "not now": it may have happened or not.
    Unknown,
    /// This token was handed out, or the presented one confirmed; the text is kept as a fingerprint.
    Holds { generation: u64, text: u64 },
    /// A "no", with its code and cause.
    Refused { code: String, cause: String },
    /// A log-out was sent and no answer came.
    MayHaveEnded,
    /// A log-out was acknowledged.
    Ended,
    /// Another session of the account was sent to change the password, which ends this one, and no answer came.
    PasswordMayHaveChanged,
    /// The password has changed.
    PasswordChanged,
}

impl Outcome {
    /// The cause of the end that was asked for.
    fn asks_for(&self) -> Option<&'static str> {
        match self {
            Self::MayHaveEnded | Self::Ended => Some("logout"),
            Self::PasswordMayHaveChanged | Self::PasswordChanged => Some("password_changed"),
            Self::Unknown | Self::Holds { .. } | Self::Refused { .. } => None,
        }
    }

    fn is_acknowledged_end(&self) -> bool {
        matches!(self, Self::Ended | Self::PasswordChanged)
    }
}

/// Whether one of these attempts asked for an end with that cause.
fn was_asked_for(attempts: &[&Attempt], cause: &str) -> bool {
    attempts.iter().any(|attempt| attempt.outcome.asks_for() == Some(cause))
}

/// What stood on the disk when a life was over.
#[derive(Clone, Debug, Default)]
pub struct Disk {
    pub rows: HashMap<Id, Row>,
    pub integrity: String,
    /// The journal: kind, session and cause of each event.
    pub events: Vec<(String, Option<Id>, Option<String>)>,
}

#[derive(Clone, Debug)]
pub struct Row {
    pub generation: u64,
    pub ended: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// I1
    Forked,
    /// I1
    OldBranchLives,
    /// I2
    Lost,
    /// I3
    Resurrected,
    /// I5
    FalselyEnded,
    WentBack,
    Damaged,
}

/// A violation and where it was seen.
#[derive(Clone, Debug)]
pub struct Violation {
    pub kind: Kind,
    pub seen: String,
}

/// Everything that is wrong with a run; `disks` holds one entry for each life, in order.
pub fn check(history: &[Attempt], disks: &[Disk]) -> Vec<Violation> {
    let mut by_session: BTreeMap<Id, Vec<&Attempt>> = BTreeMap::new();
    for attempt in history {
        by_session.entry(attempt.session).or_default().push(attempt);
    }
    let mut violations = Violations(Vec::new());
    for (session, attempts) in &by_session {
        check_answers(attempts, &mut violations);
        for (life, disk) in disks.iter().enumerate() {
            let so_far: Vec<_> = attempts.iter().copied().filter(|attempt| attempt.life <= life).collect();
            check_row(life, &so_far, disk.rows.get(session), &mut violations);
        }
    }
    for disk in disks {
        if disk.integrity != "ok" {
            violations.add(Kind::Damaged, &disk.integrity);
        }
    }
    if let Some(last) = disks.last() {
        check_journal(&by_session, &last.events, &mut violations);
    }
    violations.0
}

fn check_answers(attempts: &[&Attempt], violations: &mut Violations) {
    let mut texts: HashMap<u64, u64> = HashMap::new();
    // The newest generation acknowledged, and the newest before the attempts that are under way together.
    let (mut newest, mut settled) = (0, 0);
    let mut has_ended = false;
    for (index, attempt) in attempts.iter().enumerate() {
        if !attempt.is_beside {
            settled = newest;
        }
        match &attempt.outcome {
            Outcome::Unknown | Outcome::MayHaveEnded | Outcome::PasswordMayHaveChanged => {}
            Outcome::Ended | Outcome::PasswordChanged => has_ended = true,
            Outcome::Refused { code, cause } => {
                let is_own_doing = code == "session_ended" && was_asked_for(&attempts[..index], cause);
                if !is_own_doing {
                    violations.add(Kind::FalselyEnded, attempt);
                }
            }
            Outcome::Holds { generation, text } => {
                if has_ended {
                    violations.add(Kind::Resurrected, attempt);
                }
                let is_a_step = *generation == attempt.presented || *generation == attempt.presented + 1;
                if !is_a_step || texts.insert(*generation, *text).is_some_and(|before| before != *text) {
                    violations.add(Kind::Forked, attempt);
                }
                if attempt.presented + 1 < settled || *generation < settled {
                    violations.add(Kind::OldBranchLives, attempt);
                }
                newest = newest.max(*generation);
            }
        }
    }
}

/// Compares what was acknowledged up to the end of a life with the row that was on the disk then.
fn check_row(life: usize, attempts: &[&Attempt], row: Option<&Row>, violations: &mut Violations) {
    let acknowledged = attempts.iter().filter_map(|attempt| match attempt.outcome {
        Outcome::Holds { generation, .. } => Some(generation),
        _ => None,
    });
    let (Some(acknowledged), Some(last)) = (acknowledged.max(), attempts.last()) else { return };
    let Some(row) = row else {
        violations.add(Kind::Lost, &(life, last));
        return;
    };
    if row.generation < acknowledged {
        violations.add(Kind::Lost, &(life, row, last));
    }
    let most = attempts.iter().map(|attempt| attempt.presented + 1).max().unwrap_or(0);
    if row.generation > most {
        violations.add(Kind::Forked, &(life, row, last));
    }
    let was_told = attempts.iter().any(|attempt| attempt.outcome.is_acknowledged_end());
    match &row.ended {
        None if was_told => violations.add(Kind::Resurrected, &(life, row, last)),
        Some(cause) if !was_asked_for(attempts, cause) => {
            violations.add(Kind::FalselyEnded, &(life, row, last));
        }
        _ => {}
    }
}

fn check_journal(
    by_session: &BTreeMap<Id, Vec<&Attempt>>,
    events: &[(String, Option<Id>, Option<String>)],
    violations: &mut Violations,
) {
    let mut ended = HashMap::new();
    for (kind, session, cause) in events {
        match kind.as_str() {
            "session_ended" => {
                let cause = cause.clone().unwrap_or_default();
                *ended.entry((session.unwrap_or_default(), cause)).or_insert(0) += 1;
            }
            "lockstep" | "secret_mismatch" => {
                violations.add(Kind::FalselyEnded, &(kind, session, cause));
            }
            "ahead_adopted" => violations.add(Kind::WentBack, &(kind, session)),
            _ => {}
        }
    }
    for ((session, cause), count) in ended {
        // A log-in whose answer was lost left a session that no client knows; a password may end it.
        let Some(attempts) = by_session.get(&session) else {
            if cause != "password_changed" {
                violations.add(Kind::FalselyEnded, &("in the journal, of nobody", session, cause));
            }
            continue;
        };
        if count != 1 || !was_asked_for(attempts, &cause) {
            violations.add(Kind::FalselyEnded, &("in the journal", session, cause, count));
        }
    }
}

struct Violations(Vec<Violation>);

impl Violations {
    fn add(&mut self, kind: Kind, seen: &dyn std::fmt::Debug) {
        self.0.push(Violation { kind, seen: format!("{seen:?}") });
    }
}
