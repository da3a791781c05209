//! Webhooks, told to a system of other people's make: signed as the standard wants it, once and again, and to nobody inside.

use std::collections::BTreeSet;

use crate::SPRAG;
use crate::people::{log_in, login};
use crate::receiver::{Receiver, SECRET};
use crate::server::{Home, Ran, await_some};

fn environment<'a>(webhooks: &'a str, networks: &'a str) -> [(&'a str, &'a str); 3] {
    [("SPRAG_WEBHOOKS", webhooks), ("SPRAG_WEBHOOK_SECRET", SECRET), ("SPRAG_HOOK_NETWORKS", networks)]
}

fn run(home: &Home, environment: &[(&str, &str)], args: &[&str]) -> Ran {
    let mut command = home.command(args);
    command.envs(environment.iter().copied());
    home.run(command, "")
}

#[test]
fn an_event_reaches_another_system_which_verifies_it() {
    let receiver = Receiver::start();
    let home = Home::new(SPRAG);
    home.create_user("ann");
    let webhooks = format!("{} all", receiver.url());
    let settings = environment(&webhooks, "127.0.0.1");
    let server = home.start_with(&[], &settings);
    log_in(&mut server.connect(), "ann").unwrap();
    let told = await_some(|| receiver.told_of("session_opened").pop()).expect("it is told");
    let (id, event) = told;
    assert!(id.starts_with("msg_") && id.len() == 36, "{id}");
    assert!(event["timestamp"].as_str().unwrap().ends_with('Z'), "{event}");
    assert_eq!(event["data"]["ip"], "127.0.0.1");
    assert_eq!(event["data"]["severity"], "notice");
    assert_eq!(event["data"]["account_id"].as_str().unwrap().len(), 36);
    assert!(event["data"]["session_id"].is_string(), "{event}");
    let tested = run(&home, &settings, &["webhook", "test"]);
    assert!(tested.status.success() && tested.stdout.contains("has taken it"), "{tested:?}");
    assert_eq!(receiver.told_of("test").len(), 1);
    let listed = run(&home, &settings, &["webhook", "list"]);
    assert!(listed.stdout.contains("sent"), "{listed:?}");
    server.stop();
}

#[test]
fn what_is_not_taken_waits_is_given_up_and_is_told_again_where_somebody_asks() {
    let receiver = Receiver::start();
    let home = Home::new(SPRAG);
    home.create_user("ann");
    let webhooks = format!("{} session_opened login_failed", receiver.url());
    let settings = environment(&webhooks, "127.0.0.1");
    receiver.answers("503 busy");
    let server = home.start_with(&[], &settings);
    log_in(&mut server.connect(), "ann").unwrap();
    let first = await_some(|| receiver.told().pop()).expect("it is tried").0;
    let listed = await_some(|| {
        let listed = run(&home, &settings, &["webhook", "list", "--json"]).stdout;
        listed.contains("answers 503").then_some(listed)
    });
    assert!(listed.expect("it is noted").contains("waiting"));
    receiver.answers("410 ");
    assert_eq!(server.ask(&login("ann", "a wrong password")).status, 401);
    let told = await_some(|| server.log().contains("nobody tries any more").then(|| server.log()));
    let told = told.expect("it is told");
    assert!(told.contains("410") && told.contains("sprag webhook replay"), "{told}");
    let gone = receiver.told_of("login_failed").pop().unwrap().0;
    receiver.answers("200 ");
    let again = run(&home, &settings, &["webhook", "replay", "--all"]);
    assert!(again.stdout.contains("one message is tried again"), "{again:?}");
    let ids = await_some(|| Some(receiver.told_of("login_failed")).filter(|told| told.len() == 2)).unwrap();
    assert!(ids.iter().all(|(id, _)| *id == gone), "under the id that it had: {ids:?}");
    let replayed = run(&home, &settings, &["webhook", "replay", "--since", "1h"]);
    assert!(replayed.stdout.starts_with("2 messages"), "{replayed:?}");
    let ids = || receiver.told().into_iter().map(|(id, _)| id).collect::<BTreeSet<String>>();
    let all = await_some(|| Some(ids()).filter(|ids| ids.len() == 4)).expect("each under a new id");
    assert!(all.contains(&first) && all.contains(&gone));
    let audit = run(&home, &settings, &["audit", "list"]);
    assert!(audit.stdout.contains("webhook_refused"), "{audit:?}");
    server.stop();
    home.verify_journal();
}

#[test]
fn nothing_inside_is_reached_unless_it_is_named_and_no_redirect_is_followed() {
    let receiver = Receiver::start();
    let home = Home::new(SPRAG);
    home.create_user("ann");
    let webhooks = format!("{} all", receiver.url());
    for (host, networks) in
        [("127.0.0.1", "10.0.0.0/8"), ("localhost", "10.0.0.0/8"), ("127.1", "192.168.0.1")]
    {
        let webhooks = webhooks.replace("127.0.0.1", host);
        let refused = run(&home, &environment(&webhooks, networks), &["webhook", "test"]);
        assert!(
            !refused.status.success() && refused.stdout.contains("no public address"),
            "{host}: {refused:?}"
        );
    }
    assert!(receiver.told().is_empty());
    receiver.answers("307 http://127.0.0.1:1/");
    let redirected = run(&home, &environment(&webhooks, "127.0.0.1"), &["webhook", "test"]);
    assert!(!redirected.status.success() && redirected.stdout.contains("no redirect"), "{redirected:?}");
}

#[test]
fn of_many_events_none_is_lost_where_the_server_is_killed_among_them() {
    const EVENTS: usize = 100;
    let receiver = Receiver::start();
    let home = Home::new(SPRAG);
    home.create_user("ann");
    let webhooks = format!("{} login_failed session_opened", receiver.url());
    let settings = environment(&webhooks, "127.0.0.1");
    let server = home.start_with(&[], &settings);
    let mut connection = server.connect();
    for _ in 0..EVENTS {
        log_in(&mut connection, "ann").unwrap();
    }
    server.kill();
    let server = home.start_with(&[], &settings);
    let ids = || receiver.told().into_iter().map(|(id, _)| id).collect::<BTreeSet<String>>();
    let mut found = ids().len();
    // What was being sent at the kill is due again after a minute.
    for _ in 0..12 {
        await_some(|| (ids().len() == EVENTS).then_some(()));
        found = ids().len();
        if found == EVENTS {
            break;
        }
    }
    assert_eq!(found, EVENTS, "each arrived, under one id");
    server.stop();
}
