//! What an answer tells of the budgets that were asked for it, as draft-ietf-httpapi-ratelimit-headers-10 has it: `RateLimit-Policy`
//! names each with what it holds, `RateLimit` what is left of those of which that may be told.
//!
//! Only whoever asks without an account is told: what they ask with is limited by where they come from. Clients that have a
//! token learn from `Retry-After` when to come again, and nothing more.

use std::fmt::Write as _;
use std::time::Duration;

use axum::response::Response;
use hyper::header::{HeaderName, HeaderValue, RETRY_AFTER};
use sprag::limits::{Left, Told};

pub(crate) static RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(crate) static RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// Adds both fields, where there is something to tell.
///
/// A budget that has room is told without its `t` where `Retry-After` names an earlier moment: the draft has no `t` behind it, and
/// what is waited for is another budget.
pub(crate) fn tell(told: &[Told], response: &mut Response) {
    if told.is_empty() {
        return;
    }
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    let (mut policy, mut lefts) = (String::new(), String::new());
    for Told { budget, rate, left } in told {
        let name = budget.name();
        let window = seconds(rate.span());
        let _infallible = write!(policy, "{}\"{name}\";q={};w={window}", comma(&policy), rate.burst);
        let Some(Left { remaining, next }) = left else { continue };
        let _infallible = write!(lefts, "{}\"{name}\";r={remaining}", comma(&lefts));
        let next =
            next.map(seconds).filter(|next| retry_after.is_none_or(|retry_after: u64| *next <= retry_after));
        if let Some(next) = next {
            let _infallible = write!(lefts, ";t={next}");
        }
    }
    for (field, text) in [(&RATE_LIMIT_POLICY, policy), (&RATE_LIMIT, lefts)] {
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
    use sprag::budget::{Budget, Rate};

    use super::*;

    fn left(remaining: u32, millis: u64) -> Option<Left> {
        Some(Left { remaining, next: Some(Duration::from_millis(millis)) })
    }

    fn usual(budget: Budget, left: Option<Left>) -> Told {
        Told { budget, rate: budget.usual(), left }
    }

    fn field<'a>(response: &'a Response, name: &HeaderName) -> &'a str {
        response.headers()[name].to_str().unwrap()
    }

    #[test]
    fn what_is_left_is_told_of_whom_it_concerns_only() {
        let mut response = Response::new(Body::empty());
        tell(&[usual(Budget::LoginAccount, None), usual(Budget::LoginPrefix, left(59, 400))], &mut response);
        assert_eq!(
            field(&response, &RATE_LIMIT_POLICY),
            "\"login.account\";q=10;w=600, \"login.prefix\";q=60;w=60"
        );
        assert_eq!(field(&response, &RATE_LIMIT), "\"login.prefix\";r=59;t=1");
    }

    #[test]
    fn where_nothing_was_asked_nothing_is_told() {
        let mut response = Response::new(Body::empty());
        tell(&[], &mut response);
        assert!(response.headers().is_empty());
    }

    #[test]
    fn a_budget_that_was_whole_was_said_to_get_one_more_at_once() {
        let mut response = Response::new(Body::empty());
        tell(&[usual(Budget::LoginPrefix, Some(Left { remaining: 60, next: None }))], &mut response);
        assert_eq!(field(&response, &RATE_LIMIT), "\"login.prefix\";r=60");
    }

    #[test]
    fn retry_after_named_a_moment_before_what_ratelimit_waited_for() {
        let told =
            [usual(Budget::LoginAccount, left(0, 4_200)), usual(Budget::LoginPrefix, left(30, 3_600_000))];
        let mut response = Response::new(Body::empty());
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
        tell(&told, &mut response);
        assert_eq!(field(&response, &RATE_LIMIT), "\"login.account\";r=0;t=5, \"login.prefix\";r=30");
    }

    /// The items of a list of structured fields (RFC 9651): strings with integers as parameters, and nothing else.
    fn items(field: &str) -> Vec<(String, Vec<(String, u64)>)> {
        let item = |item: &str| {
            let (name, parameters) =
                item.strip_prefix('"').and_then(|item| item.split_once('"')).expect("a string");
            assert!(name.bytes().all(|byte| (0x20..0x7f).contains(&byte) && byte != b'\\'), "{name}");
            let parameters = parameters.split(';').skip(1).map(|parameter| {
                let (key, value) = parameter.split_once('=').expect("a value");
                assert!(key.bytes().all(|byte| byte.is_ascii_lowercase()), "{key}");
                assert!(
                    value.len() <= 15 && value.bytes().all(|byte| byte.is_ascii_digit()),
                    "{value}: an integer"
                );
                (key.to_owned(), value.parse().unwrap())
            });
            (name.to_owned(), parameters.collect())
        };
        field.split(", ").map(item).collect()
    }

    /// What draft-ietf-httpapi-ratelimit-headers-10 asks for: lists of strings; of a policy `q`, and `w`, which is not 0; of what
    /// is left `r`, and `t`; only of policies that are named; no key of a partition and no unit, for there is one of each.
    #[test]
    fn ratelimit_headers_draft_10_is_kept_whatever_the_rates_are() {
        let most = Duration::from_millis(u64::MAX);
        for (burst, interval, left) in [
            (1, Duration::from_millis(1), left(0, 1)),
            (10, Duration::from_secs(60), left(9, 60_000)),
            (u32::MAX, Duration::from_secs(1), left(u32::MAX, 999)),
            (3, Duration::from_secs(86_400 * 400), Some(Left { remaining: 0, next: Some(most / 1_000_000) })),
            (7, Duration::from_secs(5), Some(Left { remaining: 7, next: None })),
            (7, Duration::from_secs(5), None),
        ] {
            let rate = Rate { burst, interval };
            let told: Vec<_> = Budget::ALL.iter().map(|&budget| Told { budget, rate, left }).collect();
            let mut response = Response::new(Body::empty());
            tell(&told, &mut response);
            let policies = items(field(&response, &RATE_LIMIT_POLICY));
            assert_eq!(policies.len(), Budget::ALL.len());
            for (_, parameters) in &policies {
                let [(q, quota), (w, window)] = &parameters[..] else { panic!("{parameters:?}") };
                assert!(
                    (q.as_str(), *quota, w.as_str()) == ("q", burst.into(), "w") && *window > 0,
                    "{parameters:?}"
                );
            }
            let Some(left) = left else {
                assert!(!response.headers().contains_key(&RATE_LIMIT), "an empty list is no field");
                continue;
            };
            for ((name, parameters), (policy, _)) in
                items(field(&response, &RATE_LIMIT)).iter().zip(&policies)
            {
                assert_eq!(name, policy);
                let keys: Vec<_> = parameters.iter().map(|(key, _)| key.as_str()).collect();
                assert_eq!(keys, if left.next.is_some() { vec!["r", "t"] } else { vec!["r"] });
            }
        }
    }
}
