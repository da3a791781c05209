//! How a refresh token travels: found in cookie or body, sent back the way the profile asks.

use std::borrow::Cow;

use hyper::header::{HeaderMap, HeaderName, ORIGIN};
use percent_encoding::percent_decode_str;
use sprag::Engine;
use sprag::engine::ClientPolicy;
use sprag::session::{Generation, SessionKey};

use super::app::App;
use super::cookie::cookies;
use super::cors;
use super::refusal::Problem;
use crate::profile::{CookieSpec, OriginRule, RefreshTransport, Transport};
use crate::quoted::quoted;
use crate::web_origin;

/// How many cookies of one name are looked into; each may take a look into the store.
const MAX_COOKIES: usize = 16;

/// A refresh token as it came.
#[derive(Debug)]
pub(crate) struct Carried {
    pub(crate) text: String,
    pub(crate) by: By,
}

/// A text that is a token of some session.
struct Genuine<'a> {
    text: &'a str,
    key: SessionKey,
    generation: Generation,
    is_ours: bool,
}

/// The way a refresh token came, and by default goes back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum By {
    Body,
    Cookie,
}

/// Finds the refresh token in a request's cookies.
///
/// A browser may send two cookies of one name, one of them planted by a neighbouring subdomain: only those that are of
/// a session count, and two sessions are one too many. Another system's token is of a session while that lives.
pub(crate) async fn find_in_cookies(
    cookie: &CookieSpec,
    client: &ClientPolicy,
    engine: &Engine,
    headers: &HeaderMap,
) -> Result<Option<Carried>, Problem> {
    let mut values: Vec<Cow<'_, str>> = cookies(headers, &cookie.name).map(decoded).collect();
    values.dedup();
    let found = match values.as_slice() {
        [] => return Ok(None),
        [only] => only,
        several => Box::pin(the_genuine_one(several, client, engine)).await?,
    };
    Ok(Some(Carried::new(found, By::Cookie)))
}

/// A cookie's value without the percent signs that Express and others write; none of our tokens has one. What is not
/// encoded well stays as it is, as there.
fn decoded(value: Cow<'_, str>) -> Cow<'_, str> {
    if !value.contains('%') {
        return value;
    }
    let bytes: Vec<u8> = percent_decode_str(&value).collect();
    let is_encoded_well = bytes.len() + 2 * value.matches('%').count() == value.len();
    match String::from_utf8(bytes) {
        Ok(text) if is_encoded_well => text.into(),
        _ => value,
    }
}

async fn the_genuine_one<'a>(
    values: &'a [Cow<'_, str>],
    client: &ClientPolicy,
    engine: &Engine,
) -> Result<&'a str, Problem> {
    if values.len() > MAX_COOKIES {
        return Err(Problem::invalid("too many cookies of one name; delete the cookies and log in again"));
    }
    let mut genuine: Vec<Genuine<'_>> = Vec::new();
    for text in values {
        if let Some((key, generation)) = engine.tokens().session_of(client, text).await? {
            let is_ours = engine.tokens().parse(client, text).is_some();
            genuine.push(Genuine { text, key, generation, is_ours });
        }
    }
    if genuine.iter().any(|found| found.is_ours) {
        drop_what_is_left_over(&mut genuine, engine).await?;
    }
    if genuine.iter().any(|found| found.key != genuine[0].key) {
        return Err(Problem::invalid(
            "two cookies carry refresh tokens of different sessions; delete the cookies and log in again",
        ));
    }
    // None is genuine: any of them gets the refusal it deserves.
    let newest = genuine.iter().rev().max_by_key(|found| found.generation);
    Ok(newest.map_or(&values[0], |found| found.text))
}

/// Another system's token that was taken long ago stays in its cookie where that has another path than ours, also when
/// somebody else logs in: beside a token of ours it says nothing.
async fn drop_what_is_left_over(genuine: &mut Vec<Genuine<'_>>, engine: &Engine) -> Result<(), Problem> {
    let mut kept = Vec::with_capacity(genuine.len());
    for found in genuine.drain(..) {
        let session = if found.is_ours { None } else { engine.store().session(found.key).await? };
        if session.is_none_or(|(session, _)| session.generation == Generation(0)) {
            kept.push(found);
        }
    }
    *genuine = kept;
    Ok(())
}

