//! What administrators see: accounts, sessions and events in slices, cursors that nobody makes, and nothing of their own account
//! that moves with a rotation.

use serde_json::{Value, json};

use crate::call::Call;
use crate::people::{Device, SESSIONS};
use crate::world::World;

const USERS: &str = "/api/v1/admin/users";
const EVENTS: &str = "/api/v1/admin/events";

/// A moment after the one before: ids of one moment have no order.
async fn makes(device: &Device<'_>, name: &str) {
    device.world.winds(1);
    let body = json!({ "username": name, "email": format!("{name}@example.org") });
    device.world.sends(device.bearer_call("POST", USERS).json(&body)).await.is(201);
}

/// A listing, slice by slice to its end.
async fn all(device: &Device<'_>, path: &str, limit: usize) -> Vec<Value> {
    let mut items = Vec::new();
    let mut after = String::new();
    let sign = if path.contains('?') { '&' } else { '?' };
    loop {
        let answer = device.asks(&format!("{path}{sign}limit={limit}{after}")).await.is(200).json();
        let slice = answer["items"].as_array().expect("a list").clone();
        assert!(slice.len() <= limit, "no more than were asked for");
        items.extend(slice);
        match &answer["next"] {
            Value::Null => return items,
            next => after = format!("&after={}", next.as_str().expect("a cursor")),
        }
    }
}

fn names(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["username"].as_str().expect("a name")).collect()
}

fn kinds(items: &[Value]) -> Vec<&str> {
    items.iter().map(|item| item["kind"].as_str().expect("a kind")).collect()
}

#[tokio::test]
async fn accounts_are_listed_in_slices_and_found_by_how_their_names_begin() {
    let world = World::new();
    let device = world.root().await.logs_in().await;
    for name in ["carol", "Anton", "ann", "Änne", "bea", "carl", "annabel"] {
        makes(&device, name).await;
    }
    let everybody = ["root", "carol", "Anton", "ann", "Änne", "bea", "carl", "annabel"];
    for limit in [1, 3, 8, 200] {
        assert_eq!(names(&all(&device, USERS, limit).await), everybody, "{limit}");
    }
    for (query, found) in [
        ("ann", vec!["ann", "annabel"]),
        ("ANN", vec!["ann", "annabel"]),
        ("%EF%BD%81nn", vec!["ann", "annabel"]),
        ("%C3%84", vec!["Änne"]),
        ("car", vec!["carl", "carol"]),
        ("ann@", vec!["ann"]),
        ("ann@example.org", vec!["ann"]),
        ("a", vec!["ann", "annabel", "Anton"]),
        ("nobody", vec![]),
        ("%25", vec![]),
        ("", everybody.to_vec()),
    ] {
        for limit in [1, 2, 50] {
            let listed = all(&device, &format!("{USERS}?query={query}"), limit).await;
            assert_eq!(names(&listed), found, "{query} {limit}: each once, in the order of their names");
        }
    }
    let unknown_names_are_ignored = device.asks(&format!("{USERS}?limit=1&_=17")).await.is(200);
    assert_eq!(unknown_names_are_ignored.json()["items"].as_array().map(Vec::len), Some(1));
}

