//! Who may read the numbers: they tell a thief when somebody refreshes.

use sprag_testkit::binary::server::Home;
use sprag_testkit::binary::wire::Request;

use super::SPRAG;

#[test]
fn whoever_comes_through_a_proxy_of_this_machine_reads_no_numbers() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    assert_eq!(server.ask(&Request::get("/metrics")).status, 200, "this machine itself");
    for (name, value) in [
        ("X-Forwarded-For", "203.0.113.9"),
        ("X-Forwarded-For", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1"),
        ("Via", "1.1 proxy"),
        ("X-Real-IP", "127.0.0.1"),
    ] {
        let answer = server.ask(&Request::get("/metrics").header(name, value));
        assert_eq!((answer.status, answer.member("code").as_str()), (404, "not_found"), "{name}: {value}");
    }
}

#[test]
fn the_networks_of_the_setting_read_the_numbers_behind_a_proxy_that_is_trusted() {
    let home = Home::new(SPRAG);
    let flags = ["--trusted-proxies", "127.0.0.1", "--metrics-networks", "10.5.0.0/16"];
    let server = home.start(&flags);
    for (from, status) in [("10.5.1.2", 200), ("10.6.1.2", 404), ("10.5.1.2, 203.0.113.9", 404)] {
        let answer = server.ask(&Request::get("/metrics").header("X-Forwarded-For", from));
        assert_eq!(answer.status, status, "{from}");
    }
}
