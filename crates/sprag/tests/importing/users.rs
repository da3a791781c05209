//! Users: who is taken, who is not, and what of them.

use sprag::audit::EventKind;
use sprag::engine::{ClientPolicy, Imported, ImportedSession, ImportedUser, RefreshRequest, SlowHashes};
use sprag::policy::Retry;
use sprag::session::ProfileId;
use sprag::store::Slice;
use sprag::token::ForeignToken;
use sprag::{Error, Refusal};

use crate::stage::{Move, OLD, PASSWORD, PROFILE, imported, refused, somebody};

#[tokio::test]
async fn a_user_that_cannot_be_is_refused_with_a_reason_and_leaves_nothing() {
    let moved = Move::begun(Retry::Refuse).await;
    let good = ImportedUser {
        external_id: "7",
        email: Some("ann@example.org"),
        password_hash: &moved.hash,
        ..ImportedUser::default()
    };
    for (user, why) in [
        (ImportedUser { external_id: "", ..good }, "key of a source system"),
        (ImportedUser { email: None, ..good }, "neither a user name nor"),
        (ImportedUser { email: Some("ann"), ..good }, "e-mail address"),
        (ImportedUser { username: Some("user42"), ..good }, "another account has this user name"),
        (ImportedUser { name: Some("a\u{7}b"), ..good }, "control character"),
    ] {
        let previewed = moved.engine.imports().preview_user(&moved.client, user).await.expect("preview");
        let outcome = moved.engine.imports().user(&moved.client, user).await.expect("import");
        assert_eq!(previewed, outcome);
        assert!(refused(&outcome).contains(why), "{outcome:?}");
    }
    assert!(moved.engine.accounts().find("ann@example.org").await.is_err());
    assert_eq!(
        moved.engine.imports().preview_user(&moved.client, good).await.expect("preview"),
        Imported::New
    );
    assert!(moved.engine.accounts().find("ann@example.org").await.is_err(), "a preview writes nothing");
}

#[tokio::test]
async fn a_user_name_that_is_an_e_mail_address_is_one() {
    let moved = Move::begun(Retry::Refuse).await;
    let user = ImportedUser {
        external_id: "7",
        username: Some("Ann@example.org"),
        email: Some("ann@example.org"),
        ..ImportedUser::default()
    };
    assert_eq!(moved.engine.imports().user(&moved.client, user).await.expect("import"), Imported::New);
    let account = moved.engine.accounts().find("ann@example.org").await.expect("known");
    assert_eq!((account.username, account.email.as_deref()), (None, Some("ann@example.org")));
    assert!(moved.log_in_as("ann@example.org", "").await.is_err(), "it has no password");
}

#[tokio::test]
async fn keys_of_two_source_systems_have_nothing_to_do_with_each_other() {
    let moved = Move::begun(Retry::Refuse).await;
    let other = ClientPolicy { profile: ProfileId(3), ..moved.client.clone() };
    let mallory =
        ImportedUser { external_id: "42", email: Some("mallory@example.org"), ..ImportedUser::default() };
    assert_eq!(moved.engine.imports().user(&other, mallory).await.expect("import"), Imported::New);
    let session = imported();
    assert_eq!(moved.engine.imports().session(&other, session).await.expect("import"), Imported::New);
    let request = RefreshRequest { token: OLD, retry_id: None };
    let pair = moved.engine.refresh(&other, request, &somebody()).await.answer.expect("taken");
    let account = moved.engine.accounts().get(pair.account).await.expect("an account");
    assert_eq!(account.email.as_deref(), Some("mallory@example.org"));
    assert_eq!((account.external_id(ProfileId(3)), account.external_id(PROFILE)), (Some("42"), None));
    assert_eq!(moved.refresh(OLD).await.unwrap_err(), Refusal::TokenInvalid, "nor do their tokens");

    let impostor = ImportedUser { external_id: "42", username: Some("other"), ..ImportedUser::default() };
    let outcome = moved.engine.imports().user(&moved.client, impostor).await.expect("import");
    assert!(refused(&outcome).contains("has other names"), "a key that stands twice is not the same user");
}