/// A cursor is good for the listing that gave it, asked for by whoever was given it, and for nothing else.
#[tokio::test]
async fn r62_a_cursor_that_is_forged_foreign_or_of_other_filters_is_refused() {
    let world = World::new();
    let (root, ann, bob) = (world.root().await, world.ann().await, world.bob().await);
    let device = root.logs_in().await;
    let next = async |path: &str| {
        device.asks(path).await.is(200).json()["next"].as_str().expect("a next slice").to_owned()
    };
    for person in [&ann, &bob] {
        person.logs_in().await;
        person.logs_in().await;
    }
    let anns = format!("{USERS}/{}", ann.id);
    let bobs = format!("{USERS}/{}", bob.id);
    let users = next(&format!("{USERS}?limit=1")).await;
    let events = next(&format!("{EVENTS}?limit=1&kind=session_opened")).await;
    let of_ann = next(&format!("{anns}/events?limit=1")).await;
    let sessions = next(&format!("{anns}/sessions?limit=1")).await;
    for (path, cursor) in [
        (format!("{USERS}?query=a&after="), &users),
        (format!("{EVENTS}?kind=session_opened&after="), &users),
        (format!("{EVENTS}?after="), &events),
        (format!("{EVENTS}?kind=session_ended&after="), &events),
        (format!("{EVENTS}?kind=session_opened&severity=warning&after="), &events),
        (format!("{EVENTS}?kind=session_opened&since=1h&after="), &events),
        (format!("{bobs}/events?after="), &of_ann),
        (format!("{EVENTS}?after="), &of_ann),
        (format!("{bobs}/sessions?after="), &sessions),
        (format!("{anns}/events?after="), &sessions),
    ] {
        let answer = device.asks(&format!("{path}{cursor}")).await.refused(400, "field_invalid");
        assert_eq!(answer.field("field"), "after", "{path}");
    }
    let mut forged = users.clone().into_bytes();
    forged[30] = if forged[30] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).expect("letters");
    for text in [forged.as_str(), &users[..20], &format!("{users}A"), "A", "null", "%00"] {
        device.asks(&format!("{USERS}?after={text}")).await.refused(400, "field_invalid");
    }
    device.asks(&format!("{USERS}?limit=2&after={users}")).await.is(200);

    let promoted = json!({ "is_admin": true });
    world.sends(device.bearer_call("PATCH", &bobs).json(&promoted)).await.is(200);
    let other = bob.logs_in().await;
    other.asks(&format!("{USERS}?after={users}")).await.refused(400, "field_invalid");
    let later = root.logs_in().await;
    later.asks(&format!("{USERS}?after={users}")).await.is(200);
    for (name, value) in [
        ("limit", "0"),
        ("limit", "201"),
        ("limit", "ten"),
        ("kind", "x"),
        ("severity", "bad"),
        ("since", "soon"),
    ] {
        let answer = device.asks(&format!("{EVENTS}?{name}={value}")).await.refused(400, "field_invalid");
        assert_eq!(answer.field("field"), name);
    }
    device.asks(&format!("{EVENTS}?limit=1&limit=2")).await.refused(400, "request_invalid");
    device.asks(&format!("{EVENTS}?kind=%ff")).await.refused(400, "request_invalid");
}

