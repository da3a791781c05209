//! A verifier that fetches its keys, against a real server on this machine that counts how often it is asked.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::time::Duration;

use serde_json::{Value, json};
use sprag_verify::{Algorithm, Error, FetchError, RemoteBuilder, RemoteVerifier, SetupError, Verifier};

#[path = "common/forge.rs"]
#[expect(dead_code, reason = "each test file uses its part")]
mod forge;
#[path = "common/issuer.rs"]
mod issuer;
#[path = "common/tls.rs"]
mod tls;

use forge::{AUDIENCE, Clock, ISSUER, Key, claims, jwks};
use issuer::{Answer, Issuer};

const DAY: u64 = 24 * 60 * 60;

fn builder(issuer: &Issuer, clock: &Clock) -> RemoteBuilder {
    let builder = Verifier::builder(ISSUER).audience(AUDIENCE).clock(clock.reader());
    builder.remote().jwks_url(issuer.url())
}

/// A clock, a key, its issuer, and a verifier.
async fn scene() -> (Clock, Key, Issuer, RemoteVerifier) {
    let (clock, key) = (Clock::new(), Key::new("first"));
    let issuer = Issuer::start(Answer::keys(jwks(&[&key]))).await;
    let verifier = builder(&issuer, &clock).build().unwrap();
    (clock, key, issuer, verifier)
}

/// A token that is good for two days.
fn token(key: &Key) -> String {
    key.sign(&claims(json!({ "exp": forge::NOW + 2 * DAY })))
}

fn away() -> Answer {
    Answer { status: 503, headers: Vec::new(), body: String::new() }
}

#[tokio::test]
async fn keys_are_fetched_once_and_kept_as_long_as_the_issuer_says() {
    let (clock, key, issuer, verifier) = scene().await;
    assert_eq!(issuer.asked(), 0, "nothing is fetched before it is needed");
    for _ in 0..3 {
        assert_eq!(verifier.verify(&token(&key)).await.unwrap().client_id(), "sprag");
    }
    assert_eq!(issuer.asked(), 1);

    issuer.answer_from_now_on(Answer::keys(jwks(&[&key])).with("cache-control", "public, max-age=600"));
    clock.wind(299);
    verifier.verify(&token(&key)).await.unwrap();
    assert_eq!(issuer.asked(), 1, "five minutes where it does not say");
    clock.wind(1);
    verifier.verify(&token(&key)).await.unwrap();
    assert_eq!(issuer.asked(), 2);
    clock.wind(599);
    verifier.verify(&token(&key)).await.unwrap();
    assert_eq!(issuer.asked(), 2, "ten minutes where it says so");
    clock.wind(1);
    verifier.verify(&token(&key)).await.unwrap();
    assert_eq!(issuer.asked(), 3);
    clock.wind_back(100);
    verifier.verify(&token(&key)).await.unwrap();
    assert_eq!(issuer.asked(), 4, "a clock that went back says nothing about how old keys are");
}

#[tokio::test]
async fn all_who_need_keys_wait_for_one_fetch() {
    let (clock, key) = (Clock::new(), Key::new("first"));
    let issuer = Issuer::start_held(Answer::keys(jwks(&[&key]))).await;
    let verifier = builder(&issuer, &clock).build().unwrap();
    let crowd: Vec<_> = (0..50)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token(&key));
            tokio::spawn(async move { verifier.verify(&token).await })
        })
        .collect();
    issuer.await_request().await;
    issuer.release();
    for one in crowd {
        assert!(one.await.unwrap().is_ok());
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn all_who_wait_for_a_fetch_that_fails_learn_of_it() {
    let clock = Clock::new();
    let issuer = Issuer::start_held(away()).await;
    let verifier = builder(&issuer, &clock).build().unwrap();
    let token = token(&Key::new("first"));
    let crowd: Vec<_> = (0..50)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token.clone());
            tokio::spawn(async move { verifier.verify(&token).await })
        })
        .collect();
    issuer.await_request().await;
    issuer.release();
    for one in crowd {
        assert_eq!(one.await.unwrap().unwrap_err(), Error::Keys(FetchError::Status(503)));
    }
    assert_eq!(issuer.asked(), 1, "one failure is enough for all");
}

