//! Several nodes begin at once where there is nothing yet.

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};

use sprag_rig::Postgres;

use crate::SPRAG;
use crate::people::{Pair, log_in, refresh_with_id};
use crate::server::{Home, PASSWORD, Server};
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
    for _ in 0..10 {
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
