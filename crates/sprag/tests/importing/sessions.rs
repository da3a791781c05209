//! Sessions: an old token comes under the ratchet, once.

use std::time::Duration;

use sprag::clock::Clock as _;
use sprag::engine::{
    AccessTokenShape, ClientPolicy, Imported, ImportedSession, Limits, NewUser, OpenRequest,
    PasswordChangeRequest, RefreshRequest,
};
use sprag::keys::{Algorithm, KeyRing};
use sprag::policy::Retry;
use sprag::random::SeededRandom;
use sprag::session::{EndCause, ProfileId};
use sprag::store::{Slice, Sweep};
use sprag::token::{Encoding, ForeignToken, RefreshToken};
use sprag::{Error, Refusal};

use crate::stage::{DAY, Move, NOW, OLD, PASSWORD, PROFILE, WINDOW, id, imported, refused, somebody};

#[tokio::test]
async fn an_old_token_is_taken_once_and_then_the_session_turns_like_any_other() {
    let moved = Move::begun(Retry::Refuse).await;
    assert_eq!(moved.session(|_| {}).await, Imported::New);
    let first = moved.refresh(OLD).await.expect("the old token is taken");
    assert_eq!(first.session, id());
    assert!(first.refresh.text().starts_with("spr_"));
    let second = moved.refresh(first.refresh.text()).await.expect("the new one turns");
    assert_ne!(first.refresh.text(), second.refresh.text());
    let listed = moved.engine.sessions().of(first.account).await.expect("listed");
    assert_eq!(listed[0].detail.device.as_deref(), Some("Ann's telephone"));
    assert_eq!(listed[0].detail.ip.as_deref(), Some("192.0.2.7"));
    assert_eq!(listed[0].session.created_at, NOW.minus(DAY));
}

#[tokio::test]
async fn r06_an_old_token_that_comes_back_is_reuse_and_ends_the_session() {
    let moved = Move::begun(Retry::Refuse).await;
    moved.session(|_| {}).await;
    let first = moved.refresh(OLD).await.expect("taken");
    assert_eq!(moved.refresh(OLD).await.unwrap_err(), Refusal::TokenSpent, "inside the window nothing ends");
    assert_eq!(moved.cause().await, None);
    moved.clock.wind(WINDOW + Duration::from_millis(1));
    assert_eq!(moved.refresh(OLD).await.unwrap_err(), Refusal::SessionEnded(Some(EndCause::Reuse)));
    let after = moved.refresh(first.refresh.text()).await.unwrap_err();
    assert_eq!(after, Refusal::SessionEnded(Some(EndCause::Reuse)));
}

#[tokio::test]
async fn r02_where_the_profile_answers_retries_a_lost_answer_costs_nothing() {
    let moved = Move::begun(Retry::Answer).await;
    moved.session(|_| {}).await;
    let first = moved.refresh(OLD).await.expect("taken");
    let again = moved.refresh(OLD).await.expect("answered again");
    assert_eq!(first.refresh.text(), again.refresh.text(), "byte for byte");
}

#[tokio::test]
async fn r01_many_who_present_one_old_token_make_one_successor() {
    let moved = Move::begun(Retry::Answer).await;
    moved.session(|_| {}).await;
    let all = (0..12).map(|_| moved.refresh(OLD));
    let texts: Vec<String> = futures_util::future::join_all(all)
        .await
        .into_iter()
        .map(|pair| pair.expect("answered").refresh.text().to_owned())
        .collect();
    assert!(texts.iter().all(|text| *text == texts[0]));
}

