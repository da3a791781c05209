//! What comes twice: in one source, in two runs, in two runs at once.

use futures_util::future::join_all;
use sprag::audit::EventKind;
use sprag::engine::{Imported, ImportedSession, ImportedUser, Run};
use sprag::policy::Retry;
use sprag::session::EndCause;
use sprag::token::ForeignToken;
use sprag::{Error, Refusal};

use crate::stage::{Move, NOW, OLD, PASSWORD, imported, refused, somebody};

#[tokio::test]
async fn a_token_of_which_one_row_is_over_is_over() {
    let over: [fn(&mut ImportedSession<'_>); 2] =
        [|session| session.is_live = false, |session| session.expires_at = NOW];
    for (over, cause) in over.into_iter().zip([EndCause::Revoked, EndCause::Expired]) {
        let moved = Move::begun(Retry::Refuse).await;
        assert_eq!(moved.session(|_| {}).await, Imported::New);
        let mut session = imported();
        over(&mut session);
        let run = Run::default();
        let previewed =
            moved.engine.imports().preview_session(&run, &moved.client, session).await.expect("preview");
        assert_eq!(
            (moved.cause().await, &previewed),
            (None, &Imported::Changed("it has ended in the source system".into()))
        );
        assert_eq!(moved.session(over).await, previewed);
        assert_eq!(moved.cause().await, Some(cause));
        for _ in 0..2 {
            assert_eq!(moved.session(|_| {}).await, Imported::AlreadyThere);
            assert!(matches!(moved.session(over).await, Imported::Over(_)));
        }
        assert_eq!(moved.refresh(OLD).await.unwrap_err(), Refusal::SessionEnded(Some(cause)));
    }
}

#[tokio::test]
async fn a_token_opens_one_account() {
    let moved = Move::begun(Retry::Refuse).await;
    assert_eq!(moved.user("43").await, Imported::New);
    assert_eq!(moved.session(|_| {}).await, Imported::New);
    let others = |session: &mut ImportedSession<'_>| session.user = "43";
    for _ in 0..2 {
        assert!(refused(&moved.session(others).await).contains("a session of another user"));
        assert_eq!(moved.session(|_| {}).await, Imported::AlreadyThere);
    }
    let pair = moved.refresh(OLD).await.expect("taken");
    let owner = moved.engine.accounts().find("user42").await.expect("known");
    assert_eq!(pair.account, owner.id);
}

#[tokio::test]
async fn what_a_run_remembers_lets_nothing_in_that_was_here_before_it() {
    let moved = Move::begun(Retry::Refuse).await;
    moved.session(|_| {}).await;
    moved.logs_out().await;
    let sweep = sprag::store::Sweep {
        slice: sprag::store::Slice::first(100),
        now: moved.engine.now(),
        keep_ended: std::time::Duration::ZERO,
    };
    assert_eq!(moved.engine.store().sweep(sweep).await.expect("swept").removed, 1);
    let run = Run::default();
    let import = async |session| {
        moved.engine.imports().session_of(&run, &moved.client, session).await.expect("import")
    };
    let other = ImportedSession { token: ForeignToken::hashed([7; 32]), ..imported() };
    assert_eq!(import(other).await, Imported::New);
    assert!(refused(&import(imported()).await).contains("ended since"));
    assert_eq!(import(other).await, Imported::AlreadyThere);
}

#[tokio::test]
async fn who_still_has_no_password_is_named_by_each_run() {
    let moved = Move::begun(Retry::Refuse).await;
    let user = |hash| ImportedUser {
        external_id: "7",
        email: Some("ann@example.org"),
        password_hash: hash,
        ..ImportedUser::default()
    };
    let import = async |user| {
        let previewed = moved.engine.imports().preview_user(&moved.client, user).await.expect("preview");
        assert_eq!(moved.engine.imports().user(&moved.client, user).await.expect("import"), previewed);
        previewed
    };
    let Imported::WithoutPassword(why) = import(user("cut")).await else { panic!("it is no hash") };
    assert_eq!(import(user("cut")).await, Imported::StillWithoutPassword(why.clone()));
    assert_eq!(import(user("")).await, Imported::AlreadyThere, "there it has none either now");
    let account = moved.engine.accounts().find("ann@example.org").await.expect("known").id;
    assert!(moved.engine.accounts().set_first_password(account, PASSWORD, &somebody()).await.expect("set"));
    assert_eq!(import(user("cut")).await, Imported::AlreadyThere, "it has one here");
    let journal =
        moved.engine.store().entries_of(account, sprag::store::Slice::first(10)).await.expect("entries_of");
    let told: Vec<_> = journal.iter().rev().map(|entry| entry.event.kind).collect();
    assert_eq!(told, [EventKind::AccountImported, EventKind::PasswordChanged]);

    let bob = |hash| ImportedUser { external_id: "8", email: Some("bob@example.org"), ..user(hash) };
    assert!(matches!(import(bob("cut")).await, Imported::WithoutPassword(_)));
    assert_eq!(
        import(bob(&moved.hash)).await,
        Imported::Changed("it has another password hash there".into())
    );
    assert_eq!(import(bob("cut")).await, Imported::AlreadyThere);
}

/// Stores whose methods wait: there many look before the first of them writes.
#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread")]
async fn of_many_imports_at_once_one_brings_it_and_none_refuses() {
    use std::sync::Arc;

    use sprag::store::sqlite::{Settings, SqliteStore};

    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("sprag.db");
    SqliteStore::migrate(&path).expect("migrate");
    let patient = std::time::Duration::from_secs(120);
    let settings =
        Settings { deadline: patient, busy_timeout: patient, restamp_after: patient, ..Settings::default() };
    let store = SqliteStore::open(&path, settings).expect("open");
    let moved = Move::begun_on(Arc::new(store), Retry::Refuse).await;
    let once = |outcomes: Vec<Imported>| {
        let new = outcomes.iter().filter(|outcome| **outcome == Imported::New).count();
        let there = outcomes.iter().filter(|outcome| **outcome == Imported::AlreadyThere).count();
        assert_eq!((new, there), (1, outcomes.len() - 1), "{outcomes:?}");
    };
    for number in 100..120 {
        let key = number.to_string();
        once(join_all((0..8).map(|_| moved.user(&key))).await);
        let token = format!("{OLD}{number}");
        let session = ImportedSession { token: ForeignToken::new(&token).expect("one"), ..imported() };
        let import = || async { moved.session(|imported| *imported = session).await };
        once(join_all((0..8).map(|_| import())).await);
    }
    let wrong = moved.log_in().await.map(drop);
    assert!(!matches!(wrong, Err(Error::Failed(_))), "and the store is whole");
}
