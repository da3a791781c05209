//! Several nodes begin at once where there is nothing yet.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};

use sprag_rig::Postgres;
use sprag_testkit::often::often;

use crate::SPRAG;
use crate::people::{Pair, log_in, refresh_with_id};
use crate::server::{Home, PASSWORD, Server, await_some};
use crate::wire::Request;

const AT_ONCE: usize = 4;

#[test]
fn four_nodes_that_start_at_once_on_an_empty_database_all_come_up_and_migrate_once() {
    let ring = {
        let home = Home::new(SPRAG);
        home.start(&[]).stop();
        fs::read(home.data().join("keys.json")).unwrap()
    };
    let migrations = concat!(env!("CARGO_MANIFEST_DIR"), "/../sprag/migrations/postgres");
    let migrations = fs::read_dir(migrations).unwrap().count().to_string();
    for _ in 0..often(3, 10) {
        let database = Postgres::shared().fresh_database();
        let url = database.url();
        let environment = [("SPRAG_DATABASE_URL", url.as_str())];
        let homes = [(); AT_ONCE].map(|()| Home::new(SPRAG));
        for home in &homes {
            fs::DirBuilder::new().mode(0o700).create(home.data()).unwrap();
            let path = home.data().join("keys.json");
            fs::write(&path, &ring).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let mut nodes =
            homes.each_ref().map(|home| home.begin(&["--public-url", "http://localhost:1"], &environment));
        nodes.iter_mut().for_each(Server::await_address);

        let lines =
            database.psql("select count(*) || ' ' || count(distinct version) from refinery_schema_history");
        assert_eq!(lines, format!("{migrations} {migrations}"), "each migration was applied once");
        let mut create = homes[0].command(&["user", "create", "--username", "ann", "--password-stdin"]);
        create.envs(environment);
        let ran = homes[0].run(create, PASSWORD);
        assert!(ran.status.success(), "{ran:?}");
        let mut pair = log_in(&mut nodes[0].connect(), "ann").unwrap();
        for node in &nodes {
            assert_eq!(node.ask(&Request::get("/readyz")).status, 200);
            pair = Pair::of(&node.ask(&refresh_with_id(&pair.refresh)));
        }
        nodes.into_iter().for_each(Server::stop);
    }
}

#[test]
fn nodes_without_one_public_url_refused_each_others_tokens_and_said_nothing() {
    let database = Postgres::shared().fresh_database();
    let url = database.url();
    let homes = [(); 3].map(|()| Home::new(SPRAG));
    let first = homes[0].start_with(&[], &[("SPRAG_DATABASE_URL", &url)]);
    let ring = fs::read_to_string(homes[0].data().join("keys.json")).unwrap();
    let environment = [("SPRAG_DATABASE_URL", url.as_str()), ("SPRAG_KEY_RING", ring.as_str())];
    let issuer = format!("http://{}", first.address());
    let signing = |count: &str| {
        let noted = || database.psql("select count(*) from lease where kind = 'issuer'");
        await_some(|| (noted() == count).then_some(()))
            .unwrap_or_else(|| panic!("{count} sign, not {}", noted()));
    };
    signing("1");

    let second = homes[1].start_with(&[], &environment);
    let wanted = format!("and others on this database sign as {issuer}");
    await_some(|| second.log().contains(&wanted).then_some(()))
        .unwrap_or_else(|| panic!("{wanted}: {}", second.log()));
    assert!(second.log().contains("set SPRAG_PUBLIC_URL to the one URL"), "{}", second.log());
    second.stop();
    signing("1");

    let third = homes[2].start_with(&["--public-url", &issuer], &environment);
    signing("2");
    assert!(!third.log().contains("others on this database sign as"), "{}", third.log());
    first.stop();
    third.stop();
    signing("0");
}