#[tokio::test]
async fn r10_neither_what_was_imported_nor_the_keys_make_a_token() {
    let moved = Move::begun(Retry::Refuse).await;
    moved.session(|_| {}).await;
    let row = moved.engine.sessions().explain(id()).await.expect("explain").expect("known").session;
    // Whoever has the database and the keys: the right tag over every secret that the row could suggest.
    let keys = moved.engine.keys();
    for secret in [row.secret_hash[..16].to_vec(), row.secret_hash[16..].to_vec(), id().0.as_bytes().to_vec()]
    {
        let forged = RefreshToken::first(PROFILE, row.key, &Fixed(secret));
        let text = forged.encode(Encoding::Opaque, &keys, NOW);
        assert_eq!(moved.refresh(text.as_str()).await.unwrap_err(), Refusal::TokenInvalid);
    }
    moved.refresh(OLD).await.expect("and nothing has happened to the session");
}

/// Of an administrator's session that would be let in where a fresh log-in is asked for.
#[tokio::test]
async fn a_session_of_which_nobody_knows_when_it_was_opened_comes_in_as_not_fresh() {
    for (created_at, at_latest) in [(None, NOW.minus(DAY).minus(Duration::from_millis(1))), (Some(NOW), NOW)]
    {
        let moved = Move::begun(Retry::Refuse).await;
        moved.session(|session| session.created_at = created_at).await;
        let row = moved.engine.sessions().explain(id()).await.expect("explain").expect("known").session;
        assert_eq!(row.created_at, NOW);
        assert!(row.authenticated_at <= at_latest, "{created_at:?}");
        assert_eq!(row.authenticated_at == NOW, created_at.is_some(), "what is known is kept");
    }
}

#[derive(Debug)]
struct Fixed(Vec<u8>);

impl sprag::random::Random for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.copy_from_slice(&self.0[..bytes.len()]);
    }
}

#[tokio::test]
async fn what_is_no_old_token_finds_nothing() {
    let moved = Move::begun(Retry::Refuse).await;
    moved.session(|_| {}).await;
    for text in [&OLD[1..], &format!("{OLD} "), &OLD.to_lowercase(), &format!("{OLD}x"), ""] {
        assert_eq!(moved.refresh(text).await.unwrap_err(), Refusal::TokenInvalid, "{text:?}");
    }
    let stranger = ClientPolicy { profile: ProfileId(9), ..moved.client.clone() };
    let request = RefreshRequest { token: OLD, retry_id: None };
    let elsewhere = moved.engine.refresh(&stranger, request, &somebody()).await.answer;
    assert!(matches!(elsewhere, Err(Error::Refused(Refusal::TokenInvalid))), "another profile's");
    let closed = ClientPolicy { takes_imported_tokens: false, ..moved.client.clone() };
    let at_closed = moved.engine.refresh(&closed, request, &somebody()).await.answer;
    assert!(
        matches!(at_closed, Err(Error::Refused(Refusal::TokenInvalid))),
        "a profile that takes no imported tokens"
    );
}

#[tokio::test]
async fn what_is_not_live_there_is_not_taken() {
    let moved = Move::begun(Retry::Refuse).await;
    assert!(refused(&moved.session(|session| session.is_live = false).await).contains("revoked"));
    assert!(refused(&moved.session(|session| session.expires_at = NOW).await).contains("expired"));
    assert!(refused(&moved.session(|session| session.user = "43").await).contains("not here"));
    assert_eq!(moved.refresh(OLD).await.unwrap_err(), Refusal::TokenInvalid);
}

#[tokio::test]
async fn an_old_token_expires_when_it_would_have() {
    let moved = Move::begun(Retry::Refuse).await;
    moved.session(|_| {}).await;
    moved.clock.wind(6 * DAY);
    assert_eq!(moved.refresh(OLD).await.unwrap_err(), Refusal::TokenExpired);
}

#[tokio::test]
async fn t22_a_password_change_ends_imported_sessions_too() {
    let moved = Move::begun(Retry::Refuse).await;
    moved.session(|_| {}).await;
    let pair = moved.log_in().await.expect("logged in");
    let caller = moved.engine.authenticate(&moved.client, &pair.access_token).await.expect("known");
    let new = "another horse battery";
    let current = Some(PASSWORD);
    let change = PasswordChangeRequest { current, is_fresh: false, new, refresh_token: None, retry_id: None };
    let accounts = moved.engine.accounts();
    accounts.change_password(&moved.client, &caller, change, &somebody()).await.expect("changed");
    assert_eq!(moved.refresh(OLD).await.unwrap_err(), Refusal::SessionEnded(Some(EndCause::PasswordChanged)));
    let again = moved.session(|session| session.token = ForeignToken::hashed([5; 32])).await;
    assert!(refused(&again).contains("changed its password"), "nor does a later import bring one in");
}

