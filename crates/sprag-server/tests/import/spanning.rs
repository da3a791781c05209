//! What MongoDB's tools write besides an object a line.

use serde_json::json;

use crate::given::{HASH, a_shop, user};

const IMPORT: [&str; 4] = ["user", "import", "--from", "users.json"];

#[test]
fn pretty_exports_and_lists_were_refused_line_by_line() {
    let records = [
        user(1, "ann"),
        json!({ "id": { "$numberInt": "2" }, "username": "b\"}{o\u{1f642}b", "hashed_password": HASH }),
    ];
    let pretty = |record: &serde_json::Value| serde_json::to_string_pretty(record).unwrap();
    let mongoexport = |record: &serde_json::Value| pretty(record).replace("\n  ", "\n\t");
    for text in [
        // mongoexport --pretty, --jsonArray, --jsonArray --pretty; jq by itself; JSON.stringify.
        format!("{}\n{}\n", mongoexport(&records[0]), mongoexport(&records[1])),
        format!("[{},\n{}]\n", records[0], records[1]),
        format!("[{},\n{}]\n", mongoexport(&records[0]), mongoexport(&records[1])),
        serde_json::to_string_pretty(&json!(records)).unwrap(),
        format!("\u{feff}\n{}", json!(records)),
    ] {
        let shop = a_shop();
        shop.write("users.json", &text);
        assert_eq!(shop.imports_all(&IMPORT)["new"], 2, "{text}");
        assert_eq!(shop.usernames(), ["ann", "b\"}{o\u{1f642}b"]);
    }
}

#[test]
fn a_bad_object_that_spans_lines_is_refused_with_the_line_on_which_it_begins() {
    let shop = a_shop();
    let good = serde_json::to_string_pretty(&user(1, "ann")).unwrap();
    let last = serde_json::to_string_pretty(&user(2, "bob")).unwrap();
    shop.write("users.json", format!("{good}\n{{\n  \"id\": 3,,\n}}\n{last}\n"));
    let (summary, outcome) = shop.import(&IMPORT);
    assert_eq!((&summary["new"], &summary["refused"]), (&json!(2), &json!(1)), "{summary}");
    assert_eq!(outcome.err, "line 6: it is not JSON\n");
    // One whose end is missing could swallow those below it.
    shop.write("users.json", format!("{good}\n{{\n  \"id\": 3,\n{last}\n"));
    let told = shop.run(&IMPORT).fails();
    assert!(told.contains("the object that opens on line 6 is not closed"), "{told}");
}

#[test]
fn what_the_shell_prints_is_told_with_the_command_that_exports_it() {
    let shop = a_shop();
    for text in [
        r#"{ "_id" : ObjectId("507f1f77bcf86cd799439011"), "username" : "ann", "createdAt" : ISODate("2024-12-13T10:00:00Z") }"#,
        "[\n  {\n    _id: ObjectId('507f1f77bcf86cd799439011'),\n    username: 'a\"nn',\n    n: Long('1')\n  }\n]\n",
        "{\n  _id: ObjectId('507f1f77bcf86cd799439011'),\n  username: 'ann'\n}\n",
        "{\n\t\"_id\" : ObjectId(\"507f1f77bcf86cd799439011\"),\n\t\"n\" : NumberLong(1)\n}\n",
    ] {
        shop.write("users.json", text);
        let told = shop.run(&IMPORT).fails();
        for part in [
            "what the MongoDB shell prints",
            "mongoexport --uri \"$MONGO_URI\" --collection users --out users.jsonl",
            "db.users.find().forEach(d => print(EJSON.stringify(d)))",
        ] {
            assert!(told.contains(part), "{text}: {told}");
        }
        assert!(!shop.path("sprag-data").exists(), "nothing is made");
    }
}

#[test]
fn an_export_that_is_one_object_with_a_list_in_it_is_told_with_the_way_out() {
    let shop = a_shop();
    let list = json!({ "users": [user(1, "ann"), user(2, "bob")] });
    let by_tool = format!("{{\"users\": [\n{},\n{}\n]}}", user(1, "ann"), user(2, "bob"));
    for text in [list.to_string(), serde_json::to_string_pretty(&list).unwrap(), by_tool] {
        shop.write("users.json", text);
        let told = shop.run(&IMPORT).fails();
        assert!(told.contains("jq -c '.users[]' FILE"), "{told}");
    }
}

#[test]
fn an_id_in_csv_of_mongoexport_was_taken_with_its_name() {
    let shop = a_shop();
    shop.write(
        "users.csv",
        format!("id,username,hashed_password\nObjectId(507f1f77bcf86cd799439011),ann,{HASH}\n"),
    );
    let import = ["user", "import", "--from", "users.csv"];
    shop.imports_all(&import);
    shop.write("users.csv", format!("id,username,hashed_password\n507f1f77bcf86cd799439011,ann,{HASH}\n"));
    assert_eq!(shop.imports_all(&import)["already_there"], 1);
}
