//! The disk is full, or does not sync: nothing is acknowledged that is not on it, and all goes on when it works again.

use crate::SPRAG;
use crate::bad_disk::{BadDisk, Fault};
use crate::checker::{self, Outcome};
use crate::disk_state;
use crate::load::{self, Plan, Trouble as _};
use crate::people::{Pair, log_in, login, logout, me, refresh, refresh_with_id};
use crate::server::{Home, PASSWORD};
use crate::token::facts;
use crate::wire::{Answer, Request};

#[test]
fn f11_a_full_disk_is_said_and_got_over_without_a_restart() {
    is_said_and_got_over(Fault::Full);
}

#[test]
fn f11_a_disk_that_does_not_sync_is_said_and_got_over_without_a_restart() {
    is_said_and_got_over(Fault::Sync);
}

fn is_said_and_got_over(fault: Fault) {
    let (home, disk) = (Home::new(SPRAG), BadDisk::new(fault));
    home.create_user("ann");
    let server = disk.start(&home, &["--reuse-interval", "0s"]);
    let mut client = server.connect();
    let mut pairs: Vec<Pair> = (0..6).map(|_| log_in(&mut client, "ann").unwrap()).collect();
    for pair in &mut pairs {
        *pair = Pair::of(&client.ask(&refresh_with_id(&pair.refresh)).unwrap());
    }
    let gone = pairs.pop().unwrap();
    assert_eq!(client.ask(&logout(&gone.refresh)).unwrap().status, 204);
    let leaving = pairs.pop().unwrap();

    disk.fail("");
    for _ in 0..3 {
        for pair in &pairs {
            is_not_now(&client.ask(&refresh_with_id(&pair.refresh)).unwrap());
            assert_eq!(client.ask(&me(&pair.access)).unwrap().status, 200, "what only reads goes on");
        }
        is_not_now(&client.ask(&login("ann", PASSWORD)).unwrap());
        is_not_now(&client.ask(&login("ann", "not the password")).unwrap());
        is_not_now(&client.ask(&logout(&leaving.refresh)).unwrap());
        assert_eq!(client.ask(&Request::get("/healthz")).unwrap().status, 200);
        let ready = client.ask(&Request::get("/readyz")).unwrap().status;
        assert!(ready == 200 || ready == 503, "/readyz answers {ready}");
    }
    assert!(disk.hits() > 10, "the shim was hit {} times", disk.hits());
    disk.work();

    for pair in &pairs {
        let before = facts(&pair.refresh);
        let after = facts(&Pair::of(&client.ask(&refresh_with_id(&pair.refresh)).unwrap()).refresh);
        assert_eq!((after.session, after.generation), (before.session, before.generation + 1));
    }
    log_in(&mut client, "ann").unwrap();
    assert_eq!(client.ask(&logout(&leaving.refresh)).unwrap().status, 204);
    for pair in [&gone, &leaving] {
        let refused = client.ask(&refresh(&pair.refresh)).unwrap();
        assert_eq!((refused.status, refused.member("cause").as_str()), (401, "logout"));
    }
    let metrics = client.ask(&Request::get("/metrics")).unwrap();
    assert_eq!(load::metric(&metrics, "sprag_state_regressions_total"), 0);
    server.stop();
    let found = disk_state::look(&home.data());
    assert_eq!(found.integrity, "ok");
    for pair in &pairs {
        assert_eq!(found.rows[&facts(&pair.refresh).session].generation, 2, "the row is where the client is");
    }
}

fn is_not_now(answer: &Answer) {
    let said = (answer.status, answer.member("code"), answer.header("retry-after").is_some());
    assert_eq!(said, (503, "unavailable".to_owned(), true));
}

const LOAD: Plan =
    Plan { seed: 20_263, clients: 4, sessions: 24, operations: 800, strikes: 4, reuse_interval: "0s" };

#[test]
fn f11_a_disk_that_fills_up_under_load_loses_nothing_not_even_with_a_kill() {
    loses_nothing(Fault::Full, LOAD);
}

#[test]
fn f11_a_disk_that_stops_to_sync_under_load_loses_nothing_not_even_with_a_kill() {
    loses_nothing(Fault::Sync, Plan { seed: 20_264, ..LOAD });
}

fn loses_nothing(fault: Fault, plan: Plan) {
    let (home, disk) = (Home::new(SPRAG), BadDisk::new(fault));
    let run = load::run(&home, plan, &disk);
    let violations = checker::check(&run.history, &run.disks);
    assert!(violations.is_empty(), "{} violations, first {:?}", violations.len(), violations.first());
    assert_eq!((run.state_regressions, run.disks.len()), (0, 3));
    assert!(run.count(|attempt| attempt.outcome == Outcome::Unknown) > 20, "clients noticed");
}

#[test]
fn f11_a_log_that_cannot_be_copied_at_the_stop_is_kept_and_read_at_the_start() {
    let (home, disk) = (Home::new(SPRAG), BadDisk::new(Fault::Full));
    home.create_user("ann");
    let server = disk.start(&home, &["--reuse-interval", "0s"]);
    let mut client = server.connect();
    let mut pair = log_in(&mut client, "ann").unwrap();
    // The database itself cannot be written to, its log can: commits go on, and only copying it fails.
    disk.fail("/sprag.db");
    for _ in 0..50 {
        pair = Pair::of(&client.ask(&refresh_with_id(&pair.refresh)).unwrap());
    }
    assert_eq!(disk.hits(), 0, "a rotation does not touch the database itself");
    server.stop();
    assert!(disk.hits() > 0, "nobody has tried to copy the log");
    disk.work();
    assert_eq!(disk_state::look(&home.data()).integrity, "ok");
    let server = disk.start(&home, &["--reuse-interval", "0s"]);
    let renewed = Pair::of(&server.ask(&refresh_with_id(&pair.refresh)));
    assert_eq!(facts(&renewed.refresh).generation, 51);
    server.stop();
}
