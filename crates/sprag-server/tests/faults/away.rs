//! The database is stopped in order, away for longer than clients may be late, and back.

use std::thread::sleep;
use std::time::Duration;

use sprag_rig::Postgres;

use crate::late::{are_found_out, goes_on, unheard};
use crate::people::{Pair, refresh};
use crate::server::{Server, await_some};
use crate::stage::{Stage, assert_put_off};

const WINDOW: [&str; 2] = ["--reuse-interval", "2s"];
const OUTAGE: Duration = Duration::from_secs(5);
const LONGER_THAN_THE_WINDOW: Duration = Duration::from_millis(2300);

/// The client asks until there is an answer, as 503 has told it to.
fn insisting(server: &Server, token: &str) -> Pair {
    let answer = await_some(|| Some(server.ask(&refresh(token))).filter(|answer| answer.status != 503));
    Pair::of(&answer.expect("the database comes back"))
}

pub(crate) fn who_was_put_off_while_the_database_was_away_is_no_thief_when_it_is_back() {
    let database_server = Postgres::start();
    let stage = Stage::on(&database_server.fresh_database().url());
    let server = stage.node(&WINDOW);
    stage.home.create_user("ann");
    let held = unheard(&server, "ann", 6);
    database_server.stop_fast();
    sleep(OUTAGE);
    for pair in &held {
        assert_put_off(&server.ask(&refresh(&pair.refresh)));
    }
    database_server.start_again();
    for pair in &held {
        let answered = insisting(&server, &pair.refresh);
        goes_on(pair, &answered, "away");
    }
    sleep(LONGER_THAN_THE_WINDOW);
    are_found_out(&server, &held);
    stage.home.verify_journal();
}
