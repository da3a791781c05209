//! What a request brings: fields from JSON or a form, tokens from headers and cookies, and who is asking.

use std::error::Error;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Once;
use std::time::Duration;

use axum::body::Body;
use axum::extract::ConnectInfo;
use bytes::Bytes;
use data_encoding::HEXLOWER_PERMISSIVE;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use hyper::body::Body as _;
use hyper::header::{
    AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, USER_AGENT,
};
use hyper::http::request::Parts;
use memchr::memchr2_iter;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use sprag::engine::Requester;
use sprag::timers::KeptTimers;
use zeroize::Zeroizing;

use super::connections::Asking;
use super::instance;
use super::last_client::LastClient;
use super::multipart;
use super::proxies::{FORWARDED_FOR, Proxies};
use super::refusal::Problem;
use super::wiped::{self, WipedFields};
use crate::quoted::quoted;

/// The largest body, in bytes.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// How deep JSON may nest. Everything we take is flat; the rest is for clients that send more than they need.
const MAX_JSON_DEPTH: usize = 32;

/// How long a client may take to send a body.
const BODY_DEADLINE: Duration = Duration::from_secs(9);

/// A name that is read at each refresh is made once.
static IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A request's body, whole; or why there is none, which is said once the body is asked for.
pub(crate) type Received = Result<Bytes, Problem>;

/// Waits for a request's body.
pub(crate) async fn receive(parts: &Parts, body: Body) -> Received {
    let codings = parts.headers.get_all(CONTENT_ENCODING).iter().map(HeaderValue::as_bytes);
    let mut codings = codings.flat_map(|line| line.split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    // `identity` is the name of no coding at all (RFC 9110 section 8.4.1).
    if let Some(coding) =
        codings.find(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
    {
        return Err(Problem::UnsupportedMediaType(
            format!(
                "the body has the Content-Encoding {}, which is not read here; send the body as it is, without one",
                quoted(&String::from_utf8_lossy(coding))
            )
            .into(),
        ));
    }
    whole(body, parts.extensions.get::<Asking>()).await
}

/// All of a body, in time; it counts for who is asking until it is answered.
pub(crate) async fn whole(body: Body, asking: Option<&Asking>) -> Received {
    let whole = in_one_piece(Limited::new(body, MAX_BODY_BYTES), asking);
    let own = KeptTimers::default();
    match asking.map_or(&own, Asking::timers).within(BODY_DEADLINE, pin!(whole)).await {
        Ok(Ok(whole)) => Ok(whole.into()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::TooLarge),
        Ok(Err(_)) => Err(Problem::invalid("the body broke off; send the request again")),
        Err(_) => Err(Problem::TooSlow),
    }
}

/// A body as it comes, copied together: whoever sends it byte by byte would otherwise have each byte kept in a buffer of
/// its own.
async fn in_one_piece(
    mut body: Limited<Body>,
    asking: Option<&Asking>,
) -> Result<Vec<u8>, Box<dyn Error + Send + Sync>> {
    let mut whole = Vec::new();
    while !body.is_end_stream() {
        let Some(frame) = body.frame().await else { break };
        if let Ok(data) = frame?.into_data() {
            if let Some(asking) = asking {
                asking.hold(data.len());
            }
            wiped::take_in(data, &mut whole);
        }
    }
    Ok(whole)
}

/// The fields of a request's body; none where it has no body.
pub(crate) fn fields(parts: &Parts, body: Received) -> Result<WipedFields, Problem> {
    let bytes = body?;
    if bytes.is_empty() {
        return Ok(WipedFields::default());
    }
    let fields = fields_in(parts, &bytes);
    wiped::wipe(bytes);
    fields.map(WipedFields::from)
}

fn fields_in(parts: &Parts, bytes: &Bytes) -> Result<Map<String, Value>, Problem> {
    let content_type = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let kind = content_type.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    // Some writers of text put the mark of its byte order before it, which says nothing of UTF-8.
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let is = |name: &str| kind.eq_ignore_ascii_case(name.as_bytes());
    match () {
        () if is("application/json") => json(text),
        () if is("application/x-www-form-urlencoded") => form(text),
        () if is("multipart/form-data") => {
            multipart::fields(&String::from_utf8_lossy(content_type), bytes.clone())
        }
        () => Err(Problem::UnsupportedMediaType(
            "send Content-Type: application/json, application/x-www-form-urlencoded or multipart/form-data"
                .into(),
        )),
    }
}

fn json(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    let Ok(text) = str::from_utf8(bytes) else {
        return Err(Problem::invalid("the JSON body is not UTF-8; send it in that encoding"));
    };
    // What opens no more often than that cannot nest deeper, and most bodies do not.
    let opened = memchr2_iter(b'{', b'[', bytes).count();
    if opened > MAX_JSON_DEPTH && depth(bytes) > MAX_JSON_DEPTH {
        return Err(Problem::invalid("the JSON body nests deeper than 32 levels"));
    }
    match serde_json::from_str::<Fields>(text) {
        Ok(Fields(fields)) => Ok(fields),
        Err(error) if error.is_data() => Err(Problem::invalid(
            "the JSON body is not an object with each field once; send {\"field\": \"value\", …}",
        )),
        Err(error) => Err(Problem::invalid(format!(
            "the body is not JSON: it goes wrong at line {} column {}",
            error.line(),
            error.column()
        ))),
    }
}

/// An object's members, each once: of two with one name, somebody else might read the other.
struct Fields(Map<String, Value>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EachOnce)
    }
}

