//! What an answer tells of the budgets that were asked for it, as draft-ietf-httpapi-ratelimit-headers-10 has it: `RateLimit-Policy`
//! names each with what it holds, `RateLimit` what is left of those of which that may be told.
//!
//! Only whoever asks without an account is told: what they ask with is limited by where they come from. Clients that have a
//! token learn from `Retry-After` when to come again, and nothing more.

use std::fmt::Write as _;
use std::time::Duration;

use axum::response::Response;
use hyper::header::{HeaderName, HeaderValue};
use sprag::limits::Told;

pub(crate) static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Adds both fields, where there is something to tell.
pub(crate) fn tell(told: &[Told], response: &mut Response) {
    let (mut policy, mut left) = (String::new(), String::new());
    for Told { budget, rate, left: remaining } in told {
        let name = budget.name();
        let window = seconds(rate.span());
        let _infallible = write!(policy, "{}\"{name}\";q={};w={window}", comma(&policy), rate.burst);
        if let Some((remaining, wait)) = remaining {
            let _infallible = write!(left, "{}\"{name}\";r={remaining};t={}", comma(&left), seconds(*wait));
        }
    }
    for (field, text) in [(&RATE_LIMIT_POLICY, policy), (&RATE_LIMIT, left)] {
        if let (false, Ok(value)) = (text.is_empty(), HeaderValue::from_str(&text)) {
            response.headers_mut().insert(field.clone(), value);
        }
    }
}

/// Whole seconds, so that nobody comes too early.
pub(crate) fn seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

fn comma(before: &str) -> &'static str {
    if before.is_empty() { "" } else { ", " }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use sprag::budget::Budget;

    use super::*;

    #[test]
    fn what_is_left_is_told_of_whom_it_concerns_only() {
        let told = |budget: Budget, left| Told { budget, rate: budget.usual(), left };
        let mut response = Response::new(Body::empty());
        let network = told(Budget::LoginPrefix, Some((59, Duration::from_millis(400))));
        tell(&[told(Budget::LoginAccount, None), network], &mut response);
        let field = |name: &HeaderName| response.headers()[name].to_str().unwrap();
        assert_eq!(field(&RATE_LIMIT_POLICY), "\"login.account\";q=10;w=600, \"login.prefix\";q=60;w=60");
        assert_eq!(field(&RATE_LIMIT), "\"login.prefix\";r=59;t=1");
    }

    #[test]
    fn where_nothing_was_asked_nothing_is_told() {
        let mut response = Response::new(Body::empty());
        tell(&[], &mut response);
        assert!(response.headers().is_empty());
    }
}