#[tokio::test]
async fn events_are_found_by_kind_severity_and_time_newest_first() {
    let world = World::new();
    let root = world.root().await;
    world.winds(1);
    let ann = world.ann().await;
    let phone = ann.logs_in().await;
    world.winds(3599);
    ann.tries_to_log_in(&phone, "not the password").await.refused(401, "credentials_invalid");
    world.winds(60);
    let device = root.logs_in().await;
    let all_of = async |path: &str| {
        let items = all(&device, path, 2).await;
        items.iter().map(|item| item["kind"].as_str().expect("a kind").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(
        all_of(EVENTS).await,
        ["session_opened", "login_failed", "session_opened", "account_created", "account_created"]
    );
    assert_eq!(all_of(&format!("{EVENTS}?severity=warning")).await, ["login_failed"]);
    assert_eq!(all_of(&format!("{EVENTS}?since=10m")).await, ["session_opened", "login_failed"]);
    assert_eq!(all_of(&format!("{EVENTS}?since=2026-07-01T13:00:30Z")).await, ["session_opened"]);
    assert_eq!(
        all_of(&format!("{EVENTS}?kind=login_failed,account_created")).await,
        ["login_failed", "account_created", "account_created"]
    );
    let anns = format!("{USERS}/{}/events", ann.id);
    assert_eq!(all_of(&anns).await, ["login_failed", "session_opened", "account_created"]);
    assert_eq!(all_of(&format!("{anns}?since=2h&kind=session_opened")).await, ["session_opened"]);
    let opened = &all(&device, &format!("{anns}?kind=session_opened"), 1).await[0];
    assert_eq!(opened["session_id"], json!(phone.session.to_string()));
    assert_eq!((&opened["severity"], &opened["ip"]), (&json!("notice"), &json!("192.0.2.10")));
}

#[tokio::test]
async fn sessions_of_others_are_listed_with_times_to_the_hour() {
    let world = World::new();
    let (root, ann) = (world.root().await, world.ann().await);
    let (mut first, second) = (ann.logs_in().await, ann.logs_in_by_cookie().await);
    world.winds(1800);
    first.turns().await;
    let device = root.logs_in().await;
    let path = format!("{USERS}/{}/sessions", ann.id);
    let sessions = all(&device, &path, 1).await;
    let ids: Vec<_> = sessions.iter().map(|session| session["id"].as_str().expect("an id")).collect();
    let mut expected = [first.session.to_string(), second.session.to_string()];
    expected.sort();
    assert_eq!(ids, expected);
    for session in &sessions {
        assert_eq!(session["last_used_at"], json!("2026-07-01T12:00:00.000Z"));
        assert_eq!(session["current"], json!(false));
    }
    second.logs_out().await.is(204);
    assert_eq!(all(&device, &path, 50).await.len(), 1, "the live ones");
}

/// Whoever holds a copy of an administrator's tokens must not learn when the owner refreshes with them.
#[tokio::test]
async fn r20_of_the_askers_own_account_the_administrators_calls_show_no_more_than_their_own_list() {
    let world = World::with(&[("journal_rotations = false", "journal_rotations = true")]);
    let root = world.root().await;
    let mut owner = root.logs_in().await;
    let mut other = root.logs_in_by_cookie().await;
    owner.turns().await;
    other.turns().await;
    let thief = owner.is_robbed();
    let own = format!("{USERS}/{}", root.id);
    let asked = async |thief: &Device<'_>| {
        let mut told = Vec::new();
        for path in [
            format!("{own}/sessions"),
            format!("{own}/events"),
            format!("{own}/events?limit=1"),
            format!("{own}/events?kind=session_rotated,foreign_retry,contested,lockstep"),
            EVENTS.to_owned(),
            format!("{EVENTS}?limit=1"),
            format!("{EVENTS}?since=1h"),
            own.clone(),
            USERS.to_owned(),
        ] {
            let mut answer = thief.asks(&path).await.is(200).json();
            if let Some(next) = answer.get_mut("next").filter(|next| !next.is_null()) {
                // Sealed anew each time; what counts is whether there is one, and how long it is.
                *next = json!(next.as_str().map(str::len));
            }
            told.push(answer);
        }
        told
    };
    let before = asked(&thief).await;
    let told = serde_json::to_string(&before).expect("JSON");
    assert!(!told.contains("session_rotated") && !told.contains("generation"), "{told}");
    owner.turns().await;
    let spent = owner.refresh.clone();
    owner.turns().await;
    other.presents(&other.refresh).await;
    thief.presents(&spent).await.is(200);
    assert!(world.journal(root.id).await.iter().any(|entry| entry.contains("session_rotated")));
    assert_eq!(asked(&thief).await, before, "nothing of it moved");

    let listed = thief.asks(SESSIONS).await.is(200).json()["sessions"].clone();
    let shown = thief.asks(&format!("{own}/sessions")).await.is(200).json()["items"].clone();
    let sorted = |value: Value| {
        let mut items = value.as_array().expect("a list").clone();
        items.sort_by_key(|item| item["id"].to_string());
        items
    };
    assert_eq!(sorted(shown), sorted(listed), "as its own list has them");

    // Another administrator is told.
    let ann = world.ann().await;
    world
        .sends(owner.bearer_call("PATCH", &format!("{USERS}/{}", ann.id)).json(&json!({ "is_admin": true })))
        .await
        .is(200);
    let anns = ann.logs_in().await;
    let told = all(&anns, &format!("{own}/events?kind=session_rotated,foreign_retry"), 200).await;
    assert!(kinds(&told).contains(&"foreign_retry") && kinds(&told).contains(&"session_rotated"));
}

/// Whoever is listed by their user name is not listed by their address again; however many of them stand in a row, a slice looks
/// at so many at most.
#[tokio::test]
async fn a_search_for_names_that_leads_to_many_who_are_listed_already_goes_on_from_slice_to_slice() {
    let world = World::new();
    let device = world.root().await.logs_in().await;
    world.meddles(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 4500) \
         insert into account (id, username, email, created_at, epoch, is_admin) \
         select cast(printf('%016d', i) as blob), printf('ann%05d', i), printf('ann%05d@example.org', i), 0, 0, 0 from n",
    );
    world.meddles(
        "insert into identity (kind, value, account_id) select 'username', username, id from account where created_at = 0 \
         union all select 'email', email, id from account where created_at = 0",
    );
    makes(&device, "zoe").await;
    let last = json!({ "username": "zora", "email": "ann99999@example.org" });
    world.sends(device.bearer_call("POST", USERS).json(&last)).await.is(201);
    let (mut found, mut after, mut is_short) = (0, String::new(), false);
    loop {
        let answer = device.asks(&format!("{USERS}?query=ann&limit=200{after}")).await.is(200).json();
        let items = answer["items"].as_array().expect("a list");
        found += items.len();
        let Some(next) = answer["next"].as_str() else { break };
        is_short |= items.len() < 200;
        after = format!("&after={next}");
    }
    assert_eq!(found, 4501, "each once, and whom only the address leads to");
    assert!(is_short, "no slice looks at all of the addresses");
}