struct EachOnce;

impl<'de> Visitor<'de> for EachOnce {
    type Value = Fields;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with each field once")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Fields, A::Error> {
        let mut fields = Map::new();
        while let Some((name, value)) = members.next_entry::<String, Value>()? {
            if fields.insert(name, value).is_some() {
                return Err(de::Error::custom("a field stands twice"));
            }
        }
        Ok(Fields(fields))
    }
}

/// How deep brackets nest outside strings.
fn depth(bytes: &[u8]) -> usize {
    let (mut depth, mut deepest, mut in_string, mut is_escaped) = (0_usize, 0, false, false);
    for byte in bytes {
        match (in_string, byte) {
            (true, _) if is_escaped => is_escaped = false,
            (true, b'\\') => is_escaped = true,
            (_, b'"') => in_string = !in_string,
            (false, b'{' | b'[') => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

fn form(bytes: &[u8]) -> Result<Map<String, Value>, Problem> {
    pairs(bytes).map_err(|wrong| {
        Problem::invalid(match wrong {
            Wrong::Encoding => "the form is not UTF-8; send its fields in that encoding",
            Wrong::Form => "the body is not a form; send field=value&field=value",
            Wrong::Twice => "the form has one field twice; send each field once",
        })
    })
}

/// The fields of a request's query.
pub(crate) fn query(parts: &Parts) -> Result<Map<String, Value>, Problem> {
    pairs(parts.uri.query().unwrap_or_default().as_bytes()).map_err(|wrong| {
        Problem::invalid(match wrong {
            Wrong::Encoding => "the query is not UTF-8; send it in that encoding",
            Wrong::Form => "what stands behind the ? is no query; send name=value&name=value",
            Wrong::Twice => "the query has one name twice; send each once",
        })
    })
}

/// What is wrong with a form or a query.
enum Wrong {
    Encoding,
    Form,
    Twice,
}

fn pairs(bytes: &[u8]) -> Result<Map<String, Value>, Wrong> {
    if !is_unicode(bytes) {
        return Err(Wrong::Encoding);
    }
    let pairs: Vec<(String, String)> = serde_urlencoded::from_bytes(bytes).map_err(|_| Wrong::Form)?;
    let mut fields = Map::new();
    for (name, value) in pairs {
        if fields.insert(name, Value::String(value)).is_some() {
            return Err(Wrong::Twice);
        }
    }
    Ok(fields)
}

/// Whether a form is UTF-8 once its percent signs are resolved. The reader of forms would put one and the same sign
/// for all that is not, and two passwords would become one.
fn is_unicode(form: &[u8]) -> bool {
    let mut resolved = Zeroizing::new(Vec::with_capacity(form.len()));
    let mut rest = form;
    while let [byte, tail @ ..] = rest {
        let digits = tail.first_chunk::<2>().filter(|_| *byte == b'%');
        let escaped = digits.and_then(|digits| HEXLOWER_PERMISSIVE.decode(digits).ok());
        resolved.push(escaped.as_ref().map_or(*byte, |escaped| escaped[0]));
        rest = if escaped.is_some() { &tail[2..] } else { tail };
    }
    str::from_utf8(&resolved).is_ok()
}

/// The token of an `Authorization: Bearer` header (RFC 6750 section 2.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_at(value.iter().position(|byte| *byte == b' ')?);
    // What is no text is no token, and came all the same.
    scheme.eq_ignore_ascii_case(b"bearer").then(|| str::from_utf8(token).unwrap_or_default().trim())
}

/// The retry id, if the client sent one.
pub(crate) fn retry_id(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    instance::short_header(headers, &IDEMPOTENCY_KEY)
}

/// Said once: whoever is not behind a proxy may send that header, too.
static PROXIES_ARE_ASKED_FOR: Once = Once::new();

fn ask_for_proxies() {
    tracing::warn!(
        "a request came with X-Forwarded-For, and no proxy is named whose word would be taken for it; if your proxy sent \
         it, all requests seem to come from there: name it with trusted-proxies (SPRAG_TRUSTED_PROXIES)"
    );
}

/// Said once: a proxy may ask something for itself, too.
static CLIENTS_ARE_ASKED_FOR: Once = Once::new();

fn ask_for_clients(proxy: IpAddr) {
    tracing::warn!(
        %proxy,
        "a request came from a proxy that trusted-proxies (SPRAG_TRUSTED_PROXIES) names, without an X-Forwarded-For that can be \
         read, so its clients cannot be told apart, and what is limited by network counts a hundredfold there: have the proxy \
         send X-Forwarded-For with the address of the client"
    );
}

/// Who is asking. `device_cookie` is the name of the profile's device cookie, if it has one.
pub(crate) fn requester(
    parts: &Parts,
    proxies: &Proxies,
    device_cookie: Option<&str>,
) -> Result<Requester, Problem> {
    if proxies.are_none() && parts.headers.contains_key(FORWARDED_FOR) {
        PROXIES_ARE_ASKED_FOR.call_once(ask_for_proxies);
    }
    let Source { address, may_be_proxy } = Source::of(parts, proxies);
    let user_agent = parts.headers.get(USER_AGENT).map(HeaderValue::as_bytes);
    let own = LastClient::default();
    let last = parts.extensions.get::<Asking>().map_or(&own, Asking::last_client);
    let client = last.next(user_agent, address);
    let (instance, is_named) = instance::of(&parts.headers, device_cookie, &client)?;
    let named_instance = is_named.then_some(instance);
    let (ip, user_agent) = (client.ip.clone(), client.user_agent.clone());
    let (acting, languages) = (None, None);
    Ok(Requester { ip, user_agent, instance, named_instance, may_be_proxy, acting, languages })
}

/// The address that a request comes from, as far as it is known.
pub(crate) fn address(parts: &Parts, proxies: &Proxies) -> Option<IpAddr> {
    Source::of(parts, proxies).address
}

/// Where a request comes from, as far as that decides whose budget it spends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Source {
    /// The address that it counts for, where one is known.
    pub(crate) address: Option<IpAddr>,
    /// Whether that may be a proxy which speaks for many: one that nobody named, or one that does not say for whom.
    pub(crate) may_be_proxy: bool,
}

impl Source {
    pub(crate) fn of(parts: &Parts, proxies: &Proxies) -> Self {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip());
        let address = peer.map(|peer| proxies.client(peer, &parts.headers));
        let silent = address.filter(|address| proxies.believes(*address));
        if let Some(proxy) = silent {
            CLIENTS_ARE_ASKED_FOR.call_once(|| ask_for_clients(proxy));
        }
        let may_be_proxy = silent.is_some() || peer.is_some_and(|peer| proxies.may_be_missing(peer));
        Self { address, may_be_proxy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_unicode_or_refused() {
        for form in ["a=%C3%A9", "a=\u{e9}", "a=100%&b=%2", "a=%zz", ""] {
            assert!(is_unicode(form.as_bytes()), "{form}");
        }
        for form in ["a=%E9".as_bytes(), b"a=\xe9", b"%C3=1", b"a=%c3%", b"a=%ff%fe"] {
            assert!(!is_unicode(form), "{form:?}");
        }
    }

    #[test]
    fn depth_counts_brackets_but_not_those_in_strings() {
        assert_eq!(depth(br#"{"a": ["[[[[", {"b\"[": []}]}"#), 4);
        assert_eq!(depth(b""), 0);
    }

    #[test]
    fn a_field_that_stands_twice_is_refused() {
        assert!(json(br#"{"a": 1, "b": {"a": 2}}"#).is_ok());
        assert!(json(br#"{"a": "1", "a": "2"}"#).is_err());
        assert!(json(b"[]").is_err());
    }

    #[test]
    fn a_named_proxy_that_does_not_say_for_whom_it_asks_may_speak_for_many() {
        let proxies: Proxies = "192.0.2.7".parse().unwrap();
        let source = |peer: [u8; 4], header: Option<&str>| {
            let mut request = hyper::Request::new(());
            if let Some(header) = header {
                request.headers_mut().append(FORWARDED_FOR, header.parse().unwrap());
            }
            request.extensions_mut().insert(ConnectInfo(SocketAddr::from((peer, 40_000))));
            let (parts, ()) = request.into_parts();
            let Source { address, may_be_proxy } = Source::of(&parts, &proxies);
            (address.unwrap().to_string(), may_be_proxy)
        };
        for silent in [None, Some("unknown"), Some("198.51.100.1, ?"), Some("192.0.2.7")] {
            assert_eq!(source([192, 0, 2, 7], silent), ("192.0.2.7".to_owned(), true), "{silent:?}");
        }
        let told = source([192, 0, 2, 7], Some("198.51.100.1"));
        assert_eq!(told, ("198.51.100.1".to_owned(), false));
        assert_eq!(source([192, 0, 2, 8], None), ("192.0.2.8".to_owned(), false), "it is no proxy");
    }

    /// Whoever writes the header is not believed, however often they try and whatever they write.
    #[test]
    fn r47_a_hundred_thousand_forged_headers_change_nobody_s_network() {
        let peer = SocketAddr::from(([198, 51, 100, 7], 40_000));
        let behind: Proxies = "192.0.2.0/24".parse().unwrap();
        for proxies in [Proxies::default(), behind] {
            for number in 0..100_000_u32 {
                let [a, b, c, d] = number.wrapping_mul(2_654_435_761).to_be_bytes();
                let forged = format!("{a}.{b}.{c}.{d}, 192.0.2.{d}, 10.{b}.{c}.{d}");
                let mut request = hyper::Request::new(());
                let headers = request.headers_mut();
                headers.append(FORWARDED_FOR, forged.parse().unwrap());
                headers.append("forwarded", format!("for={a}.{b}.{c}.{d}").parse().unwrap());
                headers.append("x-real-ip", format!("{a}.{b}.{c}.{d}").parse().unwrap());
                request.extensions_mut().insert(ConnectInfo(peer));
                let (parts, ()) = request.into_parts();
                let somebody = requester(&parts, &proxies, None).unwrap();
                assert_eq!(somebody.prefix().network(), "198.51.100.0/24", "{forged}");
                assert!(!somebody.may_be_proxy);
            }
        }
    }
}
