//! Accounts, their names, and what becomes of their sessions.

use std::sync::Arc;

use super::Subject;
use super::commits::{Opened, PasswordChange, alone};
use super::world::{NOW, PROFILE, SECOND, World, ending, event, opening, rotation};
use crate::account::{Account, External, Name, NameKind, Particular, Particulars};
use crate::audit::EventKind;
use crate::session::{AccountId, EndCause, Epoch, Session, SessionDetail};
use crate::store::{Commit, Committed, Expect, Slice, Step};

pub(super) async fn an_account_is_found_by_each_of_its_names(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let mut stranger = world.stranger();
    stranger.names.push(Name::email("ann@example.org").expect("this is an e-mail address"));
    stranger.account.email = Some("Ann@example.org".to_owned());
    stranger.account.is_admin = true;
    let text = |text: &str| Some(text.to_owned());
    stranger.names.push(Name::external(PROFILE, "507f1f77bcf86cd799439011").expect("this is a key"));
    stranger.account.particulars = Particulars {
        external: Some(External { profile: PROFILE, id: "507f1f77bcf86cd799439011".to_owned() }),
        role: text("editor"),
        name: text("Ann Example"),
        given_name: text("Ann"),
        family_name: text("Example"),
        language: text("pt-BR"),
    };
    assert!(world.create(stranger.clone()).await.expect("create"));
    let id = stranger.account.id;
    for name in &stranger.names {
        let found = world.store().credential(name).await.expect("credential").expect("it is there");
        assert_eq!(
            (found.account, found.password_hash),
            (stranger.account.clone(), stranger.password_hash.clone())
        );
    }
    let found = world.store().credential_of(id).await.expect("credential_of").expect("it is there");
    assert_eq!(found.password_hash, stranger.password_hash);
    assert_eq!(world.store().account(id).await.expect("account"), Some(stranger.account));

    let nobody = world.stranger();
    assert!(world.store().credential(&nobody.names[0]).await.expect("credential").is_none());
    assert!(world.store().credential_of(nobody.account.id).await.expect("credential_of").is_none());
    assert!(world.store().account(nobody.account.id).await.expect("account").is_none());
}

pub(super) async fn an_account_with_a_taken_name_leaves_nothing_behind(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let (first, mut second) = (world.stranger(), world.stranger());
    assert!(world.create(first.clone()).await.expect("create"));
    second.names.push(first.names[0].clone());
    assert!(!world.create(second.clone()).await.expect("create"));
    assert!(world.store().account(second.account.id).await.expect("account").is_none());
    assert!(world.store().credential(&second.names[0]).await.expect("credential").is_none());
    assert!(world.chain(second.account.id).await.is_empty());
    let owner = world.store().credential(&first.names[0]).await.expect("credential").expect("it is there");
    assert_eq!(owner.account.id, first.account.id);

    let mut heir = world.stranger();
    heir.names = vec![second.names[0].clone()];
    assert!(world.create(heir).await.expect("create"), "its other name is still free");

    let mut third = world.stranger();
    (third.account.id, third.event.account) = (first.account.id, first.account.id);
    let twin = world.store().commit(third.clone().commit()).await.expect("commit");
    assert_eq!(twin, Committed::Missed { step: 0 }, "an id is given once");
    assert_eq!(world.chain(first.account.id).await.len(), 1);
    assert!(world.store().credential(&third.names[0]).await.expect("credential").is_none());
}

/// A name as an earlier build made it.
fn earlier(kind: NameKind, value: &str) -> Name {
    Name { kind, value: value.to_owned() }
}

/// An account with that one name.
async fn named(world: &World, name: Name) -> AccountId {
    let mut stranger = world.stranger();
    stranger.names = vec![name];
    let id = stranger.account.id;
    assert!(world.create(stranger).await.expect("create"), "the name is free");
    id
}

/// Whom a name leads to.
async fn owner(world: &World, name: &Name) -> Option<AccountId> {
    world.store().credential(name).await.expect("credential").map(|found| found.account.id)
}