#[tokio::test]
async fn a_fetch_goes_on_when_the_request_that_caused_it_is_given_up() {
    let (clock, key) = (Clock::new(), Key::new("first"));
    let issuer = Issuer::start_held(Answer::keys(jwks(&[&key]))).await;
    let verifier = builder(&issuer, &clock).build().unwrap();
    let impatient = {
        let (verifier, token) = (verifier.clone(), token(&key));
        tokio::spawn(async move { verifier.verify(&token).await })
    };
    issuer.await_request().await;
    impatient.abort();
    assert!(impatient.await.unwrap_err().is_cancelled());
    issuer.release();
    verifier.verify(&token(&key)).await.unwrap();
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn a_new_key_is_fetched_when_a_token_names_it_and_an_old_one_goes() {
    let (_clock, first, issuer, verifier) = scene().await;
    verifier.verify(&token(&first)).await.unwrap();
    let second = Key::new("second");
    issuer.answer_from_now_on(Answer::keys(jwks(&[&first, &second])));
    verifier.verify(&token(&second)).await.unwrap();
    verifier.verify(&token(&first)).await.unwrap();
    assert_eq!(issuer.asked(), 2);

    issuer.answer_from_now_on(Answer::keys(jwks(&[&second])));
    verifier.fetch_keys().await.unwrap();
    assert_eq!(verifier.verify(&token(&first)).await, Err(Error::UnknownKey), "it has been retired");
}

#[tokio::test]
async fn invented_keys_cause_one_fetch_a_minute() {
    let (clock, key, issuer, verifier) = scene().await;
    verifier.verify(&token(&key)).await.unwrap();
    let invent = async |count: usize| {
        for number in 0..count {
            let header = json!({ "alg": "ES256", "kid": format!("invented-{number}"), "typ": "at+jwt" });
            let refused = verifier.verify(&key.sign_under(&header, &claims(json!({})))).await;
            assert_eq!(refused, Err(Error::UnknownKey));
        }
    };
    invent(100).await;
    assert_eq!(issuer.asked(), 2);
    clock.wind(59);
    invent(100).await;
    assert_eq!(issuer.asked(), 2);
    clock.wind(1);
    invent(100).await;
    assert_eq!(issuer.asked(), 3);
    verifier.verify(&token(&key)).await.unwrap();
    assert_eq!(issuer.asked(), 3, "who is known does not notice");
}

#[tokio::test]
async fn what_no_key_could_mend_is_not_asked_about() {
    let (_clock, key, issuer, verifier) = scene().await;
    verifier.verify(&token(&key)).await.unwrap();
    let sign = |header: Value| key.sign_under(&header, &claims(json!({})));
    let refused = [
        sign(json!({ "alg": "HS256", "kid": "invented", "typ": "at+jwt" })),
        sign(json!({ "alg": "none", "kid": "invented", "typ": "at+jwt" })),
        sign(json!({ "alg": "ES256", "typ": "at+jwt" })),
        sign(json!({ "alg": "ES256", "kid": "invented", "typ": "JWT" })),
        sign(json!({ "alg": "ES256", "kid": "invented", "typ": "at+jwt", "jku": issuer.url() })),
        Key::new("first").sign(&claims(json!({}))),
        "a.b.c".to_owned(),
    ];
    for token in refused {
        assert_eq!(verifier.verify(&token).await.unwrap_err().code(), "token_invalid");
    }
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn while_the_issuer_is_away_its_last_keys_are_used_for_a_day() {
    let (clock, key, issuer, verifier) = scene().await;
    verifier.verify(&token(&key)).await.unwrap();
    issuer.answer_from_now_on(away());
    clock.wind(300);
    verifier.verify(&token(&key)).await.unwrap();
    assert_eq!((issuer.asked(), verifier.last_failure()), (2, Some(FetchError::Status(503))));
    for _ in 0..100 {
        verifier.verify(&token(&key)).await.unwrap();
    }
    assert_eq!(issuer.asked(), 2, "ten seconds pass before the next try");
    clock.wind(DAY - 301);
    verifier.verify(&token(&key)).await.unwrap();
    clock.wind(10);
    assert_eq!(
        verifier.verify(&token(&key)).await,
        Err(Error::Keys(FetchError::Status(503))),
        "a day is over"
    );

    issuer.answer_from_now_on(Answer::keys(jwks(&[&key])));
    clock.wind(10);
    verifier.verify(&token(&key)).await.unwrap();
    assert_eq!(verifier.last_failure(), None);
}

#[tokio::test]
async fn a_second_try_while_the_issuer_is_away_is_waited_for_by_nobody() {
    let (clock, key, issuer, verifier) = scene().await;
    verifier.verify(&token(&key)).await.unwrap();
    issuer.answer_from_now_on(away());
    clock.wind(300);
    verifier.verify(&token(&key)).await.unwrap();
    issuer.hold();
    clock.wind(10);
    for _ in 0..10 {
        verifier.verify(&token(&key)).await.unwrap();
    }
    let before = Some(FetchError::Status(503));
    assert_eq!(verifier.last_failure(), before, "the tokens are let in before the try has an outcome");
    for _ in 0..3 {
        issuer.await_request().await;
    }
    assert_eq!(issuer.asked(), 3, "and there is one such try");
}

#[tokio::test]
async fn an_unknown_key_while_the_issuer_is_away_is_no_fault_of_the_token() {
    let (clock, key, issuer, verifier) = scene().await;
    verifier.verify(&token(&key)).await.unwrap();
    issuer.answer_from_now_on(away());
    let second = Key::new("second");
    for _ in 0..2 {
        let refused = verifier.verify(&token(&second)).await.unwrap_err();
        assert_eq!((refused.status(), refused.code()), (503, "unavailable"));
        assert_eq!(refused.www_authenticate(), None);
    }
    assert_eq!(issuer.asked(), 2);
    issuer.answer_from_now_on(Answer::keys(jwks(&[&key, &second])));
    clock.wind(60);
    verifier.verify(&token(&second)).await.unwrap();
}

#[tokio::test]
async fn keys_of_another_algorithm_take_the_place_of_ours_and_say_what_to_set() {
    let (_clock, key, issuer, verifier) = scene().await;
    verifier.verify(&token(&key)).await.unwrap();
    let ed25519 = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo" });
    issuer.answer_from_now_on(Answer::keys(json!({ "keys": [ed25519] }).to_string()));
    let lacks =
        FetchError::Keys(SetupError::NoKey { wanted: Algorithm::Es256, found: vec![Algorithm::EdDsa] });
    assert_eq!(verifier.fetch_keys().await, Err(lacks.clone()));
    assert_eq!(
        verifier.verify(&token(&key)).await,
        Err(Error::Keys(lacks)),
        "a key that was retired is not used on"
    );
}

#[tokio::test]
async fn what_is_no_key_set_leaves_the_last_one_in_use() {
    let (clock, key, issuer, verifier) = scene().await;
    verifier.verify(&token(&key)).await.unwrap();
    clock.wind(300);
    let huge = format!(r#"{{"keys":[{}]}}"#, " ".repeat(sprag_verify::MAX_KEY_SET_BYTES));
    let elsewhere = Answer::keys(String::new()).with("location", issuer.url());
    let answers = [
        (Answer::keys(huge), "too_large"),
        (Answer { status: 302, ..elsewhere.clone() }, "status"),
        (Answer { status: 307, ..elsewhere }, "status"),
        (Answer { status: 404, ..Answer::keys(jwks(&[&key])) }, "status"),
        (Answer::keys("<html>".to_owned()), "keys"),
        (Answer::keys(r#"{"keys":[],"keys":[]}"#.to_owned()), "keys"),
    ];
    for (number, (answer, code)) in answers.into_iter().enumerate() {
        issuer.answer_from_now_on(answer);
        assert_eq!(verifier.fetch_keys().await.unwrap_err().code(), code);
        verifier.verify(&token(&key)).await.unwrap();
        assert_eq!(
            issuer.asked(),
            number + 2,
            "a redirect is not followed, and a failure is not repeated at once"
        );
    }
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_not_waited_for_without_end() {
    let clock = Clock::new();
    let issuer = Issuer::start_held(away()).await;
    let limit = Duration::from_millis(20);
    let verifier = builder(&issuer, &clock).timeout(limit).build().unwrap();
    assert_eq!(verifier.fetch_keys().await, Err(FetchError::Timeout(limit)));
    let url = issuer.url();
    drop(issuer);
    let nobody = Verifier::builder(ISSUER).remote().jwks_url(url).build().unwrap();
    assert!(matches!(nobody.fetch_keys().await.unwrap_err().code(), "connect" | "http"));
}

#[tokio::test]
async fn a_certificate_must_be_of_an_authority_that_is_trusted() {
    let key = Key::new("first");
    let [ours, other] = [tls::certificate(), tls::certificate()];
    let port = tls::serve(&ours, jwks(&[&key])).await;
    let verifier = |pem: &str| {
        let builder = Verifier::builder(ISSUER).audience(AUDIENCE).clock(Clock::new().reader()).remote();
        builder.jwks_url(format!("https://localhost:{port}/keys")).trusted_certificates(pem).build()
    };
    verifier(&ours.cert.pem()).unwrap().verify(&token(&key)).await.unwrap();
    assert_eq!(verifier(&other.cert.pem()).unwrap().fetch_keys().await.unwrap_err().code(), "tls");
    assert_eq!(verifier("no PEM").unwrap_err(), SetupError::Certificates);
}

#[test]
fn a_shared_secret_is_never_fetched_and_keys_never_come_unprotected() {
    let build = |builder: RemoteBuilder| builder.build().map(|_| ()).unwrap_err();
    assert_eq!(build(Verifier::builder(ISSUER).algorithm(Algorithm::Hs256).remote()).code(), "no_key");
    assert_eq!(build(Verifier::builder("http://id.example").remote()).code(), "url");
    assert_eq!(build(Verifier::builder(ISSUER).remote().jwks_url("http://id.example/keys")).code(), "url");
    assert_eq!(
        build(Verifier::builder(ISSUER).remote().timeout(Duration::ZERO)),
        SetupError::Zero("timeout")
    );
}
