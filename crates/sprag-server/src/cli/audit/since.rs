//! Since when, as people write it: a span back from now, a day, or a moment.

use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use sprag::clock::Timestamp;

use crate::duration;

/// Since when, as somebody wrote it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Since {
    Ago(Duration),
    At(Timestamp),
}

impl Since {
    /// The moment it comes to.
    pub(super) fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(span) => now.minus(span),
            Self::At(at) => at,
        }
    }
}

pub(super) fn since(text: &str) -> Result<Since, String> {
    if let Ok(span) = duration::parse(text) {
        return Ok(Since::Ago(span));
    }
    let day = || text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|day| day.timestamp());
    let moment =
        text.parse::<jiff::Timestamp>().ok().or_else(|| day().filter(|_| text.len() == "2026-11-21".len()));
    let moment = moment.map(|moment| Since::At(Timestamp(moment.as_millisecond())));
    moment.ok_or_else(|| {
        "write a span as 2h or 7d, a day as 2026-11-21, or a moment as 2026-11-21T03:02:11Z".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Timestamp = Timestamp(1_795_230_131_000);

    #[test]
    fn since_is_a_span_a_day_or_a_moment() {
        assert!(matches!(since("2h"), Ok(Since::Ago(span)) if span.as_secs() == 7200));
        for (text, at) in [
            ("2026-11-21", 1_795_219_200_000),
            ("2026-11-21T03:02:11Z", AT.0),
            ("2026-11-21T04:02:11.123+01:00", AT.0 + 123),
        ] {
            assert!(matches!(since(text), Ok(Since::At(found)) if found.0 == at), "{text}");
        }
        for text in ["", "yesterday", "2 h", "2026-13-01", "2026-11-21T03:02:11", "-1h"] {
            assert!(since(text).is_err(), "{text}");
        }
    }
}