#[tokio::test]
async fn r15_disabling_ends_imported_sessions_too() {
    let moved = Move::begun(Retry::Refuse).await;
    moved.session(|_| {}).await;
    let account = moved.engine.accounts().find("user42").await.expect("known");
    assert!(moved.engine.accounts().disable(account.id, &somebody()).await.expect("disabled"));
    assert_eq!(moved.refresh(OLD).await.unwrap_err(), Refusal::SessionEnded(Some(EndCause::Disabled)));
    assert_eq!(moved.cause().await, Some(EndCause::Disabled));
}

#[tokio::test]
async fn t21_logging_out_with_an_old_token_ends_its_session() {
    let moved = Move::begun(Retry::Refuse).await;
    moved.session(|_| {}).await;
    moved.logs_out().await;
    assert_eq!(moved.refresh(OLD).await.unwrap_err(), Refusal::SessionEnded(Some(EndCause::Logout)));
}

#[tokio::test]
async fn importing_again_changes_nothing_and_revives_nothing() {
    let moved = Move::begun(Retry::Refuse).await;
    assert_eq!(moved.user("42").await, Imported::AlreadyThere);
    assert_eq!(moved.session(|_| {}).await, Imported::New);
    assert_eq!(moved.session(|_| {}).await, Imported::AlreadyThere);
    moved.logs_out().await;
    assert_eq!(moved.session(|_| {}).await, Imported::AlreadyThere);
    assert_eq!(moved.refresh(OLD).await.unwrap_err(), Refusal::SessionEnded(Some(EndCause::Logout)));

    let sweep = Sweep { slice: Slice::first(100), now: moved.clock.now(), keep_ended: Duration::ZERO };
    assert_eq!(moved.engine.store().sweep(sweep).await.expect("swept").removed, 1);
    assert!(refused(&moved.session(|_| {}).await).contains("ended since"), "swept away is not forgotten");
}

#[tokio::test]
async fn what_was_revoked_there_after_the_first_import_ends_here_unless_its_client_came() {
    let moved = Move::begun(Retry::Refuse).await;
    moved.session(|_| {}).await;
    moved.session(|session| session.is_live = false).await;
    assert_eq!(moved.refresh(OLD).await.unwrap_err(), Refusal::SessionEnded(Some(EndCause::Revoked)));

    let other = "another0token0of0the0same0user0and0long0enough";
    let another =
        |session: &mut ImportedSession<'_>| session.token = ForeignToken::new(other).expect("a token");
    moved.session(another).await;
    let pair = moved.refresh(other).await.expect("its client came");
    moved
        .session(|session| {
            another(session);
            session.is_live = false;
        })
        .await;
    moved.refresh(pair.refresh.text()).await.expect("it is ours now");
}

#[tokio::test]
async fn an_access_token_names_the_user_as_before_and_our_account_beside() {
    let moved = Move::begun(Retry::Refuse).await;
    moved.session(|_| {}).await;
    let pair = moved.refresh(OLD).await.expect("taken");
    let claims = pair.access_token.split('.').nth(1).expect("claims");
    let claims = data_encoding::BASE64URL_NOPAD.decode(claims.as_bytes()).expect("base64url");
    let claims: serde_json::Value = serde_json::from_slice(&claims).expect("JSON");
    assert_eq!(claims["sub"], "42");
    assert_eq!(claims["account_id"], pair.account.to_string());
    assert!(claims.get("aud").is_none());
    let caller = moved.engine.authenticate(&moved.client, &pair.access_token).await.expect("ours");
    assert_eq!(caller.key.account, pair.account);
    let named = ClientPolicy { access: AccessTokenShape::default(), ..moved.client.clone() };
    assert!(
        moved.engine.authenticate(&named, &pair.access_token).await.is_err(),
        "there, an audience is missing"
    );
}

