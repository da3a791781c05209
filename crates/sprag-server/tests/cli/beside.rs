//! Beside the old service: what the guides have a proxy do, as they print it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use sprag_rig::Nginx;
use sprag_server::profile::{Profile, builtin_names};

use crate::given::an_empty_folder;

const SECRET: &str = "Vq3!fK8wZt5LpX0nRb7YcJd2HsGm9TuE";

/// A service that answers everything with one word, for as long as the test lasts.
fn an_old_service() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nconnection: close\r\n\r\nold");
        }
    });
    address
}

/// The guide's part of a file, with what stands around it: where nginx listens, and the two it leads to.
fn file_of(guide: &str) -> String {
    let block = guide.split("```nginx\n").nth(1).unwrap().split("```").next().unwrap();
    let old = block.rsplit("proxy_pass http://").next().unwrap().split(';').next().unwrap();
    let block = block.replace("127.0.0.1:8080", "127.0.0.1:8081").replace(old, "127.0.0.1:8082");
    format!("events {{\n}}\nhttp {{\nserver {{\nlisten 127.0.0.1:8080;\n{block}}}\n}}\n")
}

fn ask(address: SocketAddr, method: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nhost: {address}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
fn each_guides_proxy_leads_log_ins_here_and_everything_else_where_it_went() {
    let guides = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/guide");
    for name in builtin_names() {
        let profile = Profile::builtin(name).unwrap().unwrap();
        if profile.import.is_none() {
            continue;
        }
        let guide = std::fs::read_to_string(guides.join(format!("moving-from-{name}.md"))).unwrap();
        let folder = an_empty_folder().set("SPRAG_PROFILES", name).set("SPRAG_HS256_SECRET", SECRET);
        let folder = folder.set("SPRAG_SIGNING_ALGORITHM", "HS256").set("SPRAG_TRUSTED_PROXIES", "127.0.0.1");
        folder.write("nginx.conf", file_of(&guide));
        let server = folder.serve();
        let proxy = Nginx::start(&folder.path("nginx.conf"), &[server.address, an_old_service()]);
        for route in &profile.wire.routes {
            let path = route.path.replace("{id}", "01997c5e-0000-7000-8000-000000000000");
            let answer = ask(proxy.addr(), route.method.as_str(), &path);
            assert!(answer.starts_with('{') || answer.is_empty(), "{name} {path}: {answer}");
            for other in [format!("{path}/more"), format!("{path}s"), format!("/v0{path}")] {
                let is_ours = profile.wire.routes.iter().any(|route| route.path == other);
                // One segment below a list is one of what it lists, whatever that segment is.
                if is_ours
                    || other.ends_with("/tokens/more")
                    || (path != route.path && other == format!("{path}s"))
                {
                    continue;
                }
                assert_eq!(ask(proxy.addr(), "GET", &other), "old", "{name} {other}");
            }
        }
        assert_eq!(ask(proxy.addr(), "GET", "/"), "old", "{name}");
        assert_eq!(ask(proxy.addr(), "POST", "/api/v1/orders?of=ann"), "old", "{name}");
    }
}
