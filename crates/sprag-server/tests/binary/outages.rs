//! Time in which nobody could be answered does not count: nobody who comes back after it is taken for a thief.

use std::thread::sleep;
use std::time::Duration;

use rustix::process::Signal;
use sprag_rig::WoundClock;

use crate::SPRAG;
use crate::bad_disk::{BadDisk, Fault};
use crate::late::{self, are_found_out, clock_off_by, go_on};
use crate::load::Trouble as _;
use crate::people::{Pair, log_in, logout, refresh};
use crate::server::{Home, Server, await_some};
use crate::wire::Connection;

/// A short interval, and outages that are longer.
const WINDOW: [&str; 4] = ["--reuse-interval", "2s", "--sweep-interval", "0s"];
const OUTAGE: Duration = Duration::from_secs(4);
const CLIENTS: usize = 8;

fn unheard(server: &Server) -> Vec<Pair> {
    late::unheard(server, "ann", CLIENTS)
}

#[test]
fn who_was_not_answered_before_a_kill_is_no_thief_after_the_restart() {
    let home = Home::new(SPRAG);
    home.create_user("ann");
    let server = home.start(&WINDOW);
    let held = unheard(&server);
    server.kill();
    sleep(OUTAGE);
    let server = home.start(&WINDOW);
    go_on(&server, &held, "killed");
    are_found_out(&server, &held);
    server.stop();
    home.verify_journal();
}

#[test]
fn who_was_not_answered_before_a_planned_stop_of_the_only_node_is_no_thief_after_it() {
    let home = Home::new(SPRAG);
    home.create_user("ann");
    let server = home.start(&WINDOW);
    let held = unheard(&server);
    server.stop();
    sleep(OUTAGE);
    let server = home.start(&WINDOW);
    go_on(&server, &held, "stopped");
    are_found_out(&server, &held);
}

#[test]
fn requests_that_wait_in_the_sockets_of_a_frozen_node_end_nothing_when_it_thaws() {
    let home = Home::new(SPRAG);
    home.create_user("ann");
    let server = home.start(&WINDOW);
    let held = unheard(&server);
    let leaving = unheard(&server);
    let connect = |_: &Pair| server.connect();
    let mut waiting: Vec<Connection> = held.iter().chain(&leaving).map(connect).collect();
    server.signal(Signal::STOP);
    for (at, pair) in waiting.iter_mut().zip(&held) {
        at.send(&refresh(&pair.refresh)).unwrap();
    }
    for (at, pair) in waiting[CLIENTS..].iter_mut().zip(&leaving) {
        at.send(&logout(&pair.refresh)).unwrap();
    }
    sleep(OUTAGE);
    server.signal(Signal::CONT);
    for (at, pair) in waiting.iter_mut().zip(&held) {
        let first = at.receive().unwrap();
        // What was under way when it froze may be given up; who is put off comes again with the same token.
        let again = || Some(server.ask(&refresh(&pair.refresh))).filter(|answer| answer.status != 503);
        let answer = if first.status == 503 { await_some(again).unwrap() } else { first };
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    }
    for (at, pair) in waiting[CLIENTS..].iter_mut().zip(&leaving) {
        let first = at.receive().unwrap();
        let again = || Some(server.ask(&logout(&pair.refresh))).filter(|answer| answer.status != 503);
        let answer = if first.status == 503 { await_some(again).unwrap() } else { first };
        assert_eq!(answer.status, 204);
    }
    for pair in &leaving {
        let refused = server.ask(&refresh(&pair.refresh));
        assert_eq!(refused.member("cause"), "logout", "a log-out after a freeze accuses nobody");
    }
    are_found_out(&server, &held);
}

#[test]
fn a_full_disk_makes_nobody_a_thief() {
    let (home, disk) = (Home::new(SPRAG), BadDisk::new(Fault::Full));
    home.create_user("ann");
    let server = disk.start(&home, &WINDOW);
    let held = unheard(&server);
    disk.fail("");
    sleep(OUTAGE);
    for pair in &held {
        assert_eq!(server.ask(&refresh(&pair.refresh)).status, 503);
    }
    disk.work();
    go_on(&server, &held, "full");
    are_found_out(&server, &held);
}

