//! Letters over a real mail server: each arrives at least once, under one id, also where the server is killed among them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use rcgen::CertifiedKey;
use serde_json::json;

use crate::SPRAG;
use crate::mail_server::{self, MailServer, Tls, header};
use crate::secrecy::find_nothing;
use crate::server::{Home, PASSWORD, await_some};
use crate::wire::Request;

/// How long everything may take in all, on a machine that is busy: a letter that was being sent is due again after a minute.
const PATIENCE: Duration = Duration::from_secs(300);

fn forget(address: &str) -> Request {
    Request::post("/api/v1/auth/password/forgot", &json!({ "email": address }))
        .header("accept-language", "fr")
}

fn create(home: &Home, name: &str, address: &str) {
    let args = ["user", "create", "--create", "--username", name, "--email", address, "--password-stdin"];
    let ran = home.run(home.command(&args), PASSWORD);
    assert!(ran.status.success(), "{ran:?}");
}

#[test]
fn a_letter_reaches_a_real_mail_server_with_good_manners() {
    let mail = MailServer::start("0");
    let home = Home::new(SPRAG);
    create(&home, "ann", "ann@example.org");
    let server = home.start(&["--mail-url", &mail.url(), "--service-name", "Exämple"]);
    assert_eq!(server.ask(&forget("ann@example.org")).status, 202);
    let letter = await_some(|| mail.taken().pop()).expect("it arrives");
    assert_eq!(header(&letter, "Auto-Submitted"), "auto-generated");
    assert_eq!(header(&letter, "To"), "ann@example.org");
    assert!(header(&letter, "Message-ID").starts_with('<'), "{letter}");
    assert!(!header(&letter, "Date").is_empty());
    let (text, html) = (letter.find("text/plain").unwrap(), letter.find("text/html").unwrap());
    assert!(text < html, "text first");
    let whole = letter.replace("=\r\n", "").replace("=\n", "");
    assert!(whole.contains("spo_") && whole.contains("Choisir un nouveau mot de passe"), "{letter}");
    let listed = home.run(home.command(&["mail", "list", "--json"]), "");
    assert!(listed.status.success(), "{listed:?}");
    server.stop();
}

#[test]
fn what_a_mail_server_refuses_for_good_is_given_up_told_and_tried_again_where_somebody_asks() {
    let mail = MailServer::start("0");
    let home = Home::new(SPRAG);
    create(&home, "bob", "gone@example.org");
    let server = home.start(&["--mail-url", &mail.url()]);
    assert_eq!(server.ask(&forget("gone@example.org")).status, 202);
    let told = await_some(|| server.log().contains("nobody tries any more").then(|| server.log()));
    let told = told.expect("it is told");
    assert!(told.contains("550") && told.contains("sprag mail retry"), "{told}");
    let listed = home.run(home.command(&["mail", "list", "--json"]), "");
    let listed = format!("{listed:?}");
    assert!(listed.contains("given up") && listed.contains("550"), "{listed}");
    let again = home.run(home.command(&["mail", "retry", "--all"]), "");
    assert!(again.status.success(), "{again:?}");
    server.stop();
    let tried = home.run(home.command(&["mail", "test", "ann@example.org", "--mail-url", &mail.url()]), "");
    assert!(tried.status.success(), "{tried:?}");
    let refused =
        home.run(home.command(&["mail", "test", "gone@example.org", "--mail-url", &mail.url()]), "");
    assert!(!refused.status.success() && format!("{refused:?}").contains("550"), "{refused:?}");
}