pub(super) async fn a_name_of_an_earlier_build_leads_where_it_did_and_is_given_to_nobody_else(
    subject: Arc<dyn Subject>,
) {
    let world = World::of(subject);
    let kostas = earlier(NameKind::Username, "κώστας");
    let anna = earlier(NameKind::Email, "anna@bücher.example");
    let unseen = earlier(NameKind::Username, "an\u{200d}n");
    let ids = [
        named(&world, kostas.clone()).await,
        named(&world, anna.clone()).await,
        named(&world, unseen.clone()).await,
    ];
    let today = [
        Name::username("ΚΏΣΤΑΣ").expect("a user name"),
        Name::email("Anna@xn--bcher-kva.example").expect("an address"),
    ];
    for (name, id) in [&kostas, &anna, &unseen].into_iter().zip(ids).chain(today.iter().zip(ids)) {
        assert_eq!(owner(&world, name).await, Some(id), "{name:?}");
    }
    for name in today {
        let mut thief = world.stranger();
        thief.names.push(name.clone());
        assert!(!world.create(thief).await.expect("create"), "{name:?} is taken");
        let alike = world.store().alike(&name).await.expect("alike");
        assert_eq!(alike.len(), 1, "{alike:?}");
    }
    let mut listed = Vec::new();
    loop {
        let after = listed.last().map(|(name, _): &(Name, AccountId)| name.clone());
        let slice = world.store().names_of_earlier_builds(Slice::after(after, 2)).await.expect("names");
        if slice.is_empty() {
            break;
        }
        listed.extend(slice);
    }
    assert_eq!(listed.len(), 3, "{listed:?}");
    assert!([kostas, anna, unseen].into_iter().zip(ids).all(|pair| listed.contains(&pair)), "{listed:?}");
}

pub(super) async fn two_names_of_earlier_builds_that_have_one_form_lead_to_their_own_accounts(
    subject: Arc<dyn Subject>,
) {
    let world = World::of(subject);
    let (two, three) = (earlier(NameKind::Username, "σίσυφος"), earlier(NameKind::Username, "ςίσυφος"));
    let form = Name::username("ΣΊΣΥΦΟΣ").expect("a user name");
    let ids = [named(&world, two.clone()).await, named(&world, three.clone()).await];
    assert_eq!([owner(&world, &two).await, owner(&world, &three).await], ids.map(Some));
    assert_eq!(owner(&world, &form).await, None, "nobody can say which of them is meant");
    assert_eq!(world.store().alike(&form).await.expect("alike").len(), 2);

    let to = Name::username("sisyphos").expect("a user name");
    let text = "Sisyphos".to_owned();
    let step = Step::Rename { from: three.clone(), to: to.clone(), told_as: NameKind::Username, text };
    assert!(world.store().commit(alone(ids[1], step, None)).await.expect("commit").is_done());
    assert_eq!(owner(&world, &form).await, Some(ids[0]), "it is one account's only, now");
    assert_eq!(owner(&world, &to).await, Some(ids[1]));
    assert_eq!(owner(&world, &three).await, None);
}

pub(super) async fn an_account_is_renamed_and_its_old_name_is_free(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let (account, other) = (world.person().await, world.person().await);
    let name =
        |account: &Account| Name::username(account.username.as_deref().expect("it has one")).expect("a name");
    let rename = |from: Name, to: &str| Step::Rename {
        from,
        to: Name::username(to).expect("a user name"),
        told_as: NameKind::Username,
        text: to.to_owned(),
    };
    let commit = async |step| world.store().commit(alone(account.id, step, None)).await.expect("commit");
    assert!(!commit(rename(name(&other), "mine")).await.is_done(), "it is not its own");
    let taken = other.username.clone().expect("it has one");
    assert!(!commit(rename(name(&account), &taken)).await.is_done(), "it is somebody else's");
    assert_eq!(owner(&world, &name(&account)).await, Some(account.id), "nothing was changed");

    assert!(commit(rename(name(&account), "New Name")).await.is_done());
    let renamed = world.store().account(account.id).await.expect("account").expect("it is there");
    assert_eq!(renamed, Account { username: Some("New Name".to_owned()), ..account.clone() });
    assert_eq!(owner(&world, &name(&renamed)).await, Some(account.id));
    assert_eq!(
        named(&world, name(&account)).await,
        owner(&world, &name(&account)).await.expect("it was free")
    );
    assert!(commit(rename(name(&renamed), "NEW NAME")).await.is_done(), "it may be spelled anew");
}