/// Which of two tokens of one session is the newer one.
pub(crate) async fn the_newer_one<'a>(
    cookie: &'a str,
    body: &'a str,
    client: &ClientPolicy,
    engine: &Engine,
) -> Result<&'a str, Problem> {
    let is_foreign = |text| engine.tokens().parse(client, text).is_none();
    match (engine.tokens().session_of(client, cookie).await?, engine.tokens().session_of(client, body).await?)
    {
        (Some((one, a)), Some((other, b)))
            if one == other && (a.0.abs_diff(b.0) <= 1 || is_foreign(cookie) || is_foreign(body)) =>
        {
            Ok(if a >= b { cookie } else { body })
        }
        _ => Err(Problem::invalid(
            "the cookie and the body do not carry refresh tokens of one session; send only one",
        )),
    }
}

impl Carried {
    pub(crate) fn new(text: &str, by: By) -> Self {
        Self { text: text.to_owned(), by }
    }
}

/// Refuses a request that a browser sent from another site (cross-site request forgery).
///
/// `Sec-Fetch-Site` decides where there is one; otherwise `Origin` must be ours. Where there is neither, no browser
/// of today sent it: a profile says whether that is enough. Sites that are named in the settings count as ours.
pub(crate) fn require_own_site(cookie: &CookieSpec, app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    // A word that cannot be read is no word of ours.
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let is_named = |origin: &str| app.other_origins.iter().any(|named| named == origin);
    let (site, origin) = (text(HeaderName::from_static("sec-fetch-site")), text(ORIGIN));
    let is_own = match (site, origin) {
        (_, Some(origin)) if is_named(origin) => true,
        (Some(site), _) => site == "same-origin",
        (None, Some(origin)) => origin == app.origin,
        (None, None) => cookie.origin == OriginRule::IfSent,
    };
    if is_own { Ok(()) } else { Err(not_of_our_site(app, site, origin)) }
}

/// Says in the log what to set, and to the client where the page would have to come from.
fn not_of_our_site(app: &App, site: Option<&str>, origin: Option<&str>) -> Problem {
    const SECURE: &str =
        "browsers send Sec-Fetch-* to secure origins only, which are https and this machine itself";
    let ours = &app.origin;
    let Some(origin) = origin else {
        return Problem::CrossSite(site.is_none().then(|| {
            format!(
                "this request carries or asks for a session cookie, and has neither Origin nor Sec-Fetch-Site; {SECURE}: \
                 open the page by {ours}; what is no browser sends Origin: {ours}, or the token in the body"
            )
        }));
    };
    cors::tell(app, origin, "a request with a session's cookie was refused for the origin of its page");
    // Only what is an origin is repeated to whoever sent it.
    let is_origin = web_origin::named(origin).is_ok() || web_origin::is_insecure(origin);
    if origin == ours || !is_origin {
        return Problem::CrossSite(None);
    }
    let from =
        format!("a page of {} sent this request, which carries or asks for a session cookie", quoted(origin));
    Problem::CrossSite(Some(if site.is_none() && web_origin::is_insecure(origin) {
        format!(
            "{from}; {SECURE}, so nothing shows that it is a page of this site: open it by {ours}, or send the token in \
             the body"
        )
    } else {
        format!(
            "{from}; open the page by {ours}, have its origin named in cors-origins, or send the token in the body"
        )
    }))
}

/// Whether an answer carries the refresh token in its cookie and in its body.
pub(crate) fn ways(transport: &RefreshTransport, by: By) -> (bool, bool) {
    match (transport.transport, by) {
        (Transport::Body, _) | (Transport::Asked, By::Body) => (false, true),
        (Transport::Cookie, _) | (Transport::Asked, By::Cookie) => (true, false),
        (Transport::Both, _) => (true, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_decoded_whole_or_left_as_it_is() {
        for (value, text) in [
            ("a%2Bb%2Fc%3D", "a+b/c="),
            ("a+b/c==", "a+b/c=="),
            ("%c3%a9", "\u{e9}"),
            ("100%", "100%"),
            ("%2B%", "%2B%"),
            ("%2B%zz", "%2B%zz"),
            ("%2B%ff", "%2B%ff"),
            ("%252B", "%2B"),
        ] {
            assert_eq!(decoded(value.into()), text);
        }
    }
}
