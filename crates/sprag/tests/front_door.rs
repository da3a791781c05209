//! Authenticating apart from opening a session, and users that an embedder knows by itself.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use sprag::access::{self, Expected};
use sprag::clock::{HandClock, Timestamp};
use sprag::engine::{
    AccessTokenShape, ClientPolicy, Engine, NewUser, OpenRequest, PasswordChangeRequest, Requester, Subject,
};
use sprag::keys::{Algorithm, KeyRing};
use sprag::password::Hasher;
use sprag::random::SeededRandom;
use sprag::session::{AccountId, EndCause, Methods, ProfileId};
use sprag::store::memory::MemoryStore;
use sprag::store::{Commit, Expect, Step, Was};
use sprag::{Error, FaultKind, Refusal};
use uuid::Uuid;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const PASSWORD: &str = "correct horse battery";
const PROFILE: ProfileId = ProfileId(7);

fn ring() -> KeyRing {
    KeyRing::generate(Algorithm::Hs256, &SeededRandom::new(3), NOW).unwrap()
}

fn engine() -> Engine {
    let engine = Engine::builder(Arc::new(MemoryStore::new())).keys(ring()).issuer("https://id.example");
    let engine = engine.clock(Arc::new(HandClock::at(NOW))).hasher(Hasher::start(1, 16).unwrap());
    engine.build().unwrap()
}

fn client() -> ClientPolicy {
    ClientPolicy::new(PROFILE, "web")
}

fn somebody() -> Requester {
    Requester { ip: Some("192.0.2.1".into()), ..Requester::nobody() }
}

fn refusal<T>(outcome: Result<T, Error>) -> Refusal {
    match outcome.err().expect("it is refused") {
        Error::Refused(refusal) => refusal,
        Error::Failed(fault) => panic!("{fault:?}"),
    }
}

#[tokio::test]
async fn an_account_needs_no_password_and_then_nobody_logs_in_by_one() {
    let engine = engine();
    let user = NewUser { username: Some("ann"), ..NewUser::default() };
    let ann = engine.accounts().create(user, &somebody()).await.unwrap();
    for guess in ["", " ", PASSWORD, "$argon2id$v=19$m=19456,t=2,p=1$bm9ib2R5J3Mgc2FsdCE"] {
        let refused = refusal(engine.authn().password("ann", guess, &somebody()).await);
        assert!(matches!(refused, Refusal::CredentialsInvalid | Refusal::PasswordRejected(_)), "{refused}");
    }
    assert!(engine.accounts().set_first_password(ann.id, PASSWORD, &somebody()).await.unwrap());
    let known = engine.authn().password("ann", PASSWORD, &somebody()).await.unwrap();
    assert_eq!((known.account().id, known.methods(), known.at()), (ann.id, Methods::PASSWORD, NOW));
}

#[tokio::test]
async fn own_users_get_one_account_each_and_their_key_is_the_subject() {
    let engine = engine();
    let shape = AccessTokenShape { subject: Subject::External, ..AccessTokenShape::default() };
    let client = ClientPolicy { access: shape, ..client() };
    let (first, again) = (
        engine.accounts().of_own_user(PROFILE, "user-42", &somebody()).await.unwrap(),
        engine.accounts().of_own_user(PROFILE, "user-42", &somebody()).await.unwrap(),
    );
    assert_eq!(first, again);
    let elsewhere = engine.accounts().of_own_user(ProfileId(8), "user-42", &somebody()).await.unwrap();
    assert_ne!(first.id, elsewhere.id, "keys of two profiles have nothing to do with each other");

    let known = engine.authn().vouch_for(first.id, Methods::KEY).await.unwrap();
    let pair = engine.open_session(&client, known, OpenRequest::default(), &somebody()).await.unwrap();
    assert_eq!(pair.account, first.id);
    let payload = pair.access_token.split('.').nth(1).unwrap();
    let payload = data_encoding::BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap();
    let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(claims["sub"], "user-42");
    let expected = Expected { issuer: "https://id.example", audience: Some("https://id.example") };
    let token = access::verify(&pair.access_token, &engine.keys(), expected, NOW).unwrap();
    assert_eq!(token.subject, first.id);
}