pub(super) async fn accounts_are_listed_in_slices(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let mut made = Vec::new();
    for _ in 0..5 {
        made.push(world.person().await);
    }
    let listed = async |after: Option<&Account>, limit| {
        world.store().accounts(Slice::after(after.map(|after| after.id), limit)).await.expect("accounts")
    };
    assert_eq!(listed(None, 3).await, made[..3]);
    assert_eq!(listed(Some(&made[2]), 3).await, made[3..]);
    assert_eq!(listed(Some(&made[4]), 3).await, []);
}

pub(super) async fn names_are_listed_by_how_they_begin(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let mut made = Vec::new();
    for text in ["ann", "ann b", "ann-b", "Anna", "an", "ännchen", "bob", "annz\u{ffff}\u{1f600}"] {
        let mut stranger = world.stranger();
        let names: Vec<_> = [Name::username(text), Name::email(&format!("{text}@example.org"))].into();
        stranger.names = names.into_iter().flatten().collect();
        made.extend(stranger.names.iter().map(|name| (name.clone(), stranger.account.id)));
        assert!(world.create(stranger).await.expect("create"));
    }
    made.sort_by(|(one, _), (other, _)| (one.kind, &one.value).cmp(&(other.kind, &other.value)));
    for (kind, begins) in [
        (NameKind::Username, "ann"),
        (NameKind::Username, "a"),
        (NameKind::Username, "ann "),
        (NameKind::Username, "ä"),
        (NameKind::Username, "nobody"),
        (NameKind::Email, "ann"),
        (NameKind::Email, "anna@e"),
    ] {
        let beginning = Name { kind, value: begins.to_owned() };
        let wanted: Vec<_> = made.iter().filter(|(name, _)| name.begins_with(&beginning)).cloned().collect();
        let (mut listed, mut after) = (Vec::new(), None);
        loop {
            let slice =
                world.store().names_beginning(&beginning, Slice::after(after, 2)).await.expect("names");
            after = slice.last().map(|(name, _)| name.value.clone());
            if slice.is_empty() {
                break;
            }
            listed.extend(slice);
        }
        assert_eq!(listed, wanted, "{kind:?} {begins:?}");
    }
    let ids: Vec<_> = made.iter().map(|(_, id)| *id).take(2).collect();
    let mut found = world.store().accounts_among(ids.clone()).await.expect("accounts_among");
    found.retain(|account| ids.contains(&account.id));
    assert!(!found.is_empty() && found.len() <= 2);
    assert_eq!(world.store().accounts_among(vec![AccountId(world.id())]).await.expect("accounts_among"), []);
    assert_eq!(world.store().accounts_among(Vec::new()).await.expect("accounts_among"), []);
}

