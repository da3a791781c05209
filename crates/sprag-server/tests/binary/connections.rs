//! Connections that cost: idle ones that keep others out, answers that nobody reads, uploads that do not end.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustix::process::Signal;
use sprag_rig::tools::write_script;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;

use crate::SPRAG;
use crate::people::{REFRESH, login};
use crate::server::{Home, Server, await_some};
use crate::wire::{Connection, Request};

const HEALTH: &str = "/healthz";

fn is_answered(connection: &mut Connection) -> bool {
    connection.ask(&Request::get(HEALTH)).is_ok_and(|answer| answer.status == 200)
}

/// A connection that has asked once.
fn used(server: &Server) -> Connection {
    let mut connection = server.connect();
    assert!(is_answered(&mut connection));
    connection
}

fn counted(server: &Server, metric: &str) -> u64 {
    let answer = server.ask(&Request::get("/metrics"));
    let text = String::from_utf8(answer.body).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(metric)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("no {metric} in {text}"))
}

/// A connection from another part of this machine's own network.
async fn from(address: &str, to: SocketAddr) -> tokio::net::TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::new(address.parse().unwrap(), 0)).unwrap();
    socket.connect(to).await.unwrap()
}

async fn is_answered_again(stream: &mut tokio::net::TcpStream) -> bool {
    let asked = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut answer = [0; 1024];
    asked.is_ok() && stream.read(&mut answer).await.is_ok_and(|_| answer.starts_with(b"HTTP/1.1 200 "))
}

#[test]
fn r55_there_are_only_so_many_connections_and_the_longest_idle_one_gives_way() {
    let home = Home::new(SPRAG);
    let server = home.start(&["--max-connections", "3"]);
    let mut held: Vec<_> = (0..3).map(|_| used(&server)).collect();
    assert!(is_answered(&mut held[0]), "it is no longer the longest idle one");
    assert_eq!(counted(&server, "sprag_connections_gave_way_total"), 1);
    assert_eq!(held[1].rest(), b"", "the longest idle one is closed without a word");
    assert!(is_answered(&mut held[0]) && is_answered(&mut held[2]), "and no other is");
}

#[tokio::test]
async fn idle_connections_of_one_network_keep_nobody_else_out() {
    let home = Home::new(SPRAG);
    let server = home.start(&["--max-connections", "20", "--max-connections-per-network", "4"]);
    let mut stranger = from("127.9.0.1", server.address()).await;
    assert!(is_answered_again(&mut stranger).await);
    let crowd: Vec<_> = (0..40).map(|_| server.connect()).collect();
    assert!(
        is_answered_again(&mut stranger).await,
        "the crowd's network has four places, and none of a stranger's"
    );
    let mut newcomer = from("127.8.0.1", server.address()).await;
    assert!(is_answered_again(&mut newcomer).await);
    assert!(is_answered(&mut server.connect()), "nor is somebody of the crowd's network kept out");
    drop(crowd);
}

#[test]
fn a_proxy_that_is_named_may_have_more_connections_than_a_network() {
    let home = Home::new(SPRAG);
    let flags =
        ["--max-connections", "20", "--max-connections-per-network", "2", "--trusted-proxies", "127.0.0.1"];
    let server = home.start(&flags);
    let mut held: Vec<_> = (0..10).map(|_| used(&server)).collect();
    assert!(held.iter_mut().all(is_answered), "a proxy's connections are those of many clients");
}

#[test]
fn a_request_in_the_making_gives_way_only_to_those_who_come_later_and_not_for_ever() {
    let home = Home::new(SPRAG);
    let server = home.start(&["--max-connections", "2"]);
    let body = format!(
        "POST {REFRESH} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{{"
    );
    let mut slow: Vec<_> = (0..2).map(|_| TcpStream::connect(server.address()).unwrap()).collect();
    slow.iter_mut().for_each(|stream| stream.write_all(body.as_bytes()).unwrap());
    let answered = await_some(|| is_answered(&mut server.connect()).then_some(()));
    assert!(answered.is_some(), "bodies that do not end keep everybody out");
}

/// The head of the second connection begins once the first one has been answered, and so is cut off after the first
/// would have been, were its idle time no longer than what a head may take.
#[test]
fn a_connection_may_be_idle_between_requests_for_longer_than_a_head_may_take() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let mut idle = used(&server);
    let mut slow = server.connect();
    slow.write(b"GET /healthz HT").unwrap();
    slow.rest();
    assert!(is_answered(&mut idle), "a balancer that keeps connections for a minute would have answered 502");
}

#[test]
fn keep_alive_is_a_setting() {
    let home = Home::new(SPRAG);
    let server = home.start(&["--keep-alive", "1s"]);
    let mut idle = used(&server);
    // The head's own time is ten times as long.
    assert_eq!(idle.rest(), b"", "it is closed without a word");
}

#[test]
fn many_may_connect_while_the_server_is_busy_with_something_else() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let most = fs::read_to_string("/proc/sys/net/core/somaxconn").unwrap().trim().parse().unwrap();
    server.signal(Signal::STOP);
    let mut held = Vec::new();
    while held.len() < 900.min(most) {
        match TcpStream::connect_timeout(&server.address(), Duration::from_secs(2)) {
            Ok(connected) => held.push(connected),
            Err(error) => panic!("the system takes {} connections for us, then: {error}", held.len()),
        }
    }
    server.signal(Signal::CONT);
    assert!(is_answered(&mut server.connect()));
}