#[tokio::test]
async fn two_first_requests_of_one_own_user_make_one_account() {
    let engine = engine();
    let asks = || async { engine.accounts().of_own_user(PROFILE, "user-42", &somebody()).await.unwrap() };
    let (one, other) = tokio::join!(asks(), asks());
    assert_eq!(one, other);
}

#[tokio::test]
async fn what_was_shown_before_an_account_was_disabled_opens_nothing_until_it_is_enabled() {
    let engine = engine();
    let user = NewUser { username: Some("ann"), password: Some(PASSWORD), ..NewUser::default() };
    let ann = engine.accounts().create(user, &somebody()).await.unwrap();
    let shown = async || {
        let by_password = engine.authn().password("ann", PASSWORD, &somebody()).await.unwrap();
        [by_password, engine.authn().vouch_for(ann.id, Methods::NONE).await.unwrap()]
    };
    let (disabled, enabled) = (shown().await, shown().await);
    engine.accounts().disable(ann.id, &somebody()).await.unwrap();
    let late = refusal(engine.authn().vouch_for(ann.id, Methods::NONE).await);
    assert_eq!(late, Refusal::AccountDisabled);
    let open = async |known| engine.open_session(&client(), known, OpenRequest::default(), &somebody()).await;
    for known in disabled {
        assert_eq!(refusal(open(known).await), Refusal::AccountDisabled);
    }
    assert_eq!(engine.sessions().of(ann.id).await.unwrap(), []);
    engine.accounts().enable(ann.id, &somebody()).await.unwrap();
    for known in enabled {
        open(known).await.unwrap();
    }
    assert_eq!(engine.sessions().of(ann.id).await.unwrap().len(), 2);
}

#[tokio::test]
async fn nobody_is_vouched_for_who_has_no_account() {
    let unknown = AccountId(Uuid::from_u128(1));
    let refused = refusal(engine().authn().vouch_for(unknown, Methods::PASSWORD).await);
    assert_eq!(refused, Refusal::AccountUnknown);
}

#[tokio::test]
async fn a_new_session_takes_the_place_of_the_one_that_the_device_shows() {
    let engine = engine();
    let ann = engine.accounts().of_own_user(PROFILE, "ann", &somebody()).await.unwrap();
    let vouched = async || engine.authn().vouch_for(ann.id, Methods::NONE).await.unwrap();
    let open = async |request| engine.open_session(&client(), vouched().await, request, &somebody()).await;
    let first = open(OpenRequest::default()).await.unwrap();
    let request = OpenRequest {
        superseded: Some(first.refresh.text()),
        device: Some("laptop"),
        ..OpenRequest::default()
    };
    let second = open(request).await.unwrap();
    let told = engine.sessions().explain(first.session).await.unwrap().unwrap();
    assert_eq!(told.session.ended.map(|ended| ended.cause), Some(EndCause::Replaced));
    let live = engine.sessions().of(ann.id).await.unwrap();
    assert_eq!(live.iter().map(|live| live.session.key.session).collect::<Vec<_>>(), [second.session]);
}

#[test]
fn an_engine_without_keys_or_issuer_says_what_to_give_it() {
    let store = || Arc::new(MemoryStore::new());
    for (builder, what) in [
        (Engine::builder(store()).issuer("https://id.example"), "keys(..)"),
        (Engine::builder(store()).keys(ring()), "issuer(..)"),
    ] {
        let fault = builder.build().err().unwrap();
        assert_eq!(fault.kind, FaultKind::Internal);
        let why = fault.source.unwrap().to_string();
        assert!(why.contains(what), "{why}");
    }
}

/// Somebody with that stored hash, whatever it is.
async fn with_hash(engine: &Engine, name: &str, hash: &str) -> AccountId {
    let user = NewUser { username: Some(name), ..NewUser::default() };
    let account = engine.accounts().create(user, &somebody()).await.unwrap().id;
    let steps = vec![Step::put_password(Was::Missing, hash.to_owned(), NOW)];
    let commit = Commit { account, expect: Expect::Anything, steps, events: Vec::new() };
    assert!(engine.store().commit(commit).await.unwrap().is_done());
    account
}

