//! Examples: what ann would send and be answered, through the profile's own templates. Nothing in them is real.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Map, Value, json};
use sprag::account::{Account, Particulars};
use sprag::audit::{Entry, Event, EventKind, Head};
use sprag::clock::Timestamp;
use sprag::session::{AccountId, Epoch, Session, SessionDetail, SessionId, SessionKey};
use sprag::token::Encoding;
use uuid::Uuid;

use super::schema::Written;
use crate::places::OpenedAt;
use crate::profile::{Fact, Facts, Input, Profile, Route, SessionFacts, TakenField, Transport, Whose};

/// A cursor as it looks.
const CURSOR: &str = "YW4gZXhhbXBsZSBvZiBhIGN1cnNvciwgc2VhbGVkIGJ5IG5vYm9keQ";

/// What a code by mail comes with, as it looks.
const LOGIN_ID: &str = "YSBsb2dpbiBpZCwgd2hpY2ggb25seSB0aGUgYnJvd3NlciBoYXM…";

/// By which a new password is set, as it looks.
const RESET_TOKEN: &str = "spo_AQECAZHC6…";

/// When the examples happen: noon, 1 July 2026.
const NOON: Timestamp = Timestamp(1_782_907_200_000);

/// One example: its name among its like, what it shows, and the body.
pub(super) struct Example {
    pub(super) name: String,
    pub(super) summary: String,
    pub(super) value: Value,
}

/// Examples as a media type has them.
pub(super) fn listed(examples: Vec<Example>) -> Value {
    let entry =
        |example: Example| (example.name, json!({ "summary": example.summary, "value": example.value }));
    Value::Object(examples.into_iter().map(entry).collect())
}

/// What a client may send to `route`: one example for each field that a name may stand in.
pub(super) fn requests(profile: &Profile, route: &Route, written: Written) -> Vec<Example> {
    let fields = route.takes.fields();
    let same = |one: &TakenField, other: &TakenField| {
        one.input == other.input || (is_name(one) && is_name(other) && route.action.account() == Whose::Named)
    };
    let alternatives: Vec<&TakenField> =
        fields.iter().filter(|field| fields.iter().filter(|other| same(field, other)).count() > 1).collect();
    let Some(first) = alternatives.first() else {
        let value = request(profile, route, written, &|_| true);
        return vec![Example { name: "usual".to_owned(), summary: "As a client sends it".to_owned(), value }];
    };
    let alike = alternatives.iter().filter(|field| same(field, first));
    alike
        .map(|chosen| Example {
            name: format!("by_{}", chosen.name),
            summary: format!("With `{}`", chosen.name),
            value: request(profile, route, written, &|field| {
                field.name == chosen.name || !same(field, chosen)
            }),
        })
        .collect()
}

/// What `route` answers where all is well.
pub(super) fn answers(profile: &Profile, route: &Route) -> Vec<Example> {
    let example = |name: &str, summary: &str, in_body| Example {
        name: name.to_owned(),
        summary: summary.to_owned(),
        value: answer(profile, route, in_body),
    };
    match profile.wire.refresh.transport {
        Transport::Asked if route.gives_pair() => vec![
            example("in_body", "The refresh token travels in the body", true),
            example("in_cookie", "The refresh token travels in the cookie", false),
        ],
        Transport::Cookie => vec![example("usual", "As the server answers", false)],
        _ => vec![example("usual", "As the server answers", true)],
    }
}

/// The field of `route` that an example of a refusal finds fault with.
pub(super) fn field_at_fault<'a>(route: &'a Route, code: &str) -> Option<&'a str> {
    let fields = route.takes.fields();
    let field = match code {
        "field_missing" => fields.iter().find(|field| !field.is_optional),
        "field_invalid" => fields.first(),
        "name_invalid" | "name_taken" => fields.iter().find(|field| is_name(field)),
        "password_rejected" => fields
            .iter()
            .find(|field| field.input == Input::NewPassword)
            .or(fields.iter().find(|field| field.input == Input::Password)),
        _ => None,
    };
    field.map(|field| field.name.as_str())
}

/// The id of the session that the examples tell of.
pub(super) fn session_id() -> String {
    id(2).to_string()
}

/// The id of the second factor that the examples tell of.
pub(super) fn factor_id() -> String {
    id(3).to_string()
}