pub(super) async fn a_deleted_account_is_gone_its_names_are_free_and_its_journal_stays(
    subject: Arc<dyn Subject>,
) {
    let world = World::of(subject);
    let mut stranger = world.stranger();
    let key = Name::external(PROFILE, "507f1f77bcf86cd799439011").expect("this is a key");
    stranger.names.push(key.clone());
    let (account, name) = (stranger.account.clone(), stranger.names[0].clone());
    assert!(world.create(stranger).await.expect("create"));
    let session = world.log_in(&account).await;
    let before = world.chain(account.id).await;
    let steps = vec![
        Step::EndSessions { except: None, with: None, ending: ending(EndCause::Admin) },
        Step::DropName(name.clone()),
        Step::DeleteAccount,
    ];
    let events = vec![event(account.id, EventKind::AccountDeleted)];
    let delete = Commit { account: account.id, expect: Expect::Anything, steps, events };
    assert_eq!(
        world.store().commit(delete.clone()).await.expect("commit"),
        Committed::Done { ended: 1 },
        "the session that it had"
    );
    assert_eq!(
        world.store().commit(delete).await.expect("commit"),
        Committed::Missed { step: 1 },
        "an account is deleted once"
    );
    assert_eq!(world.store().account(account.id).await.expect("account"), None);
    assert!(world.store().credential_of(account.id).await.expect("credential_of").is_none());
    assert_eq!(world.store().accounts(Slice::first(10)).await.expect("accounts"), []);
    let without = world.store().without_password(account.id, account.id).await.expect("without_password");
    assert_eq!(without, [], "nor is it one without a password");
    assert_eq!(world.cause(session.key).await, Some(EndCause::Admin), "its client is told why");
    assert!(world.state(session.key).await.is_disabled);
    assert_eq!(world.chain(account.id).await.len(), before.len() + 2, "it was deleted, and a session ended");

    assert_eq!(owner(&world, &key).await, None);
    let alike = world.store().alike(&key).await.expect("alike");
    assert_eq!(alike, [(key.clone(), account.id)], "a name that was not dropped is still taken");
    let mut heir = world.stranger();
    heir.names = vec![key];
    assert!(!world.create(heir).await.expect("create"));
    assert_ne!(named(&world, name).await, account.id, "one that was dropped is free");

    let session = world.session(&account);
    let opened = world.open(opening(session)).await.expect("open");
    assert_eq!(opened, Opened::AccountMoved, "who was about to log in does not");
    world.store().record(event(account.id, EventKind::LoginFailed)).await.expect("record");
    assert_eq!(world.chain(account.id).await.len(), before.len() + 3);
}

pub(super) async fn what_is_told_of_an_account_is_told_anew(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let (account, other) = (world.person().await, world.person().await);
    let commit = async |step| world.store().commit(alone(account.id, step, None)).await.expect("commit");
    for which in Particular::ALL {
        let text = Some(which.words().to_owned());
        assert!(commit(Step::TellParticular { which, text }).await.is_done());
    }
    let email = "Ann@example.org".to_owned();
    let tell = Step::TellName { told_as: NameKind::Email, text: email.clone() };
    assert!(commit(tell).await.is_done());
    assert!(commit(Step::SetAdministrator(true)).await.is_done());
    assert!(!commit(Step::SetAdministrator(true)).await.is_done(), "it was so already");
    let text = |which: Particular| Some(which.words().to_owned());
    let told = Particulars {
        external: None,
        role: text(Particular::Role),
        name: text(Particular::Name),
        given_name: text(Particular::GivenName),
        family_name: text(Particular::FamilyName),
        language: text(Particular::Language),
    };
    let expected =
        Account { is_admin: true, email: Some(email.clone()), particulars: told.clone(), ..account.clone() };
    let stored = async |id| world.store().account(id).await.expect("account");
    assert_eq!(stored(account.id).await, Some(expected.clone()));
    let address = Name::email(&email).expect("this is an e-mail address");
    assert_eq!(owner(&world, &address).await, None, "what is told leads nowhere by itself");

    let no_name = Step::TellParticular { which: Particular::Name, text: None };
    assert!(commit(no_name).await.is_done());
    assert!(commit(Step::SetAdministrator(false)).await.is_done());
    let particulars = Particulars { name: None, ..told };
    assert_eq!(stored(account.id).await, Some(Account { is_admin: false, particulars, ..expected }));
    assert_eq!(stored(other.id).await, Some(other), "and of nobody else");
}

