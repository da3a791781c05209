//! A server with TLS shows the certificates it is told to.

use std::path::Path;

use sprag_rig::Postgres;

const PSQL_READS: &str = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";

/// What libpq makes of the server, with everything checked.
fn verified(server: &Postgres, host: &str, ca: &Path) -> Result<String, String> {
    let way = format!(
        "host={host} port={} user=postgres dbname=postgres sslmode=verify-full sslrootcert={}",
        server.port(),
        ca.display()
    );
    let output = std::process::Command::new(server.bin("psql"))
        .args(["-X", "-Atq", "-d", &way, "-c", PSQL_READS])
        .output()
        .expect("psql runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim_end().to_owned();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn assert_refused(result: Result<String, String>, because: &str) {
    assert!(result.as_ref().is_err_and(|said| said.contains(because)), "{result:?} should tell of {because}");
}

#[test]
fn each_certificate_is_right_or_wrong_in_its_own_way() {
    let (server, files) = Postgres::with_tls();
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(verified(&server, host, &files.ca), Ok("t".to_owned()));
    }
    assert_refused(verified(&server, "localhost", &files.foreign_ca), "certificate verify failed");
    server.present(&files.wrong_name);
    assert_refused(verified(&server, "localhost", &files.ca), "elsewhere.example");
    server.present(&files.foreign);
    assert_refused(verified(&server, "localhost", &files.ca), "certificate verify failed");
    assert_eq!(verified(&server, "localhost", &files.foreign_ca), Ok("t".to_owned()));
    server.set("ssl", "off");
    assert_refused(verified(&server, "localhost", &files.ca), "does not support SSL");
}
