//! A second listener, for administrators: what is theirs is there, and nowhere else.

use std::net::SocketAddr;

use rustix::process::Signal;
use serde_json::json;

use crate::SPRAG;
use crate::people::{log_in, login, refresh};
use crate::server::{Home, PASSWORD, Server, await_some};
use crate::wire::{Answer, Connection, Request};

/// Where the screen says that administrators are served.
fn administrators(server: &Server) -> SocketAddr {
    let printed = server.printed();
    let line = printed.lines().find_map(|line| line.trim().strip_prefix("for admins"));
    let address = line.and_then(|rest| rest.trim().strip_prefix("http://")?.split(' ').next()?.parse().ok());
    address.unwrap_or_else(|| panic!("the screen tells no address for administrators:\n{printed}"))
}

fn ask(address: SocketAddr, request: &Request) -> Answer {
    Connection::open(address).unwrap().ask(request).unwrap()
}

fn home_with_root() -> Home {
    let home = Home::new(SPRAG);
    let command = home.command(&["user", "create", "--username", "root", "--admin", "--password-stdin"]);
    let ran = home.run(command, PASSWORD);
    assert!(ran.status.success(), "{ran:?}");
    home
}

#[test]
fn r62_with_a_listener_of_their_own_what_is_for_administrators_is_there_and_nowhere_else() {
    let home = home_with_root();
    let mut server = home.start(&["--admin-listen", "127.0.0.1:0"]);
    let own = administrators(&server);
    assert_ne!(own, server.address());
    let pair = log_in(&mut Connection::open(own).unwrap(), "root").unwrap();
    let body = json!({ "username": "carol", "password": PASSWORD });
    let id = "01980000-0000-7000-8000-000000000002";
    let theirs = [
        (Request::get("/api/v1/admin/users"), 200),
        (Request::get("/api/v1/admin/events?limit=1"), 200),
        (Request::post("/api/v1/admin/users", &body), 201),
        (Request::post("/api/v1/auth/register", &json!({ "username": "dora", "password": PASSWORD })), 201),
        (Request::get(&format!("/api/v1/auth/admin/sessions/{id}")), 404),
        (Request::bare("DELETE", &format!("/api/v1/admin/sessions/{id}")), 404),
        (Request::get("/metrics"), 200),
    ];
    for (request, status) in theirs {
        let request = request.bearer(&pair.access);
        let told = String::from_utf8_lossy(&request.parts().0).lines().next().unwrap_or_default().to_owned();
        let public = server.ask(&request);
        assert_eq!(public.status, 404, "{told}");
        if told.contains("/api/") {
            assert_eq!(public.member("code"), "not_found", "{told}: it is not there");
        }
        assert_eq!(ask(own, &request).status, status, "{told}");
    }

    // Everybody else's calls are on both, and what one hands out is good at the other.
    let pair = log_in(&mut server.connect(), "carol").unwrap();
    assert_eq!(ask(own, &Request::get("/api/v1/auth/me").bearer(&pair.access)).status, 200);
    assert_eq!(ask(own, &refresh(&pair.refresh)).status, 200);

    assert_eq!(server.ask(&Request::get("/readyz")).json(), json!({ "status": "ready" }));
    let described = |answer: &Answer| answer.json()["paths"]["/api/v1/admin/users"].is_object();
    assert!(!described(&server.ask(&Request::get("/openapi.json"))));
    assert!(described(&ask(own, &Request::get("/openapi.json"))));
    let preflight = Request::bare("OPTIONS", "/api/v1/admin/users");
    assert_eq!(server.ask(&preflight).status, 404);

    server.signal(Signal::HUP);
    await_some(|| server.log().contains("SIGHUP").then_some(())).expect("it reads its settings again");
    assert!(server.log().contains("nothing else has changed"), "{}", server.log());
    // What is under way there is waited for, too.
    let wanted = login("root", PASSWORD).header("Expect", "100-continue");
    let (head, body) = wanted.parts();
    let mut under_way = Connection::open(own).unwrap();
    under_way.write(&head).unwrap();
    assert_eq!(under_way.receive().unwrap().status, 100);
    server.signal(Signal::TERM);
    let told = await_some(|| {
        let answer = Connection::open(own).ok()?.ask(&Request::get("/readyz")).ok()?;
        (answer.status == 503).then(|| answer.member("code"))
    });
    assert_eq!(told.as_deref(), Some("shutting_down"), "they are told why");
    under_way.write(body).unwrap();
    assert_eq!(under_way.receive().unwrap().status, 200);
    assert_eq!(server.wait().code(), Some(0), "{}", server.log());
    assert!(Connection::open(own).is_err(), "both have stopped");
}

#[test]
fn without_a_listener_of_their_own_administrators_are_served_with_everybody_else() {
    let home = home_with_root();
    let server = home.start(&[]);
    assert!(!server.printed().contains("for admins"));
    let pair = log_in(&mut server.connect(), "root").unwrap();
    assert_eq!(server.ask(&Request::get("/api/v1/admin/users").bearer(&pair.access)).status, 200);
    assert_eq!(server.ask(&Request::get("/metrics")).status, 200);
    server.stop();
}

#[test]
fn one_address_for_everybody_and_for_administrators_is_refused() {
    let home = Home::new(SPRAG);
    let command =
        home.command(&["serve", "--listen", "127.0.0.1:19091", "--admin-listen", "127.0.0.1:19091"]);
    let ran = home.run(command, "");
    assert!(!ran.status.success() && ran.stderr.contains("choose another port for admin-listen"), "{ran:?}");
}
