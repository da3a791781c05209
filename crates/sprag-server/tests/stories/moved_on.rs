//! An account that moves on while somebody logs in: disabled, enabled, its password hashed anew or changed. No right
//! password is called wrong.

use std::sync::Arc;

use serde_json::json;
use sprag::engine::{NewUser, OpenRequest};
use sprag::hooks::Hooks;
use sprag::session::Methods;
use sprag::store::{Commit, Expect, Step, Was};
use sprag::{Error, Refusal};

use crate::call::{Answer, Call};
use crate::people::{KNOWN, LOGIN, Person, REFRESH, REGISTER, Way, nobody};
use crate::world::{Plan, World, our_profile};

/// What an administrator does at the worst moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Does {
    Disable,
    DisableAndEnable,
}

/// Has an administrator do that just before the next call of that name.
fn meanwhile(ann: &Person<'_>, call: &'static str, does: Does) {
    let (engine, id) = (Arc::clone(&ann.world.engine), ann.id);
    ann.world.seam.before(call, async move {
        assert!(engine.accounts().disable(id, &nobody()).await.expect("a store that works"));
        if does == Does::DisableAndEnable {
            assert!(engine.accounts().enable(id, &nobody()).await.expect("a store that works"));
        }
    });
}

async fn logs_in(world: &World, password: &str) -> Answer {
    world.sends(Call::post(LOGIN).json(&json!({ "username": "ann", "password": password }))).await
}

async fn live_sessions(ann: &Person<'_>) -> usize {
    ann.world.rows(ann.id).await.iter().filter(|session| session.ended.is_none()).count()
}

#[tokio::test]
async fn r15_the_right_password_of_an_account_that_is_disabled_meanwhile_is_not_called_wrong() {
    let world = World::new();
    let ann = world.ann().await;
    let journal = ann.journal().await;
    meanwhile(&ann, "open", Does::Disable);
    logs_in(&world, &ann.password).await.refused(401, "account_disabled");
    assert_eq!(ann.journal_since(&journal).await, ["account_disabled", "warning login_failed"]);
    assert_eq!(live_sessions(&ann).await, 0);
    logs_in(&world, "wrong password").await.refused(401, "credentials_invalid");
}

#[tokio::test]
async fn the_right_password_of_an_account_that_is_disabled_and_enabled_meanwhile_lets_in() {
    for way in Way::BOTH {
        let world = World::new();
        let ann = world.ann().await;
        meanwhile(&ann, "open", Does::DisableAndEnable);
        let mut device = ann.logs_in_by(way).await;
        assert_eq!(live_sessions(&ann).await, 1);
        assert!(device.is_logged_in().await);
    }
}

/// Puts another hash in the place of ann's, as a log-in with an outdated one does.
async fn hashes_anew(ann: &Person<'_>, hash: &str) {
    let steps = vec![Step::put_password(Was::Any, hash.to_owned(), ann.world.now())];
    let commit = Commit { account: ann.id, expect: Expect::Anything, steps, events: Vec::new() };
    assert!(ann.world.seam.store().commit(commit).await.expect("a store that works").is_done());
}

/// The hash says nothing by itself: it is the password that must be the account's.
#[tokio::test]
async fn a_password_that_is_hashed_anew_while_the_account_moves_on_is_compared_once_more() {
    let world = World::new();
    let ann = world.ann().await;
    for (password, status) in [("ann's battery staple", 200), ("bob's battery staple", 401)] {
        let random = sprag::random::SystemRandom::default();
        let chosen = sprag::password::Password::chosen(password).expect("a password");
        let hasher = sprag::password::Hasher::start(1, 4).expect("a thread");
        let hash = hasher.hash(chosen, &random).await.expect("a hash");
        let (engine, id, store, now) = (Arc::clone(&world.engine), ann.id, world.seam.store(), world.now());
        world.seam.before("open", async move {
            engine.accounts().disable(id, &nobody()).await.expect("a store that works");
            let steps = vec![Step::put_password(Was::Any, hash, now)];
            let commit = Commit { account: id, expect: Expect::Anything, steps, events: Vec::new() };
            assert!(store.commit(commit).await.expect("a store that works").is_done());
            engine.accounts().enable(id, &nobody()).await.expect("a store that works");
        });
        let answer = logs_in(&world, &ann.password).await.is(status);
        assert_eq!(answer.code(), if status == 401 { "credentials_invalid" } else { "" });
        hashes_anew(&ann, KNOWN[0].1).await;
    }
    assert_eq!(ann.journal().await.last().map(String::as_str), Some("warning login_failed"));
}