/// The id of the account that the examples tell of.
pub(super) fn account_id() -> String {
    id(1).to_string()
}

/// An access token as it looks: whoever decodes it reads that it is an example.
fn access_token() -> String {
    let header = r#"{"alg":"ES256","kid":"example","typ":"at+jwt"}"#;
    let claims = r#"{"iss":"https://auth.example.org","sub":"example"}"#;
    signed(header, claims)
}

fn refresh_token(encoding: Encoding) -> String {
    match encoding {
        Encoding::Opaque => {
            let text = "this is an example of a refresh token, and no server has ever handed it out to any client yet";
            format!("spr_{}", BASE64URL_NOPAD.encode(&text.as_bytes()[..92]))
        }
        Encoding::Jwt => {
            signed(r#"{"alg":"HS256","kid":"1","typ":"rt+jwt"}"#, r#"{"type":"refresh","sub":"example"}"#)
        }
    }
}

fn signed(header: &str, claims: &str) -> String {
    let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
    format!("{}.{}.{}", part(header), part(claims), part("an example, signed by nobody"))
}

fn is_name(field: &TakenField) -> bool {
    matches!(field.input, Input::Name | Input::Username | Input::Email)
}

/// Whom an example is about: ann has an account, ben is about to have one.
fn person(route: &Route) -> &'static str {
    if route.action.account() == Whose::New { "ben" } else { "ann" }
}

fn request(
    profile: &Profile,
    route: &Route,
    written: Written,
    is_sent: &dyn Fn(&TakenField) -> bool,
) -> Value {
    let mut body = Map::new();
    for field in route.takes.fields().iter().filter(|field| is_sent(field)) {
        let value = if field.input.is_flag() && written == Written::Json {
            false.into()
        } else {
            sent(profile, route, field).into()
        };
        body.insert(field.name.clone(), value);
    }
    body.into()
}

fn sent(profile: &Profile, route: &Route, field: &TakenField) -> String {
    let person = person(route);
    match field.input {
        Input::Name if field.name.contains("mail") => format!("{person}@example.org"),
        Input::Name | Input::Username => person.to_owned(),
        Input::FullName => format!("{} Example", capitalised(person)),
        Input::GivenName => capitalised(person),
        Input::FamilyName => "Example".to_owned(),
        Input::Language => "de".to_owned(),
        Input::Email => format!("{person}@example.org"),
        Input::Password | Input::CurrentPassword => "an example of a password".to_owned(),
        Input::NewPassword => "another example of a password".to_owned(),
        Input::RefreshToken => refresh_token(profile.client.encoding),
        Input::Device => format!("{person}'s laptop"),
        Input::Transport => "body".to_owned(),
        Input::SessionId => session_id(),
        Input::Role => "editor".to_owned(),
        Input::IsEmailVerified => "true".to_owned(),
        Input::IsAdmin
        | Input::IsDisabled
        | Input::Everywhere
        | Input::ClosesUndo
        | Input::RememberDevice => "false".to_owned(),
        Input::DeviceToken => "spm_AZHC6…".into(),
        Input::Query => "an".to_owned(),
        Input::After => CURSOR.to_owned(),
        Input::Limit => "50".to_owned(),
        Input::Kind => "login_failed,session_ended".to_owned(),
        Input::Severity => "warning".to_owned(),
        Input::Since => "7d".to_owned(),
        Input::By => "day".to_owned(),
        Input::Token | Input::Invite => "spo_AQEBAZHC6…".into(),
        Input::ExpiresIn => "2d".to_owned(),
        Input::LoginId => LOGIN_ID.to_owned(),
        Input::MfaToken => "spo_ASgBAZHC6…".into(),
        Input::Code => "123456".into(),
        Input::Credential => "{\"id\":\"AQEB…\",\"type\":\"public-key\",…}".into(),
        Input::Label => format!("{person}'s phone"),
        Input::Altcha => "eyJjaGFsbGVuZ2UiOnsicGFyYW1ldGVycyI6e…".into(),
    }
}