#[tokio::test]
async fn a_hash_of_no_use_costs_the_password_and_not_the_session() {
    let moved = Move::begun(Retry::Refuse).await;
    for (key, hash, has_reason) in
        [("7", "hunter2", true), ("8", "!", false), ("9", "", false), ("10", "$6$x$y", true)]
    {
        let email = format!("user{key}@example.org");
        let user = ImportedUser {
            external_id: key,
            email: Some(&email),
            password_hash: hash,
            ..ImportedUser::default()
        };
        let outcome = moved.engine.imports().user(&moved.client, user).await.expect("import");
        assert_eq!(matches!(outcome, Imported::WithoutPassword(_)), has_reason, "{hash}: {outcome:?}");
        assert!(moved.log_in_as(&email, hash).await.is_err());
        let account = moved.engine.accounts().find(&email).await.expect("known").id;
        for is_first in [true, false] {
            let set = moved.engine.accounts().set_first_password(account, PASSWORD, &somebody()).await;
            assert_eq!(set.expect("set"), is_first, "only where there is none");
        }
        moved.log_in_as(&email, PASSWORD).await.expect("its first password");
        let token = format!("{OLD}{key}");
        let session =
            ImportedSession { user: key, token: ForeignToken::new(&token).expect("one"), ..imported() };
        assert_eq!(
            moved.engine.imports().session(&moved.client, session).await.expect("import"),
            Imported::New
        );
        moved.refresh(&token).await.expect("logged in as before");
    }
}

#[tokio::test]
async fn a_user_name_of_another_kind_does_not_cost_the_account() {
    let moved = Move::begun(Retry::Refuse).await;
    let long = format!("{}Doe", "John ".repeat(30));
    let cases = [
        ("7", "John Doe", true),
        ("8", "john@elsewhere.example", true),
        // Nobody logs in with a name that long.
        ("9", long.as_str(), false),
    ];
    for (key, username, logs_in) in cases {
        let email = format!("user{key}@example.org");
        let user = ImportedUser {
            external_id: key,
            username: Some(username),
            email: Some(&email),
            password_hash: &moved.hash,
            ..ImportedUser::default()
        };
        assert_eq!(moved.engine.imports().user(&moved.client, user).await.expect("import"), Imported::New);
        assert_eq!(
            moved.engine.imports().user(&moved.client, user).await.expect("import"),
            Imported::AlreadyThere
        );
        let account = moved.engine.accounts().find(&email).await.expect("known");
        assert_eq!(account.username.as_deref(), Some(username), "shown as it was");
        // What looks like an address is claimed once all addresses have been.
        assert!(moved.engine.imports().claim_user_name(&moved.client, user).await.expect("claim"));
        assert_eq!(moved.engine.accounts().find(username).await.is_ok(), logs_in);
    }
}

#[tokio::test]
async fn what_changed_there_is_taken_over_as_long_as_nothing_changed_here() {
    let moved = Move::begun(Retry::Refuse).await;
    let bcrypt = "$2b$04$abcdefghijklmnopqrstuuWGW7zmTSO6WQ8Vv1q3bYb5PBDjnzGZS";
    let user = |hash, is_disabled| ImportedUser {
        external_id: "7",
        email: Some("ann@example.org"),
        password_hash: hash,
        is_disabled,
        ..ImportedUser::default()
    };
    let import = async |user| moved.engine.imports().user(&moved.client, user).await.expect("import");
    let log_in = || moved.log_in_as("ann@example.org", PASSWORD);
    assert_eq!(import(user(bcrypt, false)).await, Imported::New);
    let changed = |what: &'static str| Imported::Changed(what.into());
    let hash = changed("it has another password hash there");
    assert_eq!(import(user(&moved.hash, false)).await, hash);
    log_in().await.expect("the password it has there now");
    assert_eq!(import(user(bcrypt, false)).await, Imported::AlreadyThere);
    log_in().await.expect("a hash made here stays");
    let disabled = user(&moved.hash, true);
    let previewed = moved.engine.imports().preview_user(&moved.client, disabled).await.expect("preview");
    assert_eq!(previewed, changed("it may not log in there any more"));
    assert_eq!(import(disabled).await, previewed);
    assert_eq!(import(disabled).await, Imported::AlreadyThere, "once");
    let refused = log_in().await;
    assert!(matches!(refused, Err(Error::Refused(Refusal::AccountDisabled))));
    let account =
        moved.engine.store().accounts(Slice::first(10)).await.expect("accounts").pop().expect("ann").id;
    let journal = moved.engine.store().entries_of(account, Slice::first(10)).await.expect("entries_of");
    let told: Vec<_> = journal.iter().rev().map(|entry| entry.event.kind).collect();
    let expected = [
        EventKind::AccountImported,
        EventKind::PasswordChanged,
        EventKind::SessionOpened,
        EventKind::SessionOpened,
        EventKind::AccountDisabled,
    ];
    assert_eq!(told[..5], expected, "what an import changes is told");
}