pub(super) async fn disabling_ends_everything_and_enabling_revives_nothing(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let (first, second) = (world.log_in(&account).await, world.log_in(&account).await);
    let disable = async || {
        world.disable(account.id, event(account.id, EventKind::AccountDisabled)).await.expect("disable")
    };
    let enable = async || {
        world.enable(account.id, event(account.id, EventKind::AccountEnabled)).await.expect("enable")
    };
    assert!(!enable().await, "it was enabled");
    assert!(disable().await);
    assert!(!disable().await, "it was disabled");
    let found = world.store().account(account.id).await.expect("account").expect("it is there");
    assert_eq!((found.disabled_at, found.epoch), (Some(NOW), Epoch(1)));
    assert!(enable().await);
    let found = world.store().account(account.id).await.expect("account").expect("it is there");
    assert_eq!((found.disabled_at, found.epoch), (None, Epoch(1)));

    for session in [&first, &second] {
        assert_eq!(world.cause(session.key).await, Some(EndCause::Disabled));
        assert_eq!(world.store().rotate(rotation(session, NOW), None).await.expect("rotate"), None);
    }
    let opened = world.open(opening(world.session(&account))).await.expect("open");
    assert_eq!(opened, Opened::AccountMoved, "credentials verified before count no longer");
    let chain = world.chain(account.id).await;
    let kinds: Vec<EventKind> = chain.iter().skip(3).map(|entry| entry.event.kind).collect();
    let expected = [
        EventKind::AccountDisabled,
        EventKind::SessionEnded,
        EventKind::SessionEnded,
        EventKind::AccountEnabled,
    ];
    assert_eq!(kinds, expected);
    let nobody = world.stranger().account.id;
    let told = event(nobody, EventKind::AccountDisabled);
    assert!(!world.disable(nobody, told.clone()).await.expect("disable"));
    assert!(!world.enable(nobody, told).await.expect("enable"));
}

pub(super) async fn a_password_change_replaces_the_session_and_ends_the_others(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let (first, second) = (world.log_in(&account).await, world.log_in(&account).await);
    let successor = world.session(&account);
    let detail = SessionDetail { device: Some("Ann's desk".to_owned()), ..SessionDetail::default() };
    let change = PasswordChange { detail: detail.clone(), ..changing(&account, &first, successor.clone()) };
    let changed = world.change_password(change).await.expect("change_password");
    assert!(changed);
    for session in [&first, &second] {
        assert_eq!(world.cause(session.key).await, Some(EndCause::PasswordChanged));
    }
    let ended = [&first, &second].map(|session| (session.key.session, EndCause::PasswordChanged));
    assert_eq!(world.ends(account.id).await, ended);
    let (row, found) = world.store().named(successor.key.session).await.expect("named").expect("it is there");
    assert_eq!((row.epoch, row.ended, found), (Epoch(1), None, detail), "it is in the new epoch");
    assert_eq!(world.state(successor.key).await.epoch, Epoch(1));
    let found = world.store().credential_of(account.id).await.expect("credential_of").expect("it is there");
    assert_eq!(found.password_hash.as_deref(), Some("new hash"));
    let later = NOW.plus(60 * SECOND);
    let turns = async |session| world.store().rotate(rotation(session, later), None).await.expect("rotate");
    assert_eq!(turns(&first).await, None, "nothing from before goes on");
    assert!(turns(&row).await.is_some(), "the new one does");
}

