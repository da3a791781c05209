use super::*;

const STEPS: [usize; 5] = [1, 2, 3, 7, 4096];

/// What hyper would be given, the bytes coming `step` at a time, and what may still come then.
fn given(text: &str, step: usize) -> (String, Outlook) {
    let mut framing = Framing::new(Arc::default());
    let mut sure = Vec::new();
    for part in text.as_bytes().chunks(step) {
        framing.follow(part, &mut |given| sure.extend_from_slice(given));
    }
    (String::from_utf8(sure).unwrap(), framing.outlook())
}

fn is_left_alone(text: &str) {
    for step in STEPS {
        assert_eq!(given(text, step), (text.to_owned(), Outlook::Open), "{step} at a time");
    }
}

const HIDDEN: &str = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";

/// The head after `honest` is refused, and nothing of it or after it is given on.
fn is_refused_after(honest: &str, rest: &str) {
    let stand_in = format!("GET{}", str::from_utf8(STAND_IN).unwrap());
    for step in STEPS {
        let (given, outlook) = given(&format!("{honest}{rest}{HIDDEN}"), step);
        assert_eq!(given, format!("{honest}{stand_in}"), "{step} at a time: {rest:?}");
        assert_eq!(outlook, Outlook::AwaitsAnswer, "{step} at a time: {rest:?}");
    }
}

/// The body breaks off, and nothing behind it is given on.
fn breaks_off(text: &str) {
    for step in STEPS {
        let (given, outlook) = given(&format!("{text}{HIDDEN}"), step);
        assert_eq!(outlook, Outlook::Ended, "{step} at a time: {text:?}");
        assert!(text.starts_with(&given), "{step} at a time: {given:?}");
        // No body that was given on has ended.
        assert!(!given.ends_with("0\r\n\r\n"), "{step} at a time: {given:?}");
    }
}

const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn honest_requests_are_left_alone_one_after_the_other() {
    is_left_alone(concat!(
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: [::1]:80\r\nX:\r\nY: \u{e9}\t;\r\nContent-Length: 11\r\n\r\nbare\nlines\n",
        "POST / HTTP/1.1\r\nHost:a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "3\r\na\nb\r\n0A\r\n\n\n\n\n\n\n\n\n\n\n\r\n00\r\n\r\n",
        "GET /old HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "GET /last HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer x\r\n\r\n",
    ));
}

#[test]
fn one_empty_line_before_a_request_is_left_out_and_a_second_refused() {
    for step in STEPS {
        let text = format!("\r\n{GET}\r\n\r\n{GET}\r\n");
        assert_eq!(given(&text, step).0, format!("{GET}\r\n{GET}\r\n"));
    }
    is_refused_after("", "\r\n\r\n");
    is_refused_after(&format!("{GET}\r\n"), "\r\n\r\nGET / HTTP/1.1\r\n");
}