#[tokio::test]
async fn enabling_an_account_that_came_disabled_lets_no_session_from_before_in() {
    let moved = Move::begun(Retry::Refuse).await;
    let user = ImportedUser {
        external_id: "7",
        username: Some("dis"),
        is_disabled: true,
        ..ImportedUser::default()
    };
    assert_eq!(moved.engine.imports().user(&moved.client, user).await.expect("import"), Imported::New);
    let of_dis = |session: &mut ImportedSession<'_>| session.user = "7";
    assert!(refused(&moved.session(of_dis).await).contains("disabled"));
    let account = moved.engine.accounts().find("dis").await.expect("known");
    assert!(moved.engine.accounts().enable(account.id, &somebody()).await.expect("enabled"));
    assert!(refused(&moved.session(of_dis).await).contains("was disabled"));
}

/// A bcrypt hash of nobody's password with that cost.
fn bcrypt(cost: u32) -> String {
    format!("$2b${cost:02}$WUwWdfR/kOeISZK8gRW1qehO34T7syXU4cskKcDMaUxAdQt41mu/.")
}

#[tokio::test]
async fn a_hash_that_would_keep_a_thread_for_seconds_is_named_and_left_out_unless_asked_for() {
    let moved = Move::begun(Retry::Refuse).await;
    let (slow, cheap) = (bcrypt(15), bcrypt(4));
    let user = |hash| ImportedUser {
        external_id: "7",
        email: Some("ann@example.org"),
        password_hash: hash,
        ..ImportedUser::default()
    };
    let imports = moved.engine.imports();
    let previewed = imports.preview_user(&moved.client, user(&slow)).await.expect("preview");
    let Imported::WithoutPassword(why) = &previewed else { panic!("{previewed:?}") };
    assert!(
        why.starts_with("bcrypt with cost 15 takes ") && why.contains(" s of this machine's time"),
        "{why}"
    );
    assert_eq!(imports.user(&moved.client, user(&slow)).await.expect("import"), previewed);
    let account = moved.engine.accounts().find("ann@example.org").await.expect("taken").id;
    let stored = async || {
        let credential = moved.engine.store().credential_of(account).await.expect("look");
        credential.expect("known").password_hash
    };
    assert_eq!(stored().await, None, "its user has no password");
    let again = imports.user(&moved.client, user(&slow)).await.expect("import");
    assert_eq!(again, Imported::StillWithoutPassword(why.clone()));

    let asked = imports.slow_hashes(SlowHashes::Taken);
    let taken = asked.user(&moved.client, user(&slow)).await.expect("import");
    assert_eq!(taken, Imported::Changed("it has another password hash there".into()));
    assert_eq!(stored().await, Some(slow.clone()), "asked for, it is taken");
    let again = imports.user(&moved.client, user(&slow)).await.expect("import");
    assert_eq!((again, stored().await), (Imported::AlreadyThere, Some(slow.clone())), "and stays");
    let changed = imports.user(&moved.client, user(&cheap)).await.expect("import");
    assert_eq!(changed, Imported::Changed("it has another password hash there".into()));
    let before = imports.user(&moved.client, user(&bcrypt(15))).await.expect("import");
    assert_eq!(
        (before, stored().await),
        (Imported::AlreadyThere, Some(cheap.clone())),
        "none takes the place of a cheap one"
    );
}