#[test]
fn killed_in_the_middle_of_a_thousand_letters_none_is_lost_and_each_has_one_id() {
    const LETTERS: usize = 1000;
    const AT_ONCE: usize = 20;
    let mail = MailServer::start("0.04");
    let home = Home::new(SPRAG);
    create(&home, "ann", "ann@example.org");
    let flags = ["--mail-url", &mail.url()];
    let server = home.start(&flags);
    // Each is put off by a random tenth of a second, so that many ask at a time.
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let mut connection = server.connect();
                for _ in 0..LETTERS / AT_ONCE {
                    assert_eq!(connection.ask(&forget("ann@example.org")).unwrap().status, 202);
                }
            });
        }
    });
    let before = mail.taken().len();
    assert!(before > 0, "letters are on their way already, so that it is in the middle of them");
    assert!(before < LETTERS, "letters wait still");
    server.kill();
    let server = home.start(&flags);
    let begun = Instant::now();
    let taken = loop {
        let taken = mail.taken();
        let ids: BTreeSet<String> = taken.iter().map(|letter| header(letter, "Message-ID")).collect();
        assert!(ids.len() <= LETTERS, "each letter has one id");
        if ids.len() == LETTERS {
            break taken.len();
        }
        assert!(begun.elapsed() < PATIENCE, "{} of {LETTERS} have arrived", ids.len());
        sleep(Duration::from_millis(200));
    };
    eprintln!("{before} before the kill, {taken} in all");
    server.stop();
}

#[test]
fn letters_go_by_tls_from_the_beginning_or_after_starttls_with_a_password_and_to_no_impostor() {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let both = folder.path().join("both.pem");
    fs::write(&both, [cert.pem(), signing_key.serialize_pem()].concat()).unwrap();
    let roots = folder.path().join("roots.pem");
    fs::write(&roots, cert.pem()).unwrap();
    let home = Home::new(SPRAG);
    create(&home, "ann", "ann@example.org");
    let test = |url: &str, roots: Option<&Path>| {
        let mut command = home.command(&["mail", "test", "ann@example.org"]);
        command.env("SPRAG_MAIL_URL", url);
        if let Some(roots) = roots {
            command.env("SSL_CERT_FILE", roots);
        }
        home.run(command, "")
    };
    for (scheme, tls) in [("smtps", Tls::Implicit(&both)), ("smtp", Tls::Starttls(&both))] {
        let mail = MailServer::start_with("0", tls);
        let url =
            |password: &str| format!("{scheme}://{}:{password}@localhost:{}", mail_server::USER, mail.port());
        let sent = test(&url("p%40ss%3Aword%2F1"), Some(&roots));
        assert!(sent.status.success(), "{scheme}: {sent:?}");
        assert_eq!(header(&mail.taken()[0], "To"), "ann@example.org");
        let refused = test(&url("wrong"), Some(&roots));
        assert!(!refused.status.success() && refused.stderr.contains("535"), "{scheme}: {refused:?}");
        assert!(!refused.stderr.contains("wrong@") && !refused.stderr.contains(":wrong"), "{refused:?}");
        let impostor = test(&url("p%40ss%3Aword%2F1"), None);
        assert!(
            !impostor.status.success() && impostor.stderr.contains("certificate"),
            "{scheme}: {impostor:?}"
        );
        assert_eq!(mail.taken().len(), 1, "neither was sent");
    }
}

#[test]
fn names_and_addresses_write_no_header_of_their_own() {
    let mail = MailServer::start("0");
    let home = Home::new(SPRAG);
    let names = ["<b>eve</b> =?utf-8?q?x?=", "{{ 7 * 7 }} {% raw %}", "eve, Bcc: x"];
    let addresses = ["o'eve+a=b@example.org", "e.v.e@example.org", "eve=3f@example.org"];
    for (name, address) in names.into_iter().zip(addresses) {
        create(&home, name, address);
    }
    for (name, address) in
        [("eve2\r\nBcc: a@example.org", "x@example.org"), ("eve3", "a@example.org\r\nBcc: b@example.org")]
    {
        let args = ["user", "create", "--username", name, "--email", address, "--password-stdin"];
        let ran = home.run(home.command(&args), PASSWORD);
        assert!(!ran.status.success(), "a line's end is in no name: {ran:?}");
    }
    let server = home.start(&["--mail-url", &mail.url(), "--service-name", "Bcc: x@example.org"]);
    for address in addresses {
        assert_eq!(server.ask(&forget(address)).status, 202);
    }
    let all = || Some(mail.taken()).filter(|taken| taken.len() >= addresses.len());
    let letters = await_some(all).expect("they arrive");
    for letter in letters {
        let (head, body) = letter.split_once("\r\n\r\n").or(letter.split_once("\n\n")).unwrap();
        let fields: Vec<&str> = head.lines().filter(|line| !line.starts_with([' ', '\t'])).collect();
        assert!(!fields.iter().any(|line| line.to_lowercase().starts_with("bcc")), "{head}");
        for field in ["to:", "from:", "subject:", "message-id:"] {
            assert_eq!(
                fields.iter().filter(|line| line.to_lowercase().starts_with(field)).count(),
                1,
                "{head}"
            );
        }
        assert!(!body.contains("49 "), "a name is no template: {body}");
    }
    server.stop();
}

