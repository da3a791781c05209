//! What a server refuses to start with: it leaves at once, with a sentence that names the place.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::SPRAG;
use crate::server::{Home, Ran};

/// What `sprag serve` says and with what it leaves, in this environment.
fn refused(home: &Home, environment: &[(&str, &str)]) -> Ran {
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0"]);
    command.envs(environment.iter().copied());
    let ran = home.run(command, "");
    assert!(!ran.status.success(), "it should not have started: {ran:?}");
    assert_eq!(ran.stderr.matches("sprag: ").count(), 1, "one sentence: {}", ran.stderr);
    assert!(!ran.stdout.contains("listening"), "{}", ran.stdout);
    assert!(!home.data().exists(), "nothing is made by a server that refuses to start");
    ran
}

#[test]
fn r27_a_weak_secret_is_refused_and_not_repeated() {
    for weak in [
        "your-super-secret-key-change-this",
        "tiny-secret-of-ours",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    ] {
        let environment = [("SPRAG_SIGNING_ALGORITHM", "HS256"), ("SPRAG_HS256_SECRET", weak)];
        let ran = refused(&Home::new(SPRAG), &environment);
        assert!(ran.stderr.contains("SPRAG_HS256_SECRET"), "{}", ran.stderr);
        assert!(!ran.stderr.contains(weak), "{}", ran.stderr);
    }
}

#[test]
fn r61_a_variable_that_is_no_settings_is_refused_with_the_likely_one() {
    let ran = refused(&Home::new(SPRAG), &[("SPRAG_REUSE_INTERVALL", "10s")]);
    assert!(ran.stderr.contains("SPRAG_REUSE_INTERVALL"), "{}", ran.stderr);
    assert!(ran.stderr.contains("SPRAG_REUSE_INTERVAL?"), "{}", ran.stderr);
}

#[test]
fn r61_a_key_that_is_no_settings_is_refused_with_its_line() {
    let home = Home::new(SPRAG);
    fs::write(home.path().join("sprag.toml"), "# ours\nthreads = 2\nreuse_intervall = \"10s\"\n").unwrap();
    let ran = refused(&home, &[]);
    assert!(ran.stderr.contains("sprag.toml line 3"), "{}", ran.stderr);
}

#[test]
fn r61_a_window_that_is_too_long_is_refused_wherever_it_stands() {
    let home = Home::new(SPRAG);
    fs::write(home.path().join(".env"), "SPRAG_REUSE_INTERVAL=301s\n").unwrap();
    let ran = refused(&home, &[]);
    assert!(ran.stderr.contains(".env line 1"), "{}", ran.stderr);
}

/// The lines that npm's dotenv and python-dotenv take without a word, and the one that they read differently.
#[test]
fn an_old_dotenv_stops_no_start_unless_a_variable_of_ours_is_in_doubt() {
    const OTHERS: &str = "EMAIL_PASS=abcd efgh ijkl mnop\nAPP_NAME=My App\nAP=it's\nCRON=*/5 * * * *\n\
        JSON={\"a\": \"b c\"}\nB=`a b`\nFROM=\"Acme\" <a@b.c>\nOTHER_SECRET=a#b'c\\d$e\n";
    const SECRET: &str = "q8Zr2mWx7LtB4v#c9KdJ1sYf6HgP3aUe'Vb'x2";
    let home = Home::new(SPRAG);
    write_profile(&home, "shop", 1001, "admin", "JWT_SECRET");
    let profiles = [("SPRAG_PROFILES", "./shop.toml")];
    let write = |line: &str| {
        let dotenv = home.path().join(".env");
        fs::write(&dotenv, format!("{OTHERS}{line}\n")).unwrap();
        // With a secret in it, others may not read it.
        fs::set_permissions(dotenv, Permissions::from_mode(0o600)).unwrap();
    };

    write(&format!("JWT_SECRET={SECRET}"));
    let ran = refused(&home, &profiles);
    assert!(ran.stderr.contains("JWT_SECRET in .env line 9: there is a # in it"), "{}", ran.stderr);
    assert!(ran.stderr.contains("into double quotes") && !ran.stderr.contains("q8Zr"), "{}", ran.stderr);

    write(&format!("JWT_SECRET=\"{SECRET}\""));
    let server = home.start_with(&[], &profiles);
    assert!(!server.log().contains(".env"), "{}", server.log());
    server.stop();

    write(&format!("OPEN='hunter2\nJWT_SECRET=\"{SECRET}\""));
    let server = home.start_with(&[], &profiles);
    let log = server.log();
    assert!(log.contains("WARN") && log.contains(".env line 9 is not NAME=value"), "{log}");
    assert!(!log.contains("hunter2") && !log.contains("JWT_SECRET is not set"), "{log}");
    server.stop();
}