pub(super) async fn a_password_change_that_comes_late_changes_nothing(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let (account, other) = (world.person().await, world.person().await);
    let (current, second) = (world.log_in(&account).await, world.log_in(&account).await);
    let foreign = world.log_in(&other).await;
    let disabled = world.person().await;
    let told = event(disabled.id, EventKind::AccountDisabled);
    assert!(world.disable(disabled.id, told).await.expect("disable"));
    let disabled = world.store().account(disabled.id).await.expect("account").expect("it is there");
    let (unknown, stranger) = (world.session(&account), world.stranger().account);
    let logged_out = world.log_in(&account).await;
    assert!(world.end(logged_out.key, ending(EndCause::Logout)).await.expect("end"));
    let moved = Account { epoch: Epoch(3), ..account.clone() };
    let late = [
        changing(&moved, &current, world.session(&account)),
        changing(&stranger, &current, world.session(&stranger)),
        changing(&disabled, &current, world.session(&disabled)),
        changing(&account, &foreign, world.session(&account)),
        changing(&account, &logged_out, world.session(&account)),
        changing(&account, &unknown, world.session(&account)),
    ];
    let before = world.chain(account.id).await;
    for change in late {
        let changed = world.change_password(change.clone()).await.expect("change_password");
        assert!(!changed, "{change:?}");
    }
    assert_eq!(world.store().account(account.id).await.expect("account"), Some(account.clone()));
    let found = world.store().credential_of(account.id).await.expect("credential_of").expect("it is there");
    assert_eq!(found.password_hash, Some(format!("hash of {}", account.id)));
    assert_eq!(world.chain(account.id).await, before);
    assert_eq!(world.store().of(account.id, Slice::first(100)).await.expect("of").len(), 3);
    for session in [current, second, foreign] {
        assert_eq!(world.state(session.key).await.session, session);
    }
}

pub(super) async fn a_hash_is_replaced_only_if_it_is_still_the_old_one(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let account = world.person().await;
    let old = format!("hash of {}", account.id);
    let told = || Some(event(account.id, EventKind::PasswordChanged));
    let rehash = async |old: &str, new: &str, event| {
        world.rehash(account.id, Some(old), new, event).await.expect("rehash")
    };
    assert!(!rehash("another", "newer", None).await);
    assert!(!rehash("another", "newer", told()).await);
    assert!(rehash(&old, "newer", None).await);
    assert!(!rehash(&old, "newest", None).await);
    assert_eq!(world.chain(account.id).await.len(), 1, "nothing was to be told");
    let found = world.store().credential_of(account.id).await.expect("credential_of").expect("it is there");
    assert_eq!(
        (found.password_hash.as_deref(), &found.account),
        (Some("newer"), &account),
        "and the epoch stays"
    );

    assert!(rehash("newer", "newest", told()).await);
    assert!(!rehash("newer", "newest", told()).await);
    let found = world.store().credential_of(account.id).await.expect("credential_of").expect("it is there");
    assert_eq!((found.password_hash.as_deref(), &found.account), (Some("newest"), &account));
    let chain = world.chain(account.id).await;
    assert_eq!((chain.len(), chain.last().map(|entry| entry.event.clone())), (2, told()));
}

pub(super) async fn accounts_without_a_password_are_found(subject: Arc<dyn Subject>) {
    let world = World::of(subject);
    let mut ids = Vec::new();
    for number in 0..6 {
        let mut stranger = world.stranger();
        if number % 2 == 0 {
            stranger.password_hash = None;
        }
        ids.push(stranger.account.id);
        assert!(world.create(stranger).await.expect("create"));
    }
    let found = async |first: usize, last: usize| {
        world.store().without_password(ids[first], ids[last]).await.expect("without_password")
    };
    assert_eq!(found(0, 5).await, [ids[0], ids[2], ids[4]]);
    assert_eq!(found(1, 4).await, [ids[2], ids[4]], "both ends count");
    assert_eq!(found(3, 3).await, []);
    assert!(!world.rehash(ids[1], None, "its first", None).await.expect("rehash"), "it has one");
    assert!(world.rehash(ids[2], None, "its first", None).await.expect("rehash"));
    assert_eq!(found(0, 5).await, [ids[0], ids[4]]);
}

pub(super) fn changing(account: &Account, replaced: &Session, successor: Session) -> PasswordChange {
    PasswordChange {
        account: account.id,
        verified_under: account.epoch,
        password_hash: "new hash".to_owned(),
        replaced: replaced.key.session,
        successor: Box::new(Session { epoch: account.epoch.next(), ..successor }),
        detail: SessionDetail::default(),
        ending: ending(EndCause::PasswordChanged),
        event: event(account.id, EventKind::PasswordChanged),
    }
}
