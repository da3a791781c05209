//! Users who come with numbers, where new accounts get numbers here.

use serde_json::{Value, json};

use crate::given::{Folder, a_shop, lines, user};

const USERS: [&str; 4] = ["user", "import", "--from", "users.jsonl"];
const CREATE: [&str; 5] = ["user", "create", "--username", "newcomer", "--password-stdin"];

fn import(shop: &Folder, id: u64, name: &str) -> Value {
    shop.write("users.jsonl", lines(&[user(id, name)]));
    shop.import(&USERS).0
}

#[test]
fn a_floor_below_a_number_of_the_source_system_is_refused_and_a_higher_one_taken() {
    let shop = a_shop();
    assert_eq!(import(&shop, 5000, "ann")["new"], 1);
    let shop = shop.set("SPRAG_NEXT_ID", "integer").set("SPRAG_NEXT_ID_FLOOR", "5000");
    let told = shop.run_with("a long password", &CREATE).fails();
    assert!(told.contains("next-id-floor is 5000 for the profile shop"), "{told}");
    assert!(told.contains("known there by the number 5000"), "{told}");
    assert_eq!(shop.users().len(), 1, "looking needs no floor");
    let shop = shop.set("SPRAG_NEXT_ID_FLOOR", "5001");
    let made = shop.run_with("a long password", &CREATE).succeeds();
    assert!(made.contains("known as 5002 to shop"), "{made}");
}

#[test]
fn an_import_keeps_below_the_floor_whoever_runs_it_and_never_takes_a_number_that_is_given_here() {
    let shop = a_shop();
    let settings = ["--next-id", "integer", "--next-id-floor", "10000"];
    shop.run_with("a long password", &[&CREATE[..], &settings].concat()).succeeds();
    // In a shell that knows nothing of the settings.
    assert_eq!(import(&shop, 9999, "ann")["new"], 1);
    for (id, name) in [(10_000, "bob"), (10_001, "carol"), (10_002, "dora"), (77_777, "erik")] {
        let summary = import(&shop, id, name);
        assert_eq!((&summary["new"], &summary["refused"]), (&json!(0), &json!(1)), "{id}: {summary}");
        let reason =
            if id == 10_001 { "its key is that of another account" } else { "its key is not below 10000" };
        assert!(summary.to_string().contains(reason), "{id}: {summary}");
    }
    // The app's own row of the account that was made here.
    assert_eq!(import(&shop, 10_001, "newcomer")["already_there"], 1);
}
