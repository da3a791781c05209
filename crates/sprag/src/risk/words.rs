//! A risk as the journal keeps it: written for people, in a form that machines read again.

use std::fmt;
use std::str::FromStr;

use super::{Decision, Found, Reason, Risk};

/// A text that tells of no risk.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRisk;

impl Risk {
    /// Whether anything makes the log-in unlike those before it.
    #[must_use]
    pub fn has_reasons(&self) -> bool {
        !self.reasons.is_empty()
    }

    /// What the journal says of it; nothing, where there is nothing to say.
    #[must_use]
    pub fn note(&self) -> Option<String> {
        self.has_reasons().then(|| self.to_string())
    }
}

/// `risk 50 (notify): new_device 20, new_country 30 (FR)`. No detail has a comma or a bracket.
impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "risk {} ({}):", self.score, self.decision.name())?;
        for (at, Found { reason, weight, detail }) in self.reasons.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma} {} {weight}", reason.name())?;
            if let Some(detail) = detail {
                write!(f, " ({detail})")?;
            }
        }
        Ok(())
    }
}

/// Reads what a note of the journal says.
impl FromStr for Risk {
    type Err = NoRisk;

    fn from_str(text: &str) -> Result<Self, NoRisk> {
        let (head, rest) = text.strip_prefix("risk ").and_then(|text| text.split_once(':')).ok_or(NoRisk)?;
        let (score, decision) = head.split_once(' ').ok_or(NoRisk)?;
        let decision = decision.strip_prefix('(').and_then(|name| name.strip_suffix(')')).ok_or(NoRisk)?;
        let decision = Decision::ALL.into_iter().find(|known| known.name() == decision).ok_or(NoRisk)?;
        let found = rest.split(',').map(str::trim).filter(|text| !text.is_empty()).map(found);
        Ok(Self {
            score: score.parse().map_err(|_| NoRisk)?,
            decision,
            reasons: found.collect::<Result<_, _>>()?,
        })
    }
}

fn found(text: &str) -> Result<Found, NoRisk> {
    let (text, detail) = match text.split_once(" (") {
        Some((text, detail)) => (text, Some(detail.strip_suffix(')').ok_or(NoRisk)?.to_owned())),
        None => (text, None),
    };
    let (reason, weight) = text.split_once(' ').ok_or(NoRisk)?;
    let reason = Reason::named(reason).ok_or(NoRisk)?;
    Ok(Found { reason, weight: weight.parse().map_err(|_| NoRisk)?, detail })
}
