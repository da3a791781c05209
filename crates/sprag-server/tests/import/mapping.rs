//! Which profile, which columns, which table.

use serde_json::json;

use crate::given::{HASH, a_shop, lines, user};

#[test]
fn a_column_that_is_missing_is_told_with_what_there_is() {
    let shop = a_shop();
    shop.write("users.csv", format!("id,user_name,hashed_pasword\n1,ann,{HASH}\n"));
    let import = ["user", "import", "--from", "users.csv"];
    let told = shop.run(&import).fails();
    let expected = "sprag: could not read users.csv: it has no column \"username\" for username; did you mean \"user_name\"? \
                    (it has \"id\", \"user_name\", \"hashed_pasword\"); say where it is with --map username=COLUMN, and a ? \
                    behind it if the source may lack it\n";
    assert_eq!(told, expected);
    assert!(!shop.path("sprag-data").exists(), "nothing is made before the source is understood");
    let told = shop.run(&[&import[..], &["--map", "username=user_name"]].concat()).fails();
    assert!(
        told.contains("no column \"hashed_password\" for password_hash; did you mean \"hashed_pasword\"?")
    );
    let both = ["--map", "username=user_name", "--map", "password_hash=hashed_pasword"];
    shop.imports_all(&[&import[..], &both].concat());
    assert_eq!(shop.usernames(), ["ann"]);
}

#[test]
fn a_source_in_which_nobody_has_a_login_is_refused_up_front() {
    let shop = a_shop();
    let profile = shop.read("shop.toml").replace("username = \"username\"", "username = \"username?\"");
    shop.write("shop.toml", profile);
    shop.write("users.csv", format!("id,mail,hashed_password\n1,ann@example.org,{HASH}\n"));
    shop.write(
        "users.jsonl",
        lines(&[json!({ "id": 1, "mail": "ann@example.org", "hashed_password": HASH })]),
    );
    for from in ["users.csv", "users.jsonl"] {
        let told = shop.run(&["user", "import", "--from", from]).fails();
        assert!(
            told.contains(
                "it has no column to log in with (\"username\" or \"email\"); did you mean \"mail\"? (it has "
            ),
            "{told}"
        );
        assert!(told.ends_with("; say where one is with --map email=COLUMN\n"), "{told}");
    }
    assert!(!shop.path("sprag-data").exists());
    shop.imports_all(&["user", "import", "--from", "users.csv", "--map", "email=mail"]);
}

#[test]
fn the_first_lines_show_which_members_there_are() {
    let shop = a_shop();
    // Documents leave out what they do not have.
    let records = [user(1, "ann"), json!({ "id": 2, "mail": "bob@example.org", "hashed_password": HASH })];
    shop.write("users.jsonl", lines(&records));
    let import = ["user", "import", "--from", "users.jsonl"];
    shop.imports_all(&[&import[..], &["--map", "email=mail"]].concat());
    assert_eq!(shop.users().len(), 2);
    let told = shop.run(&[&import[..], &["--map", "email=e-mail"]].concat()).fails();
    assert!(told.contains("no column \"e-mail\" for email; did you mean \"mail\"?"), "{told}");
    shop.write("users.jsonl", lines(&records[..1]));
    shop.imports_all(&[&import[..], &["--map", "email=e-mail?"]].concat());
}

#[test]
fn a_map_that_says_nothing_is_misuse() {
    let shop = a_shop();
    shop.write("users.jsonl", lines(&[user(1, "ann")]));
    let cases = [
        (
            "nam=x",
            "--map \"nam=x\": there is no field \"nam\"; the fields of users are external_id, username",
        ),
        ("name", "--map takes a field of ours and a column of theirs, as in name=full_name, not \"name\""),
        ("name=", "--map \"name=\": name needs a column's name, of 1 to 200 bytes"),
        ("token=x", "there is no field \"token\""),
    ];
    for (map, expected) in cases {
        let told = shop.run(&["user", "import", "--from", "users.jsonl", "--map", map]).was_misused();
        assert!(told.contains(expected), "{told}");
    }
    let told = shop.run(&["user", "import", "--from", "users.jsonl", "--map", "external_id=id?"]).fails();
    assert!(told.contains("nothing can be imported without \"external_id\"; leave out the question mark"));
}

#[test]
fn the_profile_is_the_one_that_says_where_things_are() {
    let shop = a_shop();
    shop.write("users.jsonl", lines(&[user(1, "ann")]));
    let import = ["user", "import", "--from", "users.jsonl"];
    let without = shop.read("shop.toml").split("[import.users]").next().unwrap().to_owned();
    shop.write("other.toml", without.replace("1000", "1001").replace("\"POST /", "\"POST /other/"));
    shop.imports_all(&[&import[..], &["--profiles", "./other.toml,./shop.toml"]].concat());
    let told = shop.run(&[&import[..], &["--profiles", "./other.toml"]].concat()).fails();
    assert!(told.contains("none of the configured profiles (other) says where"), "{told}");
    assert!(told.contains("--profile that has [import.users]"), "{told}");
    for profile in ["shop", "./shop.toml"] {
        let told = shop.imports_all(&[&import[..], &["--profile", profile]].concat());
        assert_eq!(told["already_there"], 1);
    }
    let told = shop.run(&[&import[..], &["--profile", "shup"]].concat()).fails();
    assert!(told.contains("there is no profile \"shup\""), "{told}");
    let told = shop.run(&[&import[..], &["--profile", "./other.toml"]].concat()).fails();
    assert!(told.contains("the profile other has no [import.users]"), "{told}");
    // A profile need not say anything where the command line says it all.
    let maps = ["external_id=id", "username=username", "password_hash=hashed_password"];
    let maps = maps.map(|map| ["--map", map]).concat();
    shop.write("users.jsonl", lines(&[user(2, "bob")]));
    shop.imports_all(&[&import[..], &["--profile", "./other.toml"], &maps[..]].concat());
}
