//! The examples do what they say.

use sprag_rig::Postgres;

#[path = "../examples/hello.rs"]
mod hello;
#[path = "../examples/own_store.rs"]
mod own_store;
#[path = "../examples/second_factor.rs"]
mod second_factor;
#[expect(dead_code, reason = "its main reads the command line")]
#[path = "../examples/two_nodes.rs"]
mod two_nodes;

#[test]
fn a_whole_session_in_one_file_runs_to_its_end() {
    hello::main().expect("the example works");
}

#[test]
fn a_second_factor_is_added_shown_at_a_log_in_and_shown_again_before_what_matters() {
    second_factor::main().expect("the example works");
}

#[test]
fn a_store_of_ones_own_passes_the_suite() {
    own_store::main();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_on_one_postgresql_share_every_session() {
    let database = Postgres::shared().fresh_database();
    let told = two_nodes::story(&database.url()).await.expect("the example works");
    let last = told.last().expect("it tells something");
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(last.contains("this session has ended because you signed out on this device"), "{last}");
    // Whoever starts it again has a new ring, which the database does not know.
    let again = two_nodes::story(&database.url()).await.expect_err("another ring").to_string();
    assert!(again.contains("key ring"), "{again}");
}