/// A profile where anybody registers and is logged in at once.
pub(super) fn open_house(hooks: Hooks) -> World {
    let takes = "password = \"$password\", language = \"$language?\", invite = \"$invite?\", altcha = \"$altcha?\" }\n";
    let gives = "status = 201\n[route.gives]\n";
    let pair = "access_token = \"$access_token\"\nrefresh_token = \"$refresh_token?\"\nsession_id = \"$session_id\"\n";
    let takes_and_gives = format!("{takes}{gives}");
    let with_pair = format!("password = \"$password\", transport = \"$transport?\" }}\n{gives}{pair}");
    let is_open = ("registration = \"admin\"", "registration = \"open\"");
    let profile = our_profile(&[is_open, (&takes_and_gives, &with_pair)]);
    World::planned(Plan { profiles: vec![profile], hooks, ..Plan::default() })
}

#[tokio::test]
async fn who_signs_up_while_an_administrator_disables_and_enables_is_let_in_or_told() {
    for (does, status, code) in [(Does::Disable, 401, "account_disabled"), (Does::DisableAndEnable, 201, "")]
    {
        let world = open_house(Hooks::default());
        let engine = Arc::clone(&world.engine);
        world.seam.before("open", async move {
            let carol = engine.accounts().find("carol").await.expect("she is there").id;
            engine.accounts().disable(carol, &nobody()).await.expect("a store that works");
            if does == Does::DisableAndEnable {
                engine.accounts().enable(carol, &nobody()).await.expect("a store that works");
            }
        });
        let user = json!({ "username": "carol", "password": "fifteen or more" });
        let answer = world.sends(Call::post(REGISTER).json(&user)).await.is(status);
        assert_eq!(answer.code(), code);
        if status == 201 {
            let refresh = json!({ "refresh_token": answer.refresh_token() });
            world.sends(Call::post(REFRESH).json(&refresh)).await.is(200);
        }
    }
}

/// An application's word for its own user is as good after the account was enabled again, and not after its password here
/// was changed.
#[tokio::test]
async fn somebody_vouched_for_is_let_in_unless_the_account_is_disabled_or_its_password_changed() {
    let world = World::new();
    let ann = world.ann().await;
    let client = our_profile(&[]).client_policy();
    let opens = async || {
        let somebody = world.engine.authn().vouch_for(ann.id, Methods::NONE).await.expect("enabled");
        world.engine.open_session(&client, somebody, OpenRequest::default(), &nobody()).await
    };
    meanwhile(&ann, "open", Does::DisableAndEnable);
    opens().await.expect("a session");
    meanwhile(&ann, "open", Does::Disable);
    assert!(matches!(opens().await, Err(Error::Refused(Refusal::AccountDisabled))));
    ann.is_enabled().await;
    let phone = ann.logs_in().await;
    let change = json!({ "current_password": ann.password, "new_password": "ann's next staple" });
    let call = phone.bearer_call("POST", crate::people::PASSWORD).json(&change);
    world.seam.before("open", world.later(call, 200));
    assert!(matches!(opens().await, Err(Error::Refused(Refusal::CredentialsInvalid))));
}

#[tokio::test]
async fn who_is_known_by_an_applications_own_key_alone_is_let_in_after_being_enabled_again() {
    let world = World::new();
    let client = our_profile(&[]).client_policy();
    let user = NewUser { username: Some("dora"), ..NewUser::default() };
    let accounts = world.engine.accounts();
    let somebody = accounts.sign_up(&client, user, None, &nobody()).await.expect("an account");
    let id = somebody.account().id;
    world.engine.accounts().disable(id, &nobody()).await.expect("a store that works");
    world.engine.accounts().enable(id, &nobody()).await.expect("a store that works");
    world.engine.open_session(&client, somebody, OpenRequest::default(), &nobody()).await.expect("a session");
}

/// What refreshes, changes a password or uses an access token has been ended by then, and hears why.
#[tokio::test]
async fn sessions_of_an_account_that_is_disabled_meanwhile_hear_that_and_nothing_else() {
    for does in [Does::Disable, Does::DisableAndEnable] {
        for way in Way::BOTH {
            for moment in ["rotate", "credential_of", "change_password"] {
                let world = World::new();
                let ann = world.ann().await;
                let mut device = ann.logs_in_by(way).await;
                let journal = ann.journal().await;
                meanwhile(&ann, moment, does);
                let answer = match moment {
                    "rotate" => device.refreshes().await,
                    _ => device.changes_password(&ann.password, "another password").await,
                };
                answer.refused(401, "session_ended").because("disabled");
                let journal = ann.journal_since(&journal).await;
                assert!(!journal.contains(&"warning login_failed".to_owned()), "{does:?} {moment}");
                if does == Does::Disable {
                    ann.is_enabled().await;
                }
                logs_in(&world, "another password").await.refused(401, "credentials_invalid");
                logs_in(&world, &ann.password).await.is(200);
            }
        }
    }
}
