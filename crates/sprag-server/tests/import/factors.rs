//! Second factors beside users.

use serde_json::json;

use crate::given::{HASH, PASSWORD, a_shop, lines};

const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
const IMPORT: [&str; 10] = [
    "user",
    "import",
    "--from",
    "users.jsonl",
    "--map",
    "totp_secret=otp",
    "--map",
    "totp_is_active=otp_on",
    "--map",
    "recovery_codes=backup",
];

#[test]
fn factors_come_beside_users_and_one_that_cannot_be_taken_keeps_its_user_out() {
    let shop = a_shop();
    let sha256 = "7d865e959b2466918c9863afca942d0fb89d7c9ac0c99bafc3749504ded97730";
    let user = |id: u64, name: &str, otp: &str, is_on: bool| {
        json!({
            "id": id, "username": name, "hashed_password": HASH, "otp": otp, "otp_on": is_on, "backup": [sha256],
        })
    };
    let users = [
        user(1, "ann", SECRET, true),
        user(2, "bob", "", false),
        user(3, "carol", SECRET, false),
        user(4, "dave", "not base32!", true),
    ];
    shop.write("users.jsonl", lines(&users));
    for more in [&["--dry-run"][..], &[]] {
        let (summary, outcome) = shop.import(&[&IMPORT[..], more].concat());
        assert_eq!((&summary["new"], &summary["refused"]), (&json!(3), &json!(1)), "{summary}");
        assert!(outcome.err.contains("its totp_secret is no seed"), "{}", outcome.err);
        assert!(!outcome.err.contains("not base32!"), "{}", outcome.err);
        assert!(
            outcome.err.contains("no call of the profile"),
            "nothing here takes a factor: {}",
            outcome.err
        );
    }
    let server = shop.serve();
    let login = |name: &str| server.post("/login", &json!({ "name": name, "password": PASSWORD }));
    assert_eq!(["ann", "bob", "carol", "dave"].map(|name| login(name).0), [401, 200, 200, 401]);
    assert_eq!(login("ann").1["code"], "second_factor_required");
    let told = login("ann").1["detail"].as_str().unwrap_or_default().to_owned();
    assert!(told.contains("nothing takes one here"), "{told}");
}

#[test]
fn a_column_of_factors_takes_no_question_mark() {
    let shop = a_shop();
    shop.write("users.jsonl", lines(&[json!({ "id": 1, "username": "ann", "hashed_password": HASH })]));
    let told = |map: &str| shop.run(&["user", "import", "--from", "users.jsonl", "--map", map]).was_misused();
    assert!(told("totp_secret=otp?").contains("without their second factor"));
    let told = shop.run(&["user", "import", "--from", "users.jsonl", "--map", "recovery_codes=backup"]);
    assert!(told.fails().contains("totp_secret"));
}