/// A server whose clock is wound.
struct Wound {
    home: Home,
    clock: WoundClock,
}

impl Wound {
    fn new() -> Self {
        let home = Home::new(SPRAG);
        home.create_user("ann");
        let clock = WoundClock::in_folder(home.path());
        Self { home, clock }
    }

    fn jumps(&self, offset: &str) {
        self.clock.jumps(offset);
    }

    fn start(&self) -> Server {
        let environment = self.clock.environment();
        let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
        self.home.start_with(&WINDOW, &environment)
    }
}

#[test]
fn a_clock_that_jumps_ends_nobody_and_is_noticed() {
    let wound = Wound::new();
    let server = wound.start();
    for (offset, seconds) in [("+40d", 40 * 24 * 3600), ("-1h", -3600), ("+1h", 3600)] {
        let held = unheard(&server);
        wound.jumps(offset);
        let noticed = await_some(|| clock_off_by(&server));
        assert!(noticed.is_some_and(|noticed| (noticed - seconds).abs() <= 2), "{offset}: {noticed:?}");
        go_on(&server, &held, offset);
        log_in(&mut server.connect(), "ann").unwrap();
        wound.jumps("+0");
        assert!(await_some(|| clock_off_by(&server).is_none().then_some(())).is_some());
        are_found_out(&server, &held);
    }
    assert!(server.log().contains("the clock has jumped and is not believed"));
    let is_journalled = || {
        let journal = rusqlite::Connection::open(wound.home.data().join("sprag.db")).unwrap();
        let mut kinds = journal.prepare("select distinct kind from event where kind like 'clock%'").unwrap();
        let kinds: Vec<String> =
            kinds.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
        (kinds.len() == 2).then_some(kinds)
    };
    assert!(await_some(is_journalled).expect("the journal tells of it").contains(&"clock_jumped".to_owned()));
    wound.home.verify_journal();
}

#[test]
fn an_operator_confirms_a_clock_by_a_signal() {
    let wound = Wound::new();
    let server = wound.start();
    wound.jumps("+1h");
    assert!(await_some(|| clock_off_by(&server)).is_some());
    server.signal(Signal::USR1);
    assert!(await_some(|| clock_off_by(&server).is_none().then_some(())).is_some());
    assert!(await_some(|| server.log().contains("is believed where it stands now").then_some(())).is_some());
}

#[test]
fn a_restart_in_the_middle_of_a_jump_ends_nobody_either() {
    for offset in ["+40d", "-1h"] {
        let wound = Wound::new();
        let server = wound.start();
        let held = unheard(&server);
        wound.jumps(offset);
        let is_marked = || {
            let marks = rusqlite::Connection::open(wound.home.data().join("sprag.db")).unwrap();
            marks
                .query_row("select max(clock_off_by) from lease", [], |row| row.get::<_, Option<i64>>(0))
                .unwrap()
        };
        assert!(await_some(is_marked).is_some());
        server.kill();
        let server = wound.start();
        assert!(clock_off_by(&server).is_some(), "{offset}");
        go_on(&server, &held, offset);
        let mut sweep = wound.home.command(&["sweep"]);
        sweep.envs(wound.clock.environment());
        let swept = wound.home.run(sweep, "");
        assert!(swept.status.success() && swept.stdout.contains(": 0 had expired"), "{swept:?}");
        wound.jumps("+0");
        assert!(await_some(|| clock_off_by(&server).is_none().then_some(())).is_some());
        go_on(&server, &held, offset);
    }
}

#[test]
fn a_clock_set_back_while_nobody_served_is_not_believed_at_the_start() {
    let wound = Wound::new();
    let server = wound.start();
    let held = unheard(&server);
    server.kill();
    wound.jumps("-1h");
    let server = wound.start();
    assert!(clock_off_by(&server).is_some_and(|seconds| seconds <= -3590));
    go_on(&server, &held, "-1h");
}
