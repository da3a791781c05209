//! More log-ins at once than there is room for: the rest is told so, and refreshes do not notice.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use sprag_testkit::beside::Over;

use crate::SPRAG;
use crate::people::{Pair, log_in, login, refresh_with_id};
use crate::server::{Home, PASSWORD};
use crate::token::facts;

const ROUNDS: usize = 3;
const AT_ONCE: usize = 24;

#[test]
fn f8_a_flood_of_log_ins_is_turned_away_and_refreshes_go_on() {
    let home = Home::new(SPRAG);
    let server = home.start(&["--hash-threads", "1", "--hash-queue", "4", "--reuse-interval", "0s"]);
    home.create_user("ann");
    let pair = log_in(&mut server.connect(), "ann").unwrap();
    let is_over = AtomicBool::new(false);
    let (statuses, refreshes) = thread::scope(|scope| {
        let refresher = scope.spawn(|| {
            let (mut client, mut pair) = (server.connect(), pair);
            while !is_over.load(Ordering::Relaxed) {
                pair = Pair::of(&client.ask(&refresh_with_id(&pair.refresh)).unwrap());
            }
            facts(&pair.refresh).generation
        });
        let over = Over(&is_over);
        let mut statuses = Vec::new();
        for _ in 0..ROUNDS {
            // All are sent before the first answer is read.
            let mut flood: Vec<_> = (0..AT_ONCE).map(|_| server.connect()).collect();
            for (number, connection) in flood.iter_mut().enumerate() {
                let password = if number % 2 == 0 { PASSWORD } else { "not the password" };
                connection.send(&login("ann", password)).unwrap();
            }
            let answers = flood.iter_mut().map(|connection| connection.receive().unwrap());
            statuses.extend(answers.map(|answer| {
                let code = answer.member("code");
                if answer.status == 503 {
                    // On a machine that has much else to do, who found room may wait for longer than a request may take.
                    let is_put_off = matches!(code.as_str(), "busy" | "unavailable");
                    assert!(is_put_off && answer.header("retry-after") == Some("1"), "{code}");
                }
                (answer.status, code)
            }));
        }
        drop(over);
        (statuses, refresher.join().unwrap())
    });
    let count = |wanted: u16| statuses.iter().filter(|(status, _)| *status == wanted).count();
    let (in_, wrong, put_off) = (count(200), count(401), count(503));
    assert_eq!(in_ + wrong + put_off, ROUNDS * AT_ONCE, "{statuses:?}");
    let busy = statuses.iter().filter(|(_, code)| code == "busy").count();
    assert!(in_ > 0 && wrong > 0, "those who found room were answered: {statuses:?}");
    assert!(busy > 0, "there is room for five of {AT_ONCE}: {statuses:?}");
    assert!(refreshes > ROUNDS as u64, "{refreshes} refreshes went on meanwhile");
}