#[test]
fn r52_no_link_of_a_letter_is_in_the_log_or_on_the_disk() {
    let folder = tempfile::tempdir().unwrap();
    let way = format!("folder:{}", folder.path().display());
    let home = Home::new(SPRAG);
    create(&home, "ann", "ann@example.org");
    // Nobody listens there: the letter waits, sealed.
    let waiting = home.start(&["--mail-url", "smtp://127.0.0.1:9", "--log", "trace"]);
    assert_eq!(waiting.ask(&forget("ann@example.org")).status, 202);
    await_some(|| waiting.log().contains("is tried again").then_some(())).expect("it is tried");
    waiting.stop();
    let server = home.start(&["--mail-url", &way, "--log", "trace"]);
    assert_eq!(server.ask(&forget("ann@example.org")).status, 202);
    let letters = await_some(|| Some(letters_in(folder.path())).filter(|found| !found.is_empty())).unwrap();
    let secrets: Vec<_> = letters
        .iter()
        .flat_map(|letter| {
            let token = token_in(letter);
            let tail = token.as_bytes()[token.len() - 60..].to_vec();
            [("link", token.into_bytes()), ("tail of a link", tail)]
        })
        .collect();
    find_nothing(&home, &secrets);
    let reset =
        json!({ "token": String::from_utf8_lossy(&secrets[0].1), "new_password": "another good password" });
    assert_eq!(server.ask(&Request::post("/api/v1/auth/password/reset", &reset)).status, 204);
    server.stop();
    find_nothing(&home, &secrets);
    for entry in fs::read_dir(folder.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "a link is as good as a password");
    }
}

#[test]
fn where_letters_are_off_the_start_and_readiness_say_so() {
    let home = Home::new(SPRAG);
    create(&home, "ann", "ann@example.org");
    let server = home.start(&["--public-url", "https://auth.example.org"]);
    assert!(server.log().contains("letters are off"), "{}", server.log());
    let ready = server.ask(&Request::get("/readyz"));
    assert_eq!(ready.status, 200);
    assert!(ready.member("letters").contains("SPRAG_MAIL_URL"), "{ready:?}");
    assert_eq!(server.ask(&forget("ann@example.org")).status, 202, "it is answered as ever");
    let listed = home.run(home.command(&["mail", "list"]), "");
    assert!(listed.stderr.contains("no letter") || listed.stdout.contains("no letter"), "{listed:?}");
    server.stop();
    let server = home.start(&[]);
    assert_eq!(server.ask(&Request::get("/readyz")).member("letters"), "");
    assert_eq!(server.ask(&forget("ann@example.org")).status, 202);
    let link =
        await_some(|| server.log().contains("spo_").then(|| server.log())).expect("the log shows the link");
    assert!(link.contains("a letter to ann@example.org"), "{link}");
    server.stop();
}

fn letters_in(folder: &Path) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let whole = files.filter(|path| path.extension().is_some_and(|end| end == "eml"));
    whole.map(|path| fs::read_to_string(path).unwrap()).collect()
}

/// The token in the link of a letter.
fn token_in(letter: &str) -> String {
    let text = letter.replace("=\r\n", "");
    let (_, rest) = text.split_once("spo_").unwrap();
    format!("spo_{}", &rest[..111])
}