#[tokio::test]
async fn t10_a_row_that_is_moved_to_another_account_is_nobodys() {
    let moved = Move::begun(Retry::Refuse).await;
    moved.session(|_| {}).await;
    let row = moved.engine.sessions().explain(id()).await.expect("explain").expect("known").session;
    let keys = moved.engine.keys();
    let foreign = imported().token;
    assert_eq!(foreign.placeholder(PROFILE, row.key.account, &keys, NOW), row.secret_hash);
    let mut elsewhere = row.clone();
    elsewhere.key.account = sprag::session::AccountId(uuid::Uuid::from_u128(7));
    assert!(foreign.is_unadopted(&row, &keys, NOW));
    assert!(!foreign.is_unadopted(&elsewhere, &keys, NOW));
    let mut other_profile = row;
    other_profile.profile = ProfileId(3);
    assert!(!foreign.is_unadopted(&other_profile, &keys, NOW));
    let others = KeyRing::generate(Algorithm::Hs256, &SeededRandom::new(99), NOW).expect("a ring");
    assert_ne!(foreign.placeholder(PROFILE, elsewhere.key.account, &others, NOW), elsewhere.secret_hash);
}

#[tokio::test]
async fn one_log_in_after_a_move_ends_one_session_and_not_all_beyond_the_limit() {
    let moved = Move::begun(Retry::Refuse).await;
    for number in 0..110 {
        let token = format!("{OLD}{number:04}");
        let one =
            |session: &mut ImportedSession<'_>| session.token = ForeignToken::new(&token).expect("a token");
        assert_eq!(moved.session(one).await, Imported::New);
    }
    for takes_imported_tokens in [true, false] {
        let client = ClientPolicy { takes_imported_tokens, ..moved.client.clone() };
        let known = moved.engine.authn().password("user42", PASSWORD, &somebody()).await.expect("known");
        let pair = moved.engine.open_session(&client, known, OpenRequest::default(), &somebody()).await;
        let pair = pair.expect("logged in");
        assert_eq!(
            moved.engine.sessions().of(pair.account).await.expect("listed").len(),
            110,
            "{takes_imported_tokens}"
        );
    }
}

#[tokio::test]
async fn an_account_that_was_not_moved_keeps_to_the_limit() {
    let moved = Move::begun(Retry::Refuse).await;
    let user = NewUser { username: Some("ann"), password: Some(PASSWORD), ..NewUser::default() };
    let account = moved.engine.accounts().create(user, &somebody()).await.expect("made");
    for _ in 0..Limits::default().sessions_per_account + 3 {
        moved.log_in_as("ann", PASSWORD).await.expect("logged in");
    }
    assert_eq!(moved.engine.sessions().of(account.id).await.expect("listed").len(), 100);
}

#[tokio::test]
async fn r52_what_comes_from_elsewhere_is_cut_to_size_and_has_no_control_characters() {
    let moved = Move::begun(Retry::Refuse).await;
    let long = format!("\u{1b}[2J{}", "x".repeat(5000));
    let session = ImportedSession {
        ip: Some("1.2.3.4 \u{1b}[31m"),
        user_agent: Some(&long),
        device: Some(&long),
        ..imported()
    };
    assert_eq!(moved.engine.imports().session(&moved.client, session).await.expect("import"), Imported::New);
    let detail = moved.engine.sessions().explain(id()).await.expect("explain").expect("known").detail;
    assert_eq!(detail.ip.as_deref(), Some("1.2.3.4 [31m"));
    let kept = format!("[2J{}", "x".repeat(253));
    assert_eq!((detail.user_agent.as_deref(), detail.device.as_deref()), (Some(&*kept), Some(&*kept)));
}