#[test]
fn a_key_ring_that_others_can_read_is_refused_with_the_way_out() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new(SPRAG);
    home.start(&[]).stop();
    let ring = home.data().join("keys.json");
    fs::set_permissions(&ring, fs::Permissions::from_mode(0o644)).unwrap();
    let ran = home.run(home.command(&["serve", "--listen", "127.0.0.1:0"]), "");
    assert!(!ran.status.success());
    assert!(ran.stderr.contains("chmod 600"), "{}", ran.stderr);
}

#[test]
fn two_secrets_that_differ_are_refused_with_what_settles_it() {
    let secrets = [
        ("JWT_SECRET_KEY", "q8Zr2mWx7LtB4vNc9KdJ1sYf6HgP3aUe"),
        ("JWT_SECRET", "hY+0T3b1kq/QWm4s9Zx2vN8jD6cR5uPfEgLaVoXiKtA="),
    ];
    let profiles = ("SPRAG_PROFILES", "./first.toml,./second.toml");
    let home = Home::new(SPRAG);
    for (profile, id, variable) in [("first", 1001, secrets[0].0), ("second", 1002, secrets[1].0)] {
        write_profile(&home, profile, id, "admin", variable);
    }
    let ran = refused(&home, &[profiles, secrets[0], secrets[1]]);
    let way_out = "set SPRAG_HS256_SECRET to say which holds, and SPRAG_SIGNING_ALGORITHM=HS256 beside it";
    assert!(ran.stderr.contains(way_out), "{}", ran.stderr);
    assert!(secrets.iter().all(|(_, secret)| !ran.stderr.contains(secret)), "{}", ran.stderr);
    let settled = [("SPRAG_HS256_SECRET", secrets[0].1), ("SPRAG_SIGNING_ALGORITHM", "HS256")];
    home.start_with(&[], &[&[profiles, secrets[0], secrets[1]], &settled[..]].concat()).stop();
}

#[test]
fn a_start_warns_of_a_secret_that_the_old_apis_need_and_of_doors_that_stand_open() {
    let home = Home::new(SPRAG);
    write_profile(&home, "shop", 1001, "open", "SHOP_SECRET");
    let started = |environment: &[(&str, &str)]| {
        let server = home.start_with(&["--profiles", "sprag,./shop.toml"], environment);
        let log = server.log();
        server.stop();
        log
    };
    let needs_secret =
        "SHOP_SECRET is not set, and APIs that verify access tokens with that secret would refuse";
    let log = started(&[]);
    assert!(log.contains(needs_secret), "{log}");
    assert!(
        log.contains("anybody may register at the profile shop, and accounts are shared between profiles"),
        "{log}"
    );
    let given = started(&[("SHOP_SECRET", "q8Zr2mWx7LtB4vNc9KdJ1sYf6HgP3aUe")]);
    assert!(!given.contains(needs_secret), "{given}");
    let chosen = started(&[("SPRAG_SIGNING_ALGORITHM", "EdDSA")]);
    assert!(!chosen.contains(needs_secret), "{chosen}");
    let ours = home.start(&[]);
    assert!(!ours.log().contains("anybody may register"), "{}", ours.log());
    ours.stop();
}

#[test]
fn the_first_screen_logs_in_as_the_profile_does() {
    let home = Home::new(SPRAG);
    write_profile(&home, "shop", 1001, "open", "SHOP_SECRET");
    let shop = home.start(&["--profiles", "./shop.toml"]);
    let printed = shop.printed();
    assert!(printed.contains("sprag user create --email ann@example.org --password-stdin\n"), "{printed}");
    let typed = r#"--json '{"mail":"ann@example.org","secret":"a long password"}'"#;
    assert!(printed.contains(&format!("curl http://{}/shop/login {typed}\n", shop.address())), "{printed}");
    shop.stop();
    let ours = home.start(&[]);
    let printed = ours.printed();
    assert!(printed.contains("sprag user create --username ann --password-stdin\n"), "{printed}");
    assert!(printed.contains(r#"--json '{"username":"ann","password":"a long password"}'"#), "{printed}");
    ours.stop();
}

/// A profile of somebody else's, with its own name for the secret that tokens are signed with.
fn write_profile(home: &Home, name: &str, id: u16, registration: &str, variable: &str) {
    let profile = format!(
        r#"id = {id}
about = "{name}"
registration = "{registration}"
[[route]]
on = "POST /{name}/login"
does = "login"
takes = {{ mail = "$email", secret = "$password" }}
gives = {{ token = "$access_token", refresh = "$refresh_token" }}
[[route]]
on = "POST /{name}/refresh"
does = "refresh"
gives = {{ token = "$access_token", refresh = "$refresh_token" }}
[[route]]
on = "POST /{name}/register"
does = "register"
takes = {{ mail = "$email", secret = "$password" }}
gives = {{}}
[environment]
{variable} = "hs256-secret"
"#
    );
    fs::write(home.path().join(format!("{name}.toml")), profile).unwrap();
}