#[test]
fn http2_begins_a_connection_or_is_refused() {
    is_left_alone("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\n\x04\n\n");
    is_refused_after("", "PRI * HTTP/2.0\r\n\r\n");
    is_refused_after("", "PRI * HTTP/2.0\r\n\r\nSM\r\n\n");
    is_refused_after(&format!("{GET}\r\n"), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
}

#[test]
fn r56_a_bare_line_feed_or_carriage_return_or_a_zero_is_refused_wherever_a_line_is() {
    for bad in ["\n", "\r", "\0"] {
        is_refused_after("", &format!("GET{bad} / HTTP/1.1\r\n\r\n"));
        is_refused_after("", &format!("GET / HTTP/1.1{bad}Host: a\r\n\r\n"));
        is_refused_after("", &format!("{GET}X: a{bad}Content-Length: 5\r\n\r\n"));
        is_refused_after("", &format!("{GET}X: a\r\n{bad}X: b\r\n\r\n"));
        is_refused_after(&format!("{GET}\r\n"), &format!("{bad}{GET}\r\n"));
        is_refused_after(
            &format!("{POST}Content-Length: 2\r\n\r\n\n\n"),
            &format!("GET / HTTP/1.1{bad}{bad}"),
        );
        breaks_off(&format!("{CHUNKED}0{bad}{bad}\r\n"));
        breaks_off(&format!("{CHUNKED}0\r\n{bad}\r\n"));
        breaks_off(&format!("{CHUNKED}2\r\nab{bad}{bad}0\r\n\r\n"));
    }
}

#[test]
fn r56_a_chunk_is_its_size_in_hexadecimal_and_nothing_else() {
    for size in ["5;", "5;a=b", "5 ", " 5", "5\t", "+5", "-5", "0x5", "", "5,5", "000000005", "g", "5;\n"] {
        breaks_off(&format!("{CHUNKED}{size}\r\nabcde\r\n0\r\n\r\n"));
    }
    breaks_off(&format!("{CHUNKED}5;\n\r\n{{   }}\r\n0\r\n\r\n"));
    breaks_off(&format!("{CHUNKED}3\r\nabcde\r\n0\r\n\r\n"));
    for field in ["Content-Length: 5", "Transfer-Encoding: chunked", "Host: b", "X: trailer", " ", "X"] {
        breaks_off(&format!("{CHUNKED}0\r\n{field}\r\n\r\n"));
    }
}

#[test]
fn r56_a_length_is_told_once_and_in_one_way() {
    let (length, coding) = ("content-LENGTH: 4\r\n", "Transfer-Encoding: chunked\r\n");
    is_refused_after("", &format!("{POST}{length}X: y\r\n{coding}\r\n"));
    is_refused_after("", &format!("{POST}{coding}X: y\r\n{length}\r\n"));
    is_refused_after("", &format!("{POST}{length}{length}\r\n"));
    is_refused_after("", &format!("{POST}{coding}{coding}\r\n"));
    is_refused_after("", &format!("POST / HTTP/1.0\r\n{coding}\r\n"));
    // The head before has no say in it.
    is_left_alone(&format!("{POST}{length}\r\n1234{POST}{coding}\r\n0\r\n\r\n"));
    let lengths = [
        "+4",
        "-4",
        "4,4",
        "4, 4",
        "4 ",
        "  4",
        "\t4",
        "04",
        "0x4",
        "4.0",
        "",
        " ",
        "a",
        "1234567890123456789",
    ];
    for value in lengths {
        is_refused_after("", &format!("{POST}Content-Length: {value}\r\n\r\n"));
    }
    let codings = [
        "Chunked",
        "chunked,",
        "chunked, identity",
        "gzip, chunked",
        "identity",
        "x",
        "",
        "\tchunked",
        "chunked ",
    ];
    for value in codings {
        is_refused_after("", &format!("{POST}Transfer-Encoding: {value}\r\n\r\n"));
    }
    for name in
        ["Content_Length", "Transfer_Encoding", "Content-Length ", " Content-Length", "Content-Length\t", ""]
    {
        is_refused_after("", &format!("{POST}{name}: 4\r\n\r\n"));
    }
}

#[test]
fn a_request_names_one_host_and_one_who_asks() {
    is_refused_after("", "GET / HTTP/1.1\r\n\r\n");
    is_refused_after("", &format!("{GET}Host: a\r\n\r\n"));
    is_refused_after("", "GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n");
    let hosts = [
        "", "a, b", "a b", "a/b", "user@a", "a?b", "a#b", "a:", "a:b", "a:123456", "a:1:2", ":80", "[::1",
        "[]", "::1", "[::1]a", "\u{e9}", "a\tb", "\"a\"",
    ];
    for host in hosts {
        is_refused_after("", &format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
    }
    for host in
        ["a", "a:80", "[::1]", "[::1]:65535", "127.0.0.1:8080", "xn--bcher-kva.example", "under_score"]
    {
        is_left_alone(&format!("GET / HTTP/1.1\r\nHost:  {host} \r\n\r\n"));
    }
    is_refused_after("", &format!("{GET}Authorization: Bearer a\r\nauthorization: Bearer b\r\n\r\n"));
}

#[test]
fn a_target_and_host_name_the_same() {
    for target in [
        "http://b/",
        "https://b",
        "http://a:80/",
        "http://b?x",
        "http://a@b/",
        "a:443",
        "a",
        "http:///",
        "ftp://a/",
    ] {
        is_refused_after("", &format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
    for target in ["http://A/", "http://a?x", "http://a", "/http://b/", "*", "//b/"] {
        is_left_alone(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    }
}

/// What follows the head of an answer to HEAD would be read as another answer.
#[test]
fn what_stands_for_a_head_is_one() {
    for (method, stands) in [("HEAD", "HEAD /"), ("POST", "GET /"), ("HEAD ", "GET /")] {
        let (given, _) = given(&format!("{method} / HTTP/1.1\r\nHost: a\r\nX: a\n\r\n"), 4096);
        assert!(given.starts_with(stands), "{given}");
    }
}

#[test]
fn the_first_line_is_three_words_and_a_field_is_one_line() {
    let lines = [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET / HTTP/1.2",
        "GET / HTTP/2.0",
        "GET / http/1.1",
        "GET /",
        "GET /a#b HTTP/1.1",
        "GET / x HTTP/1.1",
        "G:ET / HTTP/1.1",
    ];
    for line in lines {
        is_refused_after("", &format!("{line}\r\nHost: a\r\n\r\n"));
    }
    for field in ["X: a\r\n b", "X: a\r\n\tb", "X", "X : a", ": a", "X\u{7f}: a", "X: \u{1}"] {
        is_refused_after("", &format!("{GET}{field}\r\n\r\n"));
    }
}

/// hyper answers 431 to what it gets then, and nothing else comes behind it.
#[test]
fn of_a_head_that_is_too_large_only_so_much_is_given_on() {
    for fields in [format!("X: {}\r\n", "x".repeat(MAX_HEAD_BYTES)), "X: y\r\n".repeat(MAX_HEAD_BYTES / 6)] {
        let large = format!("{GET}{fields}\r\n{GET}\r\n");
        for step in STEPS {
            assert_eq!(given(&large, step), (large[..MAX_HEAD_BYTES].to_owned(), Outlook::AwaitsAnswer));
        }
    }
}
