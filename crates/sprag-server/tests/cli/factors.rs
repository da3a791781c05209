//! `sprag user factors` and `sprag user reset-factors`.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::given::an_empty_folder;

const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

#[test]
fn what_an_account_has_of_second_factors_is_shown_without_a_secret_and_taken_away() {
    let folder = an_empty_folder();
    let code = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    let ann = format!(
        r#"{{"id": 1, "user": "ann", "hash": null, "seed": "{SEED}", "codes": ["{code}", "{code}"]}}
{{"id": 2, "user": "bob", "hash": null, "seed": null, "codes": []}}
"#
    );
    folder.write("users.jsonl", ann);
    // An import warns of a source that others may read.
    fs::set_permissions(folder.path("users.jsonl"), Permissions::from_mode(0o600)).unwrap();
    let import = ["user", "import", "--profile", "sprag", "--from", "users.jsonl"];
    let map =
        ["external_id=id", "username=user", "password_hash=hash", "totp_secret=seed", "recovery_codes=codes"];
    let map: Vec<&str> = map.into_iter().flat_map(|column| ["--map", column]).collect();
    folder.run(&[&import[..], &map].concat()).succeeds();

    let shown = folder.run(&["user", "factors", "ann"]).succeeds();
    assert!(shown.contains("totp") && shown.contains("2 recovery codes are left"), "{shown}");
    let listed = folder.json(&["user", "factors", "ann", "--json"]);
    assert_eq!((listed[0]["kind"].as_str(), listed.as_array().map(Vec::len)), (Some("totp"), Some(1)));
    for told in [&shown, &listed.to_string()] {
        assert!(!told.contains(SEED) && !told.contains(code), "{told}");
    }
    let has_none = |who: &str| {
        let told = folder.run(&["user", "factors", who]);
        assert!(told.code == 0 && told.err.contains("it has no second factor"), "{}", told.err);
    };
    has_none("bob");

    let told = folder.run(&["user", "reset-factors", "ann"]).succeeds();
    let expected = "ann has no second factor any more, and no recovery codes; 0 sessions ended. The password alone logs in \
                    until its owner adds one\n";
    assert_eq!(told, expected);
    has_none("ann");
    for who in ["ann", "bob"] {
        let told = folder.run(&["user", "reset-factors", who]).fails();
        assert!(told.contains("has no second factor, so there is nothing to take away"), "{told}");
    }
    assert!(folder.run(&["user", "factors", "nobody"]).fails().contains("nobody"));
    let journal = folder.run(&["audit", "list"]).succeeds();
    assert!(journal.contains("factor_removed"), "{journal}");
}