#[test]
fn too_few_open_files_for_so_many_connections_are_told_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let limited = folder.path().join("limited");
    write_script(&limited, &format!("#!/bin/sh\nulimit -n 256\nexec '{SPRAG}' \"$@\"\n"));
    let home = Home::new(&limited);
    let server = home.start(&[]);
    for told in ["--max-connections 4096", "LimitNOFILE=4224", "--max-connections 128"] {
        assert!(server.log().contains(told), "{told} is not in {}", server.log());
    }
    let crowd: Vec<_> = (0..400).map(|_| server.connect()).collect();
    assert!(is_answered(&mut server.connect()), "nobody is kept out by files that cannot be opened");
    drop(crowd);
    server.stop();
    assert!(
        !home.start(&["--max-connections", "64"]).log().contains("LimitNOFILE"),
        "what is enough is not told"
    );
}

async fn http2(server: &Server, window: u32) -> SendRequest<String> {
    let stream = tokio::net::TcpStream::connect(server.address()).await.unwrap();
    let mut builder = Builder::new(TokioExecutor::new());
    let builder = builder.initial_stream_window_size(window);
    let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn request(server: &Server, method: &str, path: &str) -> hyper::Request<String> {
    let uri = format!("http://{}{path}", server.address());
    hyper::Request::builder().method(method).uri(uri).body(String::new()).unwrap()
}

/// The client answers pings and asks on, so that nothing but the unread answer can end its connection.
#[tokio::test]
async fn an_answer_that_nobody_takes_ends_its_http2_connection() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let mut sender = http2(&server, 0).await;
    let unread = sender.send_request(request(&server, "GET", "/openapi.json")).await.unwrap();
    let mut asked = 0;
    while sender.send_request(request(&server, "HEAD", HEALTH)).await.is_ok() {
        asked += 1;
        assert!(asked < 60, "an answer is kept for ever for somebody who takes nothing of it");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    drop(unread);
}

#[tokio::test]
async fn an_answer_that_is_taken_slowly_is_sent_to_its_end() {
    let home = Home::new(SPRAG);
    let server = home.start(&["--keep-alive", "2s"]);
    // Smaller than what is handed on at once.
    let mut sender = http2(&server, 1000).await;
    let answer = sender.send_request(request(&server, "GET", "/openapi.json")).await.unwrap();
    let length: usize = answer.headers()["content-length"].to_str().unwrap().parse().unwrap();
    let body = http_body_util::BodyExt::collect(answer.into_body()).await.unwrap();
    assert_eq!(body.to_bytes().len(), length);
    // Once all of it is taken the connection is idle, and closed as such.
    while sender.ready().await.is_ok() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Each stream holds a head and a part of a body, and each client 32 of them: far more than the share of a network.
#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_do_not_end_give_way_once_their_network_holds_its_share() {
    let home = Home::new(SPRAG);
    let server = home.start(&["--max-connections", "512", "--max-connections-per-network", "512"]);
    let mut stranger = from("127.9.0.1", server.address()).await;
    assert!(is_answered_again(&mut stranger).await);
    let padding = format!("X: {}\r\n", "x".repeat(150)).repeat(90);
    let head = format!("POST {REFRESH} HTTP/1.1\r\nHost: a\r\n{padding}Content-Length: 65536\r\n\r\n");
    let upload = [head.into_bytes(), vec![b' '; 65_000]].concat();
    let mut held = Vec::new();
    for _ in 0..200 {
        let mut stream = from("127.0.0.1", server.address()).await;
        // It may have been closed by then.
        let _ = stream.write_all(&upload).await;
        held.push(stream);
    }
    assert!(is_answered_again(&mut stranger).await, "who holds nothing is not closed");
    let has_given_way = || (counted(&server, "sprag_connections_gave_way_total") > 0).then_some(());
    let gave_way = tokio::task::block_in_place(|| await_some(has_given_way));
    assert!(gave_way.is_some(), "16 MiB of bodies are held for one network");
}

/// Each chunk in a buffer of its own would be 32 times as much.
#[test]
fn a_body_that_comes_byte_by_byte_is_held_as_its_bytes() {
    let home = Home::new(SPRAG);
    let server = home.start(&[]);
    let head = format!("POST {REFRESH} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunks = [head.into_bytes(), b"1\r\n \r\n".repeat(64_000)].concat();
    let held: Vec<_> = (0..64)
        .map(|_| {
            let mut stream = TcpStream::connect(server.address()).unwrap();
            stream.write_all(&chunks).unwrap();
            stream
        })
        .collect();
    for mut stream in held {
        // On a busy machine it has been refused by then, as too slow.
        let _ = stream.write_all(b"0\r\n\r\n");
        let _ = stream.read_exact(&mut [0; 12]);
    }
    let status = fs::read_to_string(format!("/proc/{}/status", server.id())).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok());
    let peak: u64 = peak.unwrap();
    assert!(peak < 80 * 1024, "{peak} KiB for 64 bodies of 64 KiB");
    // The wire is as it was.
    assert_eq!(server.ask(&login("nobody", "a wrong password")).status, 401);
}
