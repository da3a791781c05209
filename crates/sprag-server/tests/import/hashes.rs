//! Password hashes that say not all that must be known of them.

use std::fs;

use serde_json::json;

use crate::given::{a_shop, lines};

/// Firebase's own example: the README of github.com/firebase/scrypt.
const SIGNER: &str =
    "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA==";
const FIREBASE_HASH: &str =
    "lSrfV15cpx95_sZS2W9c9Kp6i_LVgQNDNC_qzrCnh1SAyZvqmZqAjTdn3aoItz-VHjoZilo78198JAdRuid5lQ==";
const PARAMETERS: &str = "rounds=8,mem_cost=14,salt_separator=Bw==";

/// By Devise 4.8.1, of "correct horse battery staple".
const PEPPER: &str = "the pepper of the house, which is as long as one that Rails makes: 9f2c4be1a07d";
const PEPPERED: &str = "$2a$04$6dQdnf6Nvk9Q67OTDesa2uJXqEX2n7QUjvIwDyOqsYSZ9s.9aJioK";

const IMPORT: [&str; 4] = ["user", "import", "--from", "users.jsonl"];

#[test]
fn users_of_firebase_log_in_with_their_passwords() {
    let shop = a_shop().set("SPRAG_FIREBASE_SIGNER_KEY", SIGNER);
    let ann = json!({ "id": "kYi4", "username": "ann", "hashed_password": FIREBASE_HASH, "salt": "42xEC-ixf3L2lw==" });
    // By way of another service, and so without a password.
    let bob = json!({ "id": "xZ1", "username": "bob", "hashed_password": null, "salt": null });
    shop.write("users.jsonl", lines(&[ann, bob]));
    let told = shop.run(&IMPORT);
    assert!(
        told.err.contains("as Firebase exports them without their salt and parameters (--firebase-scrypt)"),
        "{}",
        told.err
    );
    let firebase = [&IMPORT[..], &["--firebase-scrypt", PARAMETERS, "--map", "password_salt=salt"]].concat();
    for more in [&["--dry-run"][..], &[]] {
        let (summary, outcome) = shop.import(&[&firebase[..], more].concat());
        let counts = [&summary["changed"], &summary["no_password_there"], &summary["refused"]];
        assert_eq!(
            (outcome.code, counts),
            (0, [&json!(1), &json!(1), &json!(0)]),
            "{summary} {}",
            outcome.err
        );
    }
    let server = shop.serve();
    let login = |password: &str| server.post("/login", &json!({ "name": "ann", "password": password })).0;
    assert_eq!([login("user2password"), login("user1password"), login("user1password")], [401, 200, 200]);
}

#[test]
fn what_firebases_hashes_need_besides_is_asked_for() {
    let shop = a_shop();
    shop.write(
        "users.jsonl",
        lines(&[json!({ "id": 1, "username": "ann", "hashed_password": FIREBASE_HASH, "salt": "c2FsdA==" })]),
    );
    let told = |args: &[&str]| shop.run(&[&IMPORT[..], args].concat()).fails();
    let salt = ["--map", "password_salt=salt"];
    let misused = shop.run(&[&IMPORT[..], &["--firebase-scrypt", "8,14"]].concat()).was_misused();
    assert!(misused.contains("Password hash parameters"), "{misused}");
    assert!(
        told(&[&["--firebase-scrypt", PARAMETERS], &salt[..]].concat())
            .contains("set SPRAG_FIREBASE_SIGNER_KEY")
    );
    let shop = shop.set("SPRAG_FIREBASE_SIGNER_KEY", SIGNER);
    let told = shop.run(&[&IMPORT[..], &["--firebase-scrypt", PARAMETERS]].concat()).fails();
    assert!(told.contains("add --map password_salt=salt"), "{told}");
    assert!(!shop.path("sprag-data").exists(), "nothing is made");
}

#[test]
fn devises_pepper_is_a_setting_and_stands_in_no_store() {
    let shop = a_shop();
    shop.write("users.jsonl", lines(&[json!({ "id": 1, "username": "ann", "hashed_password": PEPPERED })]));
    let told = shop.run(&[&IMPORT[..], &["--peppered"]].concat()).fails();
    assert!(told.contains("set SPRAG_IMPORTED_PEPPER"), "{told}");
    let shop = shop.set("SPRAG_IMPORTED_PEPPER", PEPPER);
    // Forgotten at first, which nobody can see from the hash, and mended by the next run.
    shop.imports_all(&IMPORT);
    assert_eq!(shop.imports_all(&[&IMPORT[..], &["--peppered"]].concat())["changed"], 1);
    // Forgotten later on, which locked everybody out who had not logged in.
    assert_eq!(shop.imports_all(&IMPORT)["changed"], 0);
    let database = fs::read(shop.path("sprag-data/sprag.db")).unwrap();
    assert!(!database.windows(PEPPER.len()).any(|part| part == PEPPER.as_bytes()));
    let server = shop.serve();
    let login = |password: &str| server.post("/login", &json!({ "name": "ann", "password": password })).0;
    let right = "correct horse battery staple";
    assert_eq!([login("correct horse battery stable"), login(right), login(right)], [401, 200, 200]);
}

#[test]
fn users_of_better_auth_lucia_and_asp_net_were_taken_without_a_password() {
    let shop = a_shop();
    let hashes = [
        (
            "ann",
            "correct horse battery staple",
            "d226657ece6fc3c44219e6c77877a349:3c15e8133cf74190fa691991c3554bc838cd70d60b6ef089c623b70ed024a7acbc75bee1266a2fb8a46eafaccb92b859647b764f7e55451b00d78de272576f09",
        ),
        (
            "bob",
            "correct horse battery staple",
            "s2:7c400f38a579d0ed86117af1166ddc6a:cbdba6df9575d0160cea4c2ffa4dd45c2e7d49efa0614bfd109eb6dd270f08d0ac60ebf0c26f000a6a5f09d3e9a402a9e67dcca1b7a6ce54fbca6962f7151e16",
        ),
        (
            "cy",
            "my password",
            "AQAAAAEAACcQAAAAEAABAgMEBQYHCAkKCwwNDg+yWU7rLgUwPZb1Itsmra7cbxw2EFpwpVFIEtP+JIuUEw==",
        ),
        (
            "dora",
            "correct horse battery staple",
            "$argon2id$v=19$m=64,p=1,t=2,data=YSB0ZW5hbnQ$iRqqNGZAjPLKo+rv7yupwg$b5aHqOJZaxU+IwLj+yNtzWcBc2Ewo283hGrWlxvHTxQ",
        ),
    ];
    let users: Vec<_> = hashes
        .iter()
        .enumerate()
        .map(|(id, (name, _, hash))| json!({ "id": id, "username": name, "hashed_password": hash }))
        .collect();
    shop.write("users.jsonl", lines(&users));
    let summary = shop.imports_all(&IMPORT);
    assert_eq!((&summary["new"], &summary["without_password"]), (&json!(4), &json!(0)), "{summary}");
    let server = shop.serve();
    for (name, password, _) in hashes {
        for (password, expected) in [("another one", 401), (password, 200), (password, 200)] {
            assert_eq!(
                server.post("/login", &json!({ "name": name, "password": password })).0,
                expected,
                "{name}"
            );
        }
    }
}
