//! `sprag healthy`, beside a server, without one, and beside what only looks like one.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use crate::given::{Folder, Outcome, an_empty_folder};

fn asked(folder: &Folder, address: &str, more: &[&str]) -> Outcome {
    folder.run(&[&["healthy", "--listen", address], more].concat())
}

#[test]
fn a_server_that_answers_is_healthy_and_one_that_has_gone_is_not() {
    let folder = an_empty_folder();
    let server = folder.serve();
    let address = server.address.to_string();
    let alive = asked(&folder, &address, &[]).succeeds();
    assert_eq!(alive, format!("the server at {address} answers /healthz: ok\n"));
    let ready = asked(&folder, &address, &["--ready"]).succeeds();
    assert_eq!(ready, format!("the server at {address} answers /readyz: ready\n"));
    server.stops();
    for more in [&[][..], &["--ready"]] {
        let told = asked(&folder, &address, more).fails();
        let (place, origin) = (format!("could not connect to {address}"), "(flag --listen)");
        assert!(told.contains(&place) && told.contains(origin), "{told}");
    }
}

#[test]
fn the_settings_of_the_server_say_where_it_is_asked() {
    let folder = an_empty_folder();
    let server = folder.serve();
    let port = server.address.port();
    let settings = |listen: &str| {
        folder.write("sprag.toml", format!("listen = \"{listen}\"\npublic_url = \"https://a.example\"\n"))
    };
    // Of every address, this machine's own.
    for listen in [format!("127.0.0.1:{port}"), format!("0.0.0.0:{port}"), format!("[::]:{port}")] {
        settings(&listen);
        let told = folder.run(&["healthy"]).succeeds();
        assert_eq!(told, format!("the server at 127.0.0.1:{port} answers /healthz: ok\n"), "{listen}");
    }
    settings("127.0.0.1:0");
    let told = folder.run(&["healthy"]).fails();
    assert!(told.contains("whichever port was free"), "{told}");
    assert!(folder.run(&["healthy", "--listen", "nowhere"]).fails().contains("--listen"));
}

#[test]
fn whoever_watches_need_not_be_allowed_to_read_the_secrets_of_the_server() {
    let folder = an_empty_folder();
    let server = folder.serve();
    // A folder cannot be read as a file, not even by root.
    let (secret, credentials) = (folder.path("secret"), folder.path("credentials"));
    fs::create_dir_all(&secret).unwrap();
    fs::create_dir_all(credentials.join("key-ring")).unwrap();
    let settings = format!("listen = \"{}\"\nsigning_algorithm = \"HS256\"\n", server.address);
    let healthy = |toml: &str, variables: &[(&str, &Path)]| {
        folder.write("sprag.toml", format!("{settings}{toml}"));
        let mut command = folder.command(&["healthy", "--ready"]);
        let done = command.envs(variables.iter().copied()).output().unwrap();
        assert!(done.status.success(), "{toml} {variables:?}: {}", String::from_utf8_lossy(&done.stderr));
    };
    for setting in ["database_url", "hs256_secret", "key_ring"] {
        healthy(&format!("{setting}_file = \"secret\"\n"), &[]);
        let variable = format!("SPRAG_{}_FILE", setting.to_uppercase());
        healthy("", &[(&variable, &secret)]);
    }
    healthy("", &[("CREDENTIALS_DIRECTORY", &credentials)]);
    // It is another matter for whoever works on the store.
    folder.write("sprag.toml", "database_url_file = \"secret\"\n");
    assert!(folder.run(&["user", "list"]).fails().contains("it is a folder"));
}

#[test]
fn asking_makes_nothing_and_needs_no_store() {
    let folder = an_empty_folder();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    asked(&folder, &free.to_string(), &[]).fails();
    assert!(folder.is_empty(), "whoever watches leaves no trace");
}

#[test]
fn another_program_at_that_address_is_not_taken_for_a_healthy_server() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let stranger = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1024]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nwelcome").unwrap();
    });
    let told = asked(&an_empty_folder(), &address, &[]).fails();
    stranger.join().unwrap();
    assert!(told.contains("is another program listening there?"), "{told}");
}

#[test]
fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let told = asked(&an_empty_folder(), &address, &[]).fails();
    assert!(told.contains(&format!("no answer from {address} within 5 s")), "{told}");
}
