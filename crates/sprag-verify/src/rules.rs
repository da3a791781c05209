//! What is expected of a token, and when it is.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::algorithm::Algorithm;
use crate::error::Error;

/// Tells the time.
pub(crate) type Clock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// What is expected of a token, its keys aside.
#[derive(Clone)]
pub(crate) struct Rules {
    pub(crate) issuer: String,
    pub(crate) audience: Audience,
    pub(crate) algorithm: Algorithm,
    pub(crate) leeway: Duration,
    pub(crate) clock: Clock,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Audience {
    /// Tokens name nobody.
    Nobody,
    /// Tokens name this API.
    Named(String),
}

impl Rules {
    /// Whether the token is from whom and for whom it must be.
    pub(crate) fn judge_parties(&self, issuer: &str, audience: Option<&str>) -> Result<(), Error> {
        if issuer != self.issuer {
            return Err(Error::Issuer);
        }
        match (&self.audience, audience) {
            (Audience::Nobody, None) => Ok(()),
            (Audience::Named(_), None) => Err(Error::Claim("aud".to_owned())),
            (Audience::Named(expected), Some(named)) if expected == named => Ok(()),
            (Audience::Nobody | Audience::Named(_), Some(_)) => Err(Error::Audience),
        }
    }

    /// Whether now lies in the time of the token, give or take the leeway.
    ///
    /// Where the leeway would lead past the end of time, the clock is broken, and nothing is accepted.
    pub(crate) fn judge_time(
        &self,
        begins: SystemTime,
        ends: SystemTime,
        now: SystemTime,
    ) -> Result<(), Error> {
        if now.checked_add(self.leeway).is_none_or(|latest| begins > latest) {
            return Err(Error::NotYet);
        }
        if ends.checked_add(self.leeway).is_none_or(|end| now >= end) {
            return Err(Error::Expired);
        }
        Ok(())
    }
}

impl fmt::Debug for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rules")
            .field("issuer", &self.issuer)
            .field("audience", &self.audience)
            .field("algorithm", &self.algorithm)
            .field("leeway", &self.leeway)
            .finish_non_exhaustive()
    }
}