/// However much of the journal is left out, a slice looks through a bounded part of it, and the next one goes on.
#[tokio::test]
async fn a_search_through_a_long_journal_goes_on_from_slice_to_slice() {
    let world = World::new();
    let root = world.root().await;
    let device = root.logs_in().await;
    world.meddles(
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 6000) \
         insert into event (account_id, id, at, kind, previous, hash) \
         select x'00000000000000000000000000000000', i, 1782907200000, 'login_failed', zeroblob(32), zeroblob(32) from n",
    );
    let first = device.asks(&format!("{EVENTS}?kind=account_created")).await.is(200).json();
    let mut found = first["items"].as_array().expect("a list").len();
    let mut next = first["next"].clone();
    let mut slices = 1;
    while let Some(after) = next.as_str() {
        let answer =
            device.asks(&format!("{EVENTS}?kind=account_created&after={after}")).await.is(200).json();
        found += answer["items"].as_array().expect("a list").len();
        next = answer["next"].clone();
        slices += 1;
    }
    assert_eq!(found, 1);
    assert!(slices > 1, "one slice does not look through all of it");
}

#[tokio::test]
async fn an_administrators_call_that_the_method_of_another_has_is_told_so() {
    let world = World::new();
    let device = world.root().await.logs_in().await;
    let answer = world.sends(Call::new("PUT", USERS).bearer(&device.access)).await;
    assert_eq!(answer.refused(405, "method_not_allowed").header("allow"), "GET, POST, HEAD");
    device.asks("/api/v1/admin/nothing").await.refused(404, "not_found");
}

#[tokio::test]
async fn the_report_tells_administrators_of_days_that_are_over_and_nothing_of_the_one_under_way() {
    let world = World::new();
    let (root, ann) = (world.root().await, world.ann().await);
    let mut phone = ann.logs_in().await;
    for _ in 0..3 {
        phone.turns().await;
    }
    let report = async |device: &Device<'_>, query: &str| {
        world.engine.upkeep().write_counts(false).await.expect("a store that works");
        device.asks(&format!("/api/v1/admin/report{query}")).await.is(200).json()
    };
    let device = root.logs_in().await;
    let before = report(&device, "").await;
    assert_eq!((&before["until"], &before["total"]["refreshes"]), (&json!("2026-06-30"), &json!(0)));
    phone.turns().await;
    let rows = |report: &Value| report["rows"].clone();
    assert_eq!(rows(&report(&device, "").await), rows(&before), "nothing moves with a refresh of today");
    world.winds(24 * 3600);
    let device = root.logs_in().await;
    let told = report(&device, "?since=1d&by=day").await;
    assert_eq!((&told["since"], &told["until"]), (&json!("2026-07-01"), &json!("2026-07-01")));
    assert_eq!(told["rows"][0]["refreshes"], json!(4));
    assert_eq!(told["rows"][0]["logins"], json!(2));
    for query in ["?by=hour", "?since=yesterday", "?since=2026-07-02", "?since=500d&by=day"] {
        device.asks(&format!("/api/v1/admin/report{query}")).await.refused(400, "field_invalid");
    }
    device.asks("/api/v1/admin/report?since=500d&by=month").await.is(200);
    phone.asks("/api/v1/admin/report").await.refused(401, "token_expired");
}
