//! What stands before servers: PgBouncer before PostgreSQL, nginx and HAProxy before nodes.

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::thread;

use sprag_rig::{Haproxy, Nginx, PgBouncer, Postgres};

/// Like the guide's, and with what a distribution's own file adds to it.
const NGINX: &str = "
user www-data;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log warn;
events { worker_connections 64; }
http {
    access_log /var/log/nginx/access.log;
    proxy_temp_path /var/lib/nginx/proxy;
    upstream nodes {
        server 127.0.0.1:8081;
        server 127.0.0.1:8082;
    }
    server {
        listen 127.0.0.1:8080;
        location / { proxy_pass http://nodes; }
    }
}
";
const HAPROXY: &str = "
global
    log /dev/log local0
    chroot /var/lib/haproxy
    stats socket /run/haproxy/admin.sock mode 660
    user haproxy
    group haproxy
    daemon
defaults
    mode http
    log global
    timeout connect 1s
    timeout client 5s
    timeout server 5s
frontend world
    bind 127.0.0.1:8080
    default_backend nodes
backend nodes
    server one 127.0.0.1:8081
    server two 127.0.0.1:8082
";

/// A node that answers every request by its name.
fn node(name: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head =
                BufReader::new(&stream).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            if head.count() > 0 {
                write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{name}", name.len()).unwrap();
            }
        }
    });
    addr
}

fn ask(addr: SocketAddr) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().last().unwrap_or_default().to_owned()
}

fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("template");
    fs::write(&file, text).unwrap();
    (dir, file)
}

fn both() -> BTreeSet<String> {
    BTreeSet::from(["one".to_owned(), "two".to_owned()])
}

#[test]
fn nginx_runs_a_file_written_for_root() {
    let (_dir, file) = written(NGINX);
    let nginx = Nginx::start(&file, &[node("one"), node("two")]);
    // Its workers take turns each for itself.
    let heard: BTreeSet<_> = (0..8).map(|_| ask(nginx.addr())).collect();
    assert_eq!(heard, both(), "{}", nginx.log());
}

#[test]
fn haproxy_runs_a_file_written_for_root() {
    let (_dir, file) = written(HAPROXY);
    let haproxy = Haproxy::start(&file, &[node("one"), node("two")]);
    let heard: BTreeSet<_> = (0..8).map(|_| ask(haproxy.addr())).collect();
    assert_eq!(heard, both(), "{}", haproxy.log());
}

#[test]
#[should_panic(expected = "one for each upstream is needed")]
fn a_node_too_many_is_noticed() {
    let (_dir, file) = written(NGINX);
    let nobody = SocketAddr::from(([127, 0, 0, 1], 9));
    drop(Nginx::start(&file, &[nobody; 3]));
}

#[test]
fn pgbouncer_shares_few_connections_among_many() {
    let server = Postgres::shared();
    let database = server.fresh_database();
    let bouncer = PgBouncer::start(server, 1);
    let url = bouncer.url(database.name());
    let psql = |sql: &str| {
        let output =
            Command::new(server.bin("psql")).args(["-X", "-Atq", "-d", &url, "-c", sql]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let first = psql("select pg_backend_pid()");
    thread::scope(|scope| {
        let asked: Vec<_> = (0..4).map(|_| scope.spawn(|| psql("select pg_backend_pid()"))).collect();
        for asked in asked {
            assert_eq!(asked.join().unwrap(), first);
        }
    });
    assert_eq!(psql("select current_database()").trim_end(), database.name());
}
