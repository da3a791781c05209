//! Links that lead to an app's own pages: those of every kind of letter that has one, by a setting each.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection as Database;
use serde_json::{Value, json};

use crate::SPRAG;
use crate::people::{Pair, login};
use crate::server::{Home, PASSWORD, Server, await_some};
use crate::wire::Request;

const AUTH: &str = "/api/v1/auth";
const NEW: &str = "another good password";

/// The pages, each set by `links-` and its name.
const PAGES: [&str; 8] = ["verify", "reset", "invite", "email", "undo", "code", "not-me", "delete"];

#[test]
fn the_link_of_every_kind_of_letter_leads_to_the_page_that_its_setting_names() {
    let letters = tempfile::tempdir().unwrap();
    let home = Home::new(SPRAG);
    for (name, flag) in [("ann", None), ("root", Some("--admin"))] {
        let email = format!("{name}@example.org");
        let args = ["user", "create", "--username", name, "--email", &email, "--password-stdin"];
        let ran = home.run(home.command(&[&args[..], flag.as_slice()].concat()), PASSWORD);
        assert!(ran.status.success(), "{ran:?}");
    }
    let mut flags = vec!["--mail-url".to_owned(), format!("folder:{}", letters.path().display())];
    for page in PAGES {
        flags.extend([format!("--links-{page}"), format!("https://app.example.org/{page}#{{token}}")]);
    }
    flags.extend(["--registration", "open", "--email-confirmation", "asked"].map(str::to_owned));
    flags.extend(["--offers", "send_code,login_by_code"].map(str::to_owned));
    let server = home.start(&flags.iter().map(String::as_str).collect::<Vec<_>>());

    let says = |path: &str, body: Value| Request::post(&format!("{AUTH}{path}"), &body);
    let bob = json!({ "username": "bob", "email": "bob@example.org", "password": PASSWORD });
    asks(&server, &says("/register", bob), 201);
    asks(&server, &says("/password/forgot", json!({ "email": "ann@example.org" })), 202);
    asks(&server, &says("/code", json!({ "email": "ann@example.org" })), 202);
    let root = Pair::of(&server.ask(&login("root", PASSWORD)));
    let invitation = json!({ "email": "carol@example.org" });
    asks(&server, &says("/invites", invitation).bearer(&root.access), 201);
    let ann = Pair::of(&server.ask(&login("ann", PASSWORD)));
    asks(&server, &says("/email", json!({ "email": "ann@new.example" })).bearer(&ann.access), 202);
    let confirmation = await_some(|| links_in(letters.path()).remove("email")).expect("a letter");
    asks(&server, &says("/email/confirm", json!({ "token": confirmation })), 204);
    let change = json!({ "current_password": PASSWORD, "new_password": NEW });
    let ann = Pair::of(&server.ask(&says("/password", change).bearer(&ann.access)));
    asks(&server, &Request::bare("DELETE", &format!("{AUTH}/me")).bearer(&ann.access), 202);

    // What tells of the new password waits a minute for more of it; here it is due at once.
    let database = Database::open(home.data().join("sprag.db")).unwrap();
    database.busy_timeout(Duration::from_secs(5)).unwrap();
    database.execute("update outbox set due_at = 1 where due_at is not null and attempts = 0", []).unwrap();
    let all = || Some(links_in(letters.path())).filter(|links| links.len() == PAGES.len());
    let links = await_some(all).unwrap_or_else(|| panic!("only {:?}", links_in(letters.path())));
    for page in PAGES {
        assert!(links.contains_key(page), "{page}: {links:?}");
        assert!(links[page].starts_with("spo_") && links[page].len() == 115, "{page}: {links:?}");
    }
    server.stop();
}

fn asks(server: &Server, request: &Request, status: u16) {
    let answer = server.ask(request);
    assert_eq!(answer.status, status, "{}", String::from_utf8_lossy(&answer.body));
}

/// The token behind each page that letters of a folder lead to; none leads elsewhere.
fn links_in(folder: &Path) -> BTreeMap<String, String> {
    let mut links = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|end| end != "eml") {
            continue;
        }
        let text = fs::read_to_string(path).unwrap().replace("=\r\n", "").replace("=3D", "=");
        assert!(!text.contains("?token="), "{text}");
        let Some((_, rest)) = text.split_once("https://app.example.org/") else { continue };
        let (page, token) = rest.split_once('#').unwrap();
        links.insert(page.to_owned(), token[..115].to_owned());
    }
    links
}