const SALT_AND_OUTPUT: &str = "WUwWdfR/kOeISZK8gRW1qehO34T7syXU4cskKcDMaUxAdQt41mu/.";

#[tokio::test]
async fn a_hash_that_cannot_be_read_is_answered_like_any_wrong_password() {
    let engine = engine();
    for (name, broken) in [
        ("cut", format!("$2b$12${}", &SALT_AND_OUTPUT[..40])),
        ("bomb", format!("$2b$31${SALT_AND_OUTPUT}")),
        ("foreign", "$6$salt$hash".to_owned()),
        ("empty", String::new()),
        ("odd", "x".repeat(4096)),
    ] {
        with_hash(&engine, name, &broken).await;
        let refused = refusal(engine.authn().password(name, PASSWORD, &somebody()).await);
        assert_eq!(
            refused,
            Refusal::CredentialsInvalid,
            "{name}: another answer tells that there is an account"
        );
    }
}

/// Every way in which an attempt can fail takes a slot at least, whatever was compared; the least is no measured time.
#[tokio::test]
async fn whatever_an_attempt_fails_by_its_answer_waits() {
    let engine = engine();
    let user = |name| NewUser { username: Some(name), password: Some(PASSWORD), ..NewUser::default() };
    engine.accounts().create(user("ann"), &somebody()).await.unwrap();
    let bob = engine.accounts().create(user("bob"), &somebody()).await.unwrap();
    let off = engine.accounts().create(user("off"), &somebody()).await.unwrap();
    let known = engine.authn().vouch_for(bob.id, Methods::KEY).await.unwrap();
    let pair = engine.open_session(&client(), known, OpenRequest::default(), &somebody()).await.unwrap();
    let bob = engine.authenticate(&client(), &pair.access_token).await.unwrap();
    assert!(engine.accounts().disable(off.id, &somebody()).await.unwrap());
    with_hash(&engine, "bcrypt", &format!("$2b$04${SALT_AND_OUTPUT}")).await;
    let pbkdf2 = "pbkdf2_sha256$1000$salt$NchZBNOfzpHCCgpgL4bPYnFoWVBAAmlaodgtrIFRQ5Y=";
    with_hash(&engine, "pbkdf2", pbkdf2).await;
    with_hash(&engine, "broken", "$2b$04$cut").await;
    let nobody = NewUser { username: Some("none"), ..NewUser::default() };
    engine.accounts().create(nobody, &somebody()).await.unwrap();

    let late = async |what: &str, refused: Refusal, expected: Refusal, since: Instant| {
        assert_eq!(refused, expected, "{what}");
        let took = since.elapsed();
        assert!(took >= Duration::from_secs(1), "{what} was answered after {took:?}, when its work was done");
    };
    let (requester, since) = (somebody(), Instant::now());
    let log_in = async |name: &str, password: &str, expected: Refusal| {
        let refused = refusal(engine.authn().password(name, password, &requester).await);
        late(name, refused, expected, since).await;
    };
    let wrong = "correct horse batterx";
    let change = async {
        let request = PasswordChangeRequest {
            current: Some(wrong),
            is_fresh: false,
            new: "another horse battery",
            refresh_token: None,
            retry_id: None,
        };
        let changed = engine.accounts().change_password(&client(), &bob, request, &requester).await;
        late("a change of password", refusal(changed), Refusal::CurrentPasswordWrong, since).await;
    };
    let invalid = || Refusal::CredentialsInvalid;
    tokio::join!(
        change,
        log_in("ann", wrong, invalid()),
        log_in("nobody", wrong, invalid()),
        log_in("a\u{7}name", wrong, invalid()),
        log_in("off", wrong, invalid()),
        log_in("off", PASSWORD, Refusal::AccountDisabled),
        log_in("bcrypt", wrong, invalid()),
        log_in("pbkdf2", wrong, invalid()),
        log_in("broken", wrong, invalid()),
        log_in("none", wrong, invalid()),
    );
}
