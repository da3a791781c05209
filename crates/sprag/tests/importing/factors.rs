//! Second factors that come with their users: they are asked for from the first log-in on.

use sprag::authn::Shown;
use sprag::engine::{FactorProof, FactorRequest, Imported, ImportedUser, LoggedIn, OpenRequest};
use sprag::factor::totp::Seed;
use sprag::policy::Retry;
use sprag::session::{AccountId, SessionKey};
use sprag::{Error, Refusal};

use crate::stage::{Move, PASSWORD, refused, somebody};

const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// SHA-256 of `ABCD-1234`, and bcrypt of `secret`.
const CODES: [&str; 2] = [
    "01ce39a48e5f5e14ef4a9074f5dfce4eea6d27d766ce554f6a9f92cf078e936b",
    "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW",
];

fn ann<'a>(moved: &'a Move, secret: Option<&'a str>, codes: &'a [String]) -> ImportedUser<'a> {
    ImportedUser {
        external_id: "7",
        username: Some("ann"),
        password_hash: &moved.hash,
        totp_secret: secret,
        recovery_codes: codes,
        ..ImportedUser::default()
    }
}

async fn account(moved: &Move) -> AccountId {
    moved.engine.accounts().find("ann").await.expect("she is there").id
}

/// Logs in with the password, and shows a code.
async fn shows(moved: &Move, code: &str) -> Result<(), Error> {
    let engine = &moved.engine;
    let known = engine.authn().password("ann", PASSWORD, &somebody()).await.expect("her password");
    let request = OpenRequest::default();
    let waits = match engine.log_in(&moved.client, known, request, &somebody()).await.expect("log in") {
        LoggedIn::Waits(waits) => waits,
        LoggedIn::Opened(_) => panic!("the password alone opened a session"),
    };
    let request = FactorRequest {
        token: waits.token.as_str(),
        proof: FactorProof::Code(code),
        open: OpenRequest::default(),
    };
    engine.log_in_with_factor(&moved.client, request, &Shown::default(), &somebody()).await.map(drop)
}

fn is_wrong(answer: &Result<(), Error>) -> bool {
    matches!(answer, Err(Error::Refused(Refusal::CodeWrong)))
}

#[tokio::test]
async fn a_seed_and_recovery_codes_come_with_their_user_and_are_asked_for() {
    let moved = Move::begun(Retry::Refuse).await;
    let codes = CODES.map(str::to_owned);
    let uri = format!("otpauth://totp/Old:ann?secret={SECRET}&issuer=Old");
    let user = ann(&moved, Some(&uri), &codes);
    let imports = moved.engine.imports();
    assert_eq!(imports.preview_user(&moved.client, user).await.expect("preview"), Imported::New);
    assert_eq!(imports.user(&moved.client, user).await.expect("import"), Imported::New);
    let held = moved.engine.factors().of(account(&moved).await).await.expect("her factors");
    assert_eq!((held.factors.len(), held.recovery_codes), (1, 2));
    let seed = Seed::from_base32(SECRET, None).expect("a seed");
    let code = seed.code(moved.engine.now());
    shows(&moved, &code).await.expect("the code of her app");
    assert!(is_wrong(&shows(&moved, &code).await), "each works once");
    shows(&moved, " abcd-1234 ").await.expect("a recovery code, by SHA-256");
    assert!(is_wrong(&shows(&moved, "ABCD-1234").await));
    assert!(is_wrong(&shows(&moved, "Secret").await));
    shows(&moved, "secret").await.expect("a recovery code, by bcrypt");
    assert!(is_wrong(&shows(&moved, "secret").await));
    assert_eq!(imports.user(&moved.client, user).await.expect("import"), Imported::AlreadyThere);
    let held = moved.engine.factors().of(account(&moved).await).await.expect("her factors");
    assert_eq!(held.recovery_codes, 0, "what was used does not come back");
}

#[tokio::test]
async fn a_user_whose_factor_cannot_be_taken_is_refused() {
    let moved = Move::begun(Retry::Refuse).await;
    let (none, odd, many) = ([], ["ABCD-1234".to_owned()], vec![CODES[0].to_owned(); 21]);
    let sha256 = format!("otpauth://totp/x?secret={SECRET}&algorithm=SHA256");
    for (secret, codes, why) in [
        ("no seed!", &none[..], "its totp_secret is no seed"),
        (sha256.as_str(), &none, "its totp_secret is of codes that are not six digits"),
        (SECRET, &odd, "neither SHA-256 nor a hash"),
        (SECRET, &many, "more than 20 recovery codes"),
    ] {
        let user = ann(&moved, Some(secret), codes);
        let outcome = moved.engine.imports().user(&moved.client, user).await.expect("import");
        assert!(refused(&outcome).contains(why), "{outcome:?}");
        let previewed = moved.engine.imports().preview_user(&moved.client, user).await.expect("preview");
        assert_eq!(previewed, outcome);
    }
    assert!(moved.engine.accounts().find("ann").await.is_err());
}

#[tokio::test]
async fn a_factor_that_was_added_there_comes_later_and_one_that_was_taken_away_here_does_not_come_back() {
    let moved = Move::begun(Retry::Refuse).await;
    let imports = moved.engine.imports();
    let outcome = imports.user(&moved.client, ann(&moved, None, &[])).await.expect("import");
    assert_eq!(outcome, Imported::New);
    let engine = &moved.engine;
    let known = engine.authn().password("ann", PASSWORD, &somebody()).await.expect("her password");
    let request = OpenRequest::default();
    let pair = engine.open_session(&moved.client, known, request, &somebody()).await.expect("a session");
    let with = ann(&moved, Some(SECRET), &[]);
    let expected = Imported::Changed("it has a second factor there".into());
    assert_eq!(imports.preview_user(&moved.client, with).await.expect("preview"), expected);
    assert_eq!(imports.user(&moved.client, with).await.expect("import"), expected);
    let state = engine
        .store()
        .find(SessionKey { account: pair.account, session: pair.session })
        .await
        .expect("a store that works");
    assert!(state.is_some_and(|state| state.session.ended.is_some()), "it was opened by the password alone");
    let seed = Seed::from_base32(SECRET, None).expect("a seed");
    shows(&moved, &seed.code(moved.engine.now())).await.expect("the code of her app");
    let ann = account(&moved).await;
    moved.engine.factors().reset(ann, &somebody()).await.expect("a store that works");
    assert_eq!(imports.user(&moved.client, with).await.expect("import"), Imported::AlreadyThere);
    assert!(moved.engine.factors().of(ann).await.expect("her factors").factors.is_empty());
}

/// SHA-256 of `482913`: what another system's recovery codes look like is its own business.
const SIX_DIGITS: &str = "4a8eec4925826f4b60526d7ac3c0a9b61ef54ac19233bafce2f4a13eb49395d2";

#[tokio::test]
async fn a_recovery_code_of_six_digits_was_taken_for_one_of_an_app_and_never_worked() {
    let moved = Move::begun(Retry::Refuse).await;
    let user_codes = [SIX_DIGITS.to_owned()];
    let user = ann(&moved, Some(SECRET), &user_codes);
    assert_eq!(moved.engine.imports().user(&moved.client, user).await.expect("import"), Imported::New);
    shows(&moved, "482913").await.expect("a recovery code");
    assert!(is_wrong(&shows(&moved, "482913").await), "each works once");
}