fn answer(profile: &Profile, route: &Route, is_in_body: bool) -> Value {
    let policy = &profile.policy;
    let (access, refresh) = (access_token(), refresh_token(profile.client.encoding));
    let account = account(person(route));
    let rows = [session(profile, 2, NOON.plus(policy.access_ttl)), session(profile, 3, NOON)];
    let details = [detail("192.0.2.7", "ann's laptop"), detail("198.51.100.23", "ann's telephone")];
    let places = [opened_at(&details[0], "Berlin"), opened_at(&details[1], "Potsdam")];
    let sessions = [0, 1].map(|at| SessionFacts {
        session: &rows[at],
        detail: &details[at],
        opened_at: &places[at],
        own_idle_end: (at == 0).then_some(NOON.plus(policy.idle_timeout)),
    });
    // A list is of sessions, of accounts, or of what happened to one.
    let tells_of_events = route.action.facts_of_each() == Fact::EVENT;
    let tells_of_accounts = route.action.facts_of_each() == Fact::ACCOUNT;
    let listed = [account.clone()];
    let events = [rotation(&rows[0])];
    let facts = Facts {
        access_token: Some(&access),
        refresh_token: Some(refresh.as_str()).filter(|_| is_in_body),
        expires_in: Some(policy.access_ttl.as_secs()),
        refresh_in: Some((policy.access_ttl.as_secs() * 3 / 4).max(1)),
        refresh_expires_in: Some(policy.idle_timeout.as_secs()),
        expires_at: Some(NOON.plus(policy.access_ttl)),
        refresh_expires_at: Some(NOON.plus(policy.idle_timeout)),
        session_id: Some(rows[0].key.session),
        account_id: Some(account.id),
        account: (!route.gives_pair() || tells_of_account(route)).then_some(&account),
        accounts: if tells_of_accounts { &listed } else { &[] },
        next: Some(CURSOR),
        login_id: Some(LOGIN_ID),
        reset_token: Some(RESET_TOKEN),
        erase_at: Some(NOON.plus(Duration::from_secs(14 * 24 * 3600))),
        invite: Some(("spo_AQEKAZHC6…", NOON.plus(Duration::from_secs(7 * 24 * 3600)))),
        sessions: if tells_of_events || tells_of_accounts { &[] } else { &sessions },
        session: Some(sessions[0]).filter(|_| tells_of_events),
        events: if tells_of_events { &events } else { &[] },
        ..Facts::default()
    };
    route.gives.render(&facts)
}

fn rotation(session: &Session) -> Entry {
    let event = Event {
        account: session.key.account,
        at: session.rotated_at,
        kind: EventKind::SessionRotated,
        session: Some(session.key.session),
        cause: None,
        ip: Some("192.0.2.7".to_owned()),
        user_agent: Some("Example/1.0".to_owned()),
        note: None,
    };
    Head::new(session.key.account).add(event, [0; 32])
}

fn tells_of_account(route: &Route) -> bool {
    Fact::ACCOUNT.iter().any(|fact| route.gives.names(*fact))
}

fn account(name: &str) -> Account {
    Account {
        username: Some(name.to_owned()),
        email: Some(format!("{name}@example.org")),
        particulars: Particulars {
            name: Some(format!("{} Example", capitalised(name))),
            given_name: Some(capitalised(name)),
            family_name: Some("Example".to_owned()),
            language: Some("en".to_owned()),
            ..Particulars::default()
        },
        ..Account::new(AccountId(id(1)), NOON)
    }
}

fn capitalised(name: &str) -> String {
    let (first, rest) = name.split_at(1);
    first.to_uppercase() + rest
}

fn session(profile: &Profile, number: u8, rotated_at: Timestamp) -> Session {
    let key = SessionKey { account: AccountId(id(1)), session: SessionId(id(number)) };
    let begun = Session::begun(key, profile.client.id, [0; 32], Epoch(0), &profile.policy, NOON);
    Session { rotated_at, idle_expires_at: rotated_at.plus(profile.policy.idle_timeout), ..begun }
}

fn detail(ip: &str, device: &str) -> SessionDetail {
    SessionDetail {
        ip: Some(ip.to_owned()),
        user_agent: Some("Mozilla/5.0 (an example)".to_owned()),
        device: Some(device.to_owned()),
        ended_ip: None,
    }
}

fn opened_at(detail: &SessionDetail, city: &str) -> OpenedAt {
    OpenedAt { label: detail.device.clone(), country: "DE".parse().ok(), city: Some(city.to_owned()) }
}

/// A UUID of version 7 that ends in `number`.
fn id(number: u8) -> Uuid {
    Uuid::from_u128(0x019f_1dcb_7400_7000_8000_0000_0000_0000 | u128::from(number))
}
