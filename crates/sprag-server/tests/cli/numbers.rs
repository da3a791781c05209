//! Keys of new accounts in the source system's kind: what must be set for them, and who gives them.

use serde_json::json;
use sprag_rig::Postgres;

use crate::given::{ANNS_PASSWORD, Folder, an_empty_folder};

const CREATE: [&str; 5] = ["user", "create", "--username", "bob", "--password-stdin"];

fn create(folder: &Folder, name: &str) -> String {
    folder.run_with(ANNS_PASSWORD, &["user", "create", "--username", name, "--password-stdin"]).succeeds()
}

fn a_shop() -> Folder {
    let secret = "Vq3!fK8wZt5LpX0nRb7YcJd2HsGm9TuE";
    an_empty_folder()
        .set("SPRAG_PROFILES", "node-sequelize")
        .set("JWT_SECRET", secret)
        .set("SPRAG_LOG", "error")
}

#[test]
fn numbers_without_a_floor_are_refused_before_anything_is_made() {
    let folder = a_shop().set("SPRAG_NEXT_ID", "integer");
    let told = folder.run_with(ANNS_PASSWORD, &CREATE).fails();
    assert!(told.contains("SPRAG_NEXT_ID in the environment is integer"), "{told}");
    assert!(told.contains("set SPRAG_NEXT_ID_FLOOR above every number"), "{told}");
    assert!(folder.is_empty());
    let folder = a_shop().set("SPRAG_NEXT_ID_FLOOR", "1000");
    let told = folder.run_with(ANNS_PASSWORD, &CREATE).fails();
    assert!(told.contains("no profile gives new accounts numbers; set SPRAG_NEXT_ID=integer"), "{told}");
    for floor in ["0", "-5", "1e6", "9007199254740993", "many"] {
        let folder = a_shop().set("SPRAG_NEXT_ID", "integer").set("SPRAG_NEXT_ID_FLOOR", floor);
        let told = folder.run_with(ANNS_PASSWORD, &CREATE).fails();
        assert!(told.contains("is not a whole number from 1 to 9000000000000000"), "{floor}: {told}");
    }
}

#[test]
fn an_account_made_by_hand_gets_the_next_number_and_says_so() {
    let folder = a_shop().set("SPRAG_NEXT_ID", "integer").set("SPRAG_NEXT_ID_FLOOR", "1000");
    assert!(create(&folder, "ann").contains(" for ann, known as 1001 to node-sequelize\n"));
    let server = folder.serve();
    let body = json!({ "username": "bob", "password": "eight or more" });
    assert_eq!(server.post("/auth/register", &body).1["user"]["id"], 1002);
    assert!(create(&folder, "carol").contains("known as 1003 to"), "beside the server");
    let (status, _) = server.post("/auth/register", &body);
    assert_eq!(status, 409, "the name is taken, and costs no number");
    drop(server);
    let server = folder.serve();
    let body = json!({ "username": "dora", "password": "eight or more" });
    assert_eq!(server.post("/auth/register", &body).1["user"]["id"], 1004);
    drop(server);
    let higher = folder.set("SPRAG_NEXT_ID_FLOOR", "5000");
    assert!(create(&higher, "erik").contains("known as 5001 to"));
    let lower = higher.set("SPRAG_NEXT_ID_FLOOR", "10");
    assert!(create(&lower, "fritz").contains("known as 5002 to"), "a floor is never lowered");
}

#[test]
fn an_account_made_by_hand_is_of_one_profile_where_several_give_keys() {
    let folder =
        a_shop().set("SPRAG_PROFILES", "node-sequelize,express-mongo").set("SPRAG_NEXT_ID", "objectid");
    let told = folder.run_with(ANNS_PASSWORD, &CREATE).fails();
    assert!(told.contains("node-sequelize, express-mongo; say which with --profile"), "{told}");
    let told = folder.run_with(ANNS_PASSWORD, &[&CREATE[..], &["--profile", "shop"]].concat()).fails();
    assert!(told.contains("there is no profile \"shop\" among those that are served"), "{told}");
    let made =
        folder.run_with(ANNS_PASSWORD, &[&CREATE[..], &["--profile", "express-mongo"]].concat()).succeeds();
    let key = made.split("known as ").nth(1).unwrap().split(' ').next().unwrap();
    assert!(key.len() == 24 && key.bytes().all(|byte| byte.is_ascii_hexdigit()), "{made}");
}

#[test]
fn a_store_that_moves_to_postgresql_goes_on_numbering_where_it_was() {
    let folder = a_shop().set("SPRAG_NEXT_ID", "integer").set("SPRAG_NEXT_ID_FLOOR", "1000");
    create(&folder, "ann");
    create(&folder, "bob");
    let database = Postgres::shared().fresh_database();
    let folder = folder.set("SPRAG_DATABASE_URL", &database.url());
    folder.run(&["migrate"]).succeeds();
    let told = folder.run(&["import-store", "--from", "sprag-data/sprag.db"]).succeeds();
    assert!(told.contains("1  next_id\n"), "{told}");
    assert!(create(&folder, "carol").contains("known as 1003 to"));
}