#[tokio::test]
async fn a_password_that_its_system_hashed_in_another_form_let_nobody_in() {
    // Of one password in NFC, NFD and NFKC, as Django makes them.
    let typed = ["caf\u{e9} \u{ff41}u lait", "cafe\u{301} \u{ff41}u lait", "caf\u{e9} au lait"];
    let hashed = [
        "pbkdf2_sha256$1000$saltsalt$6XqjE2KMY7y9tn3knBGyHWoxDNtUZQNaELqsOw+mBXw=",
        "pbkdf2_sha256$1000$saltsalt$yEglU+rnCquMe+3aFeu0Ld5tWCZ4WXISsPprU0EoAR8=",
        "pbkdf2_sha256$1000$saltsalt$xoBodQtqXVYthPJTMK6fU9Fi9xJ7Dvln+zqLf5cAu9c=",
    ];
    for (form, hash) in typed.into_iter().zip(hashed) {
        let moved = Move::begun(Retry::Refuse).await;
        let user = ImportedUser {
            external_id: "7",
            email: Some("ann@example.org"),
            password_hash: hash,
            ..ImportedUser::default()
        };
        assert_eq!(moved.engine.imports().user(&moved.client, user).await.expect("import"), Imported::New);
        // What was hashed there is typed here in another form first, and the hash is made anew by that.
        for typed in [typed[0], typed[1], form] {
            moved.log_in_as("ann@example.org", typed).await.expect(form);
        }
        let account = moved.engine.accounts().find("ann@example.org").await.expect("known").id;
        let credential = moved.engine.store().credential_of(account).await.expect("look").expect("known");
        let stored = credential.password_hash.expect("a password");
        assert!(stored.starts_with("$argon2id$"), "it was made anew: {stored}");
        let wide = moved.log_in_as("ann@example.org", "caf\u{e9} au lait").await;
        assert_eq!(wide.is_ok(), form == "caf\u{e9} au lait", "of the form that it was of, and of no other");
    }
}

#[tokio::test]
async fn who_once_typed_another_spelling_than_their_system_hashed_was_refused_with_the_plain_one_for_good() {
    let vectors: serde_json::Value =
        serde_json::from_str(include_str!("../vectors/moved_hashes.json")).expect("JSON");
    let vectors = vectors["vectors"].as_array().expect("a list");
    // The odd spelling, the plain one, and whether the first log-in makes the hash anew.
    for (name, odd, plain, is_renewed) in [
        ("better-auth, Unicode", "password", "same", true),
        ("Lucia LegacyScrypt, Unicode", "password", "same", true),
        ("Lucia 1, verified by LegacyScrypt, Unicode", "password", "same", true),
        ("WordPress 6.8", "same", "password", false),
    ] {
        let vector = vectors.iter().find(|vector| vector["name"] == name).expect(name);
        let text = |field: &str| vector[field].as_str().expect(name);
        let moved = Move::begun(Retry::Refuse).await;
        let user = ImportedUser {
            external_id: "7",
            email: Some("ann@example.org"),
            password_hash: text("hash"),
            ..ImportedUser::default()
        };
        assert_eq!(moved.engine.imports().user(&moved.client, user).await.expect("import"), Imported::New);
        let log_in = |spelling| moved.log_in_as("ann@example.org", text(spelling));
        let is_anew = async || {
            let account = moved.engine.accounts().find("ann@example.org").await.expect("known").id;
            let credential = moved.engine.store().credential_of(account).await.expect("look");
            credential.expect("known").password_hash.expect("a hash").starts_with("$argon2id$")
        };
        log_in(odd).await.expect(name);
        assert_eq!(is_anew().await, is_renewed, "{name}");
        log_in(odd).await.expect(name);
        log_in(plain).await.expect(name);
        assert!(is_anew().await, "{name}: of the plain spelling it is made anew");
        log_in(plain).await.expect(name);
        assert!(log_in("wrong").await.is_err(), "{name}");
    }
}
