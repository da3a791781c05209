//! Which places are let in: a list of those that are, and one of those that are not.

use std::fmt;
use std::str::FromStr;

use sprag::place::{Continent, Country};

use crate::quoted::quoted;

/// What stands before a continent's code, which may be a country's, too: `AF` is Afghanistan and Africa.
const CONTINENT: &str = "continent:";

/// Something that a list of places names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Region {
    /// A country: `DE`.
    Country(Country),
    /// All countries of a continent: `continent:EU`.
    Continent(Continent),
    /// Every address of which no country is known: `unknown`.
    Unknown,
}

/// From where a request comes, as far as a fence is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whence {
    /// From this machine or a network of one's own: let in by every fence.
    Local,
    /// From nobody knows where.
    Unknown,
    /// From a country.
    In(Country),
}

/// Which places are let in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fence {
    /// Only these; all, where there are none.
    pub allow: Vec<Region>,
    /// Not these, whatever else is said.
    pub deny: Vec<Region>,
}

/// The fences of a profile, its own and everybody's: each of them has to let a request in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Fences {
    /// For whoever wants a session: log-in and registration.
    pub login: Vec<Fence>,
    /// For whoever has one: refresh, and whatever else answers with its tokens.
    pub refresh: Vec<Fence>,
}

impl Fence {
    /// Whether it lets everybody in.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.allow.is_empty() && self.deny.is_empty()
    }

    /// Whether it lets a request in that comes from there.
    ///
    /// A place that is not known is none of those that a list names, unless the list says `unknown`: so it is let in by a
    /// list of those that are not, and kept out by one of those that are.
    #[must_use]
    pub fn lets_in(&self, whence: Whence) -> bool {
        if whence == Whence::Local {
            return true;
        }
        let is_named = |list: &[Region]| list.iter().any(|region| region.has(whence));
        !is_named(&self.deny) && (self.allow.is_empty() || is_named(&self.allow))
    }
}

impl Fences {
    /// Adds a fence for log-ins and one for refreshes, if they keep anybody out.
    pub(crate) fn add(&mut self, login: Fence, refresh: Fence) {
        self.login.extend((!login.is_open()).then_some(login));
        self.refresh.extend((!refresh.is_open()).then_some(refresh));
    }

    /// Whether everybody is let in.
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.login.is_empty() && self.refresh.is_empty()
    }
}

impl Region {
    fn has(self, whence: Whence) -> bool {
        match (self, whence) {
            (Self::Unknown, Whence::Unknown) => true,
            (Self::Country(country), Whence::In(there)) => country == there,
            (Self::Continent(continent), Whence::In(there)) => there.continent() == continent,
            _ => false,
        }
    }
}

/// In capitals or not. The error says what would be right.
impl FromStr for Region {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("unknown") {
            return Ok(Self::Unknown);
        }
        if let Some(code) = text.get(..CONTINENT.len()).filter(|start| start.eq_ignore_ascii_case(CONTINENT))
        {
            let known: Vec<_> = Continent::ALL.iter().map(Continent::code).collect();
            let continent = text[code.len()..].parse().map(Self::Continent);
            return continent.map_err(|_| {
                format!(
                    "{} is no continent; after {CONTINENT} comes one of {}",
                    quoted(text),
                    known.join(", ")
                )
            });
        }
        if let Ok(country) = text.parse() {
            return Ok(Self::Country(country));
        }
        let instead = match text.to_ascii_uppercase().as_str() {
            "UK" => "; the United Kingdom is GB".to_owned(),
            "EN" => "; that is a language, and the United Kingdom is GB".to_owned(),
            code if code.parse::<Continent>().is_ok() => {
                format!("; for the continent write {CONTINENT}{code}")
            }
            _ => String::new(),
        };
        Err(format!(
            "{} is not the code of a country; write two letters as ISO 3166-1 has them, such as DE, or {CONTINENT}EU, or \
             unknown{instead}",
            quoted(text)
        ))
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Country(country) => write!(f, "{country}"),
            Self::Continent(continent) => write!(f, "{CONTINENT}{continent}"),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> Vec<Region> {
        text.split_whitespace().map(|region| region.parse().unwrap()).collect()
    }

    #[test]
    fn a_fence_lets_in_what_its_lists_say() {
        let (local, unknown) = (Whence::Local, Whence::Unknown);
        let there = |code: &str| Whence::In(code.parse().unwrap());
        for (allow, deny, let_in, kept_out) in [
            ("", "", vec![local, unknown, there("KP")], vec![]),
            ("DE AT", "", vec![local, there("DE"), there("AT")], vec![unknown, there("FR")]),
            ("", "KP RU", vec![local, unknown, there("DE")], vec![there("KP"), there("RU")]),
            ("continent:EU", "BY", vec![local, there("DE")], vec![unknown, there("US"), there("BY")]),
            ("DE unknown", "", vec![local, unknown, there("DE")], vec![there("FR")]),
            ("", "unknown", vec![local, there("FR")], vec![unknown]),
            ("DE", "DE", vec![local], vec![unknown, there("DE")]),
            ("AF", "", vec![there("AF")], vec![there("EG")]),
            ("continent:AF", "", vec![there("EG")], vec![there("AF")]),
        ] {
            let fence = Fence { allow: list(allow), deny: list(deny) };
            for whence in let_in {
                assert!(fence.lets_in(whence), "allow {allow:?} deny {deny:?}: {whence:?}");
            }
            for whence in kept_out {
                assert!(!fence.lets_in(whence), "allow {allow:?} deny {deny:?}: {whence:?}");
            }
        }
    }

    #[test]
    fn what_is_no_region_is_told_with_what_would_be() {
        for (text, told) in [
            ("UK", "is GB"),
            ("EU", "write continent:EU"),
            ("Germany", "two letters"),
            ("", "two letters"),
            ("continent:XX", "one of AF, AN, AS, EU, NA, OC, SA"),
            ("continent:", "one of"),
        ] {
            let error = text.parse::<Region>().unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
        for text in ["DE", "continent:NA", "unknown"] {
            assert_eq!(text.to_lowercase().parse::<Region>().unwrap().to_string(), text);
        }
    }
}
