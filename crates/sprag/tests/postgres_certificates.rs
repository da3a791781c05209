//! Certificates as PostgreSQL's manual has them made, and worse ones: taken exactly where libpq takes them.
#![cfg(feature = "postgres")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sprag::store::postgres::{PostgresStore, Settings};
use sprag_rig::{Identity, Postgres, tools};
use tempfile::TempDir;

/// The files of certificates, made with the commands of the manual.
struct Workshop {
    folder: TempDir,
}

impl Workshop {
    fn new() -> Self {
        let workshop = Self { folder: TempDir::new().expect("a folder") };
        // What the manual takes from the operating system's settings of OpenSSL.
        workshop.write(
            "openssl.cnf",
            "[req]\ndistinguished_name = name\nx509_extensions = v3_ca\n[name]\n\
             [v3_ca]\nsubjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid:always,issuer\n\
             basicConstraints = critical,CA:true\n\
             [short]\nbasicConstraints = critical,CA:true,pathlen:0\n\
             [signs_nothing]\nbasicConstraints = critical,CA:true\nkeyUsage = critical,cRLSign\n\
             [no_authority]\nbasicConstraints = CA:false\n\
             [client]\nextendedKeyUsage = clientAuth\n\
             [own_name]\nsubjectAltName = DNS:localhost\n\
             [other_name]\nsubjectAltName = DNS:elsewhere.example\n\
             [other_address]\nsubjectAltName = IP:10.0.0.7\n\
             [comment]\nnsComment = made by hand\n\
             [narrow]\nbasicConstraints = critical,CA:true\nnameConstraints = permitted;DNS:elsewhere.example\n\
             [leaf]\nbasicConstraints = CA:false\nsubjectAltName = DNS:localhost\n\
             [served]\nkeyUsage = critical,digitalSignature,keyEncipherment\nextendedKeyUsage = serverAuth\n\
             subjectAltName = DNS:localhost,IP:127.0.0.1\n\
             [bare]\nsubjectKeyIdentifier = hash\n\
             [unknown]\n1.2.3.4 = critical,DER:0500\n",
        );
        workshop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).expect("a file can be written");
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn openssl(&self, line: &str) {
        let mut openssl = Command::new(tools::program("openssl"));
        openssl.args(line.split_whitespace()).current_dir(self.folder.path());
        let ran = openssl.env("OPENSSL_CONF", self.path("openssl.cnf")).output().expect("openssl runs");
        assert!(ran.status.success(), "openssl {line}: {}", String::from_utf8_lossy(&ran.stderr));
    }

    fn request(&self, name: &str, common_name: &str) {
        self.openssl(&format!(
            "req -new -nodes -text -out {name}.csr -keyout {name}.key -subj /CN={common_name} -newkey rsa:2048"
        ));
    }

    /// An authority that signs itself, with those extensions; none makes one of version 1.
    fn root(&self, name: &str, common_name: &str, extensions: &str) {
        self.request(name, common_name);
        self.openssl(&format!(
            "x509 -req -in {name}.csr -text -days 3650 {} -signkey {name}.key -out {name}.crt",
            with(extensions)
        ));
    }

    /// A certificate that another has signed.
    fn signed(&self, name: &str, common_name: &str, by: &str, extensions: &str) {
        self.signed_for(365, name, common_name, by, extensions);
    }

    fn signed_for(&self, days: i32, name: &str, common_name: &str, by: &str, extensions: &str) {
        self.request(name, common_name);
        self.openssl(&format!(
            "x509 -req -in {name}.csr -text -days {days} {} -CA {by}.crt -CAkey {by}.key -CAcreateserial \
             -out {name}.crt",
            with(extensions)
        ));
    }
}

fn with(extensions: &str) -> String {
    if extensions.is_empty() {
        String::new()
    } else {
        format!("-extfile openssl.cnf -extensions {extensions}")
    }
}

/// A server that shows some certificates, to a client that trusts others, and what libpq thinks of that.
struct Scene<'s> {
    server: &'s Postgres,
    workshop: &'s Workshop,
    told: Vec<String>,
}

impl Scene<'_> {
    /// Whether `verify-ca` and `verify-full` are satisfied by what is shown, by us as by libpq.
    async fn is(&mut self, shown: &[&str], trusted: &str, wanted: (bool, bool)) {
        let certificates: String =
            shown.iter().map(|name| self.workshop.read(&format!("{name}.crt"))).collect();
        let identity =
            self.server.identity("shown", &certificates, &self.workshop.read(&format!("{}.key", shown[0])));
        // The files have the names of those before them, so their content is told apart by a reload.
        self.server.present(&Identity { ..identity });
        let roots = self.workshop.path(&format!("{trusted}.crt"));
        for (mode, wanted) in [("require", wanted.0), ("verify-ca", wanted.0), ("verify-full", wanted.1)] {
            for (version, setting) in [("1.3", ""), ("1.2", "TLSv1.2")] {
                self.server.set("ssl_max_protocol_version", setting);
                let (libpqs, ours) = (self.by_libpq(mode, &roots), self.by_us(mode, Some(&roots)).await);
                if (libpqs, ours) != (wanted, wanted) {
                    self.told.push(format!(
                        "{shown:?} trusting {trusted}, {mode}, TLS {version}: libpq {libpqs}, we {ours}, wanted {wanted}"
                    ));
                }
            }
        }
        // Without roots nothing is checked but that the server has the key.
        assert!(self.by_us("require", None).await, "{shown:?}");
    }

    /// Takes a certificate that signed itself, and is trusted, where libpq does.
    async fn agrees(&mut self, shown: &str) {
        let identity = self.server.identity(
            "shown",
            &self.workshop.read(&format!("{shown}.crt")),
            &self.workshop.read(&format!("{shown}.key")),
        );
        self.server.present(&Identity { ..identity });
        let roots = self.workshop.path(&format!("{shown}.crt"));
        for mode in ["verify-ca", "verify-full"] {
            let (libpqs, ours) = (self.by_libpq(mode, &roots), self.by_us(mode, Some(&roots)).await);
            if libpqs != ours {
                self.told.push(format!("{shown}, {mode}: libpq {libpqs}, we {ours}"));
            }
        }
    }

    /// What we say of a server whose certificate we do not take.
    async fn complaint(&self, mode: &str, trusted: &str) -> String {
        let (port, roots) = (self.server.port(), self.workshop.path(&format!("{trusted}.crt")));
        let url = format!(
            "postgres://postgres@localhost:{port}/postgres?sslmode={mode}&sslrootcert={}",
            roots.display()
        );
        let refused = PostgresStore::migrate(&Settings::new(url.parse().expect("a URL"))).await;
        let fault = refused.expect_err("it is not taken");
        fault.source.map(|source| source.to_string()).unwrap_or_default()
    }

    fn by_libpq(&self, mode: &str, roots: &Path) -> bool {
        let target = format!(
            "host=localhost port={} user=postgres dbname=postgres sslmode={mode} sslrootcert={}",
            self.server.port(),
            roots.display()
        );
        let ran = Command::new(self.server.bin("psql")).args(["-Xc", "select 1", &target]).output();
        ran.expect("psql runs").status.success()
    }

    async fn by_us(&self, mode: &str, roots: Option<&Path>) -> bool {
        let roots = roots.map(|roots| format!("&sslrootcert={}", roots.display())).unwrap_or_default();
        let port = self.server.port();
        let url = format!("postgres://postgres@localhost:{port}/postgres?sslmode={mode}{roots}");
        PostgresStore::migrate(&Settings::new(url.parse().expect("a URL"))).await.is_ok()
    }
}

const HOST: &str = "localhost";

#[tokio::test(flavor = "multi_thread")]
async fn certificates_as_the_manual_makes_them_are_taken_where_libpq_takes_them() {
    let (server, _) = Postgres::with_tls();
    let made = Workshop::new();
    // The manual, 18.9.5, in its order.
    made.openssl(&format!(
        "req -new -x509 -days 365 -nodes -text -out alone.crt -keyout alone.key -subj /CN={HOST} -newkey rsa:2048"
    ));
    made.root("root", "root.yourdomain.com", "v3_ca");
    made.signed("server", HOST, "root", "");
    made.signed("intermediate", "intermediate.yourdomain.com", "root", "v3_ca");
    made.signed("below", HOST, "intermediate", "");
    made.signed("elsewhere", "elsewhere.example", "root", "");
    made.signed("comment", HOST, "root", "comment");
    // Of version 1 throughout.
    made.root("alone-1", HOST, "");
    made.root("root-1", "root-of-version-1", "");
    made.signed("server-1", HOST, "root-1", "");

    let mut scene = Scene { server: &server, workshop: &made, told: Vec::new() };
    let (all, any_name, none) = ((true, true), (true, false), (false, false));
    scene.is(&["alone"], "alone", all).await;
    scene.is(&["alone"], "root", none).await;
    scene.is(&["server"], "root", all).await;
    scene.is(&["server"], "alone", none).await;
    scene.is(&["below", "intermediate"], "root", all).await;
    scene.is(&["below"], "root", none).await;
    scene.is(&["elsewhere"], "root", any_name).await;
    scene.is(&["comment"], "root", all).await;
    scene.is(&["alone-1"], "alone-1", all).await;
    scene.is(&["alone-1"], "root-1", none).await;
    scene.is(&["server-1"], "root-1", all).await;
    scene.is(&["server-1"], "root", none).await;
    assert!(scene.told.is_empty(), "{:#?}", scene.told);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_signed_itself_was_not_taken_where_libpq_takes_it() {
    let (server, _) = Postgres::with_tls();
    let made = Workshop::new();
    let forms: &[&str] =
        &["v3_ca", "leaf", "served", "own_name", "bare", "signs_nothing", "comment", "client", "other_name"];
    let keys = [
        ("ec", "ec -pkeyopt ec_paramgen_curve:prime256v1", forms),
        ("rsa", "rsa:2048", &forms[..2]),
        ("p384", "ec -pkeyopt ec_paramgen_curve:secp384r1", &forms[..2]),
        ("ed25519", "ed25519", &forms[..2]),
    ];
    let mut scene = Scene { server: &server, workshop: &made, told: Vec::new() };
    for (key, wanted, forms) in keys {
        for form in forms {
            let name = format!("{key}-{form}");
            made.openssl(&format!(
                "req -new -x509 -days 365 -nodes -text -out {name}.crt -keyout {name}.key -subj /CN={HOST} -newkey {wanted} \
                 -extensions {form}"
            ));
            scene.agrees(&name).await;
        }
    }
    assert!(scene.told.is_empty(), "{:#?}", scene.told);
}

#[tokio::test(flavor = "multi_thread")]
async fn why_a_certificate_is_not_taken_was_said_in_the_words_of_a_library() {
    let (server, _) = Postgres::with_tls();
    let made = Workshop::new();
    made.root("root", "root.yourdomain.com", "v3_ca");
    made.signed("server", HOST, "root", "");
    made.root("other", "other.yourdomain.com", "v3_ca");
    made.signed("elsewhere", "elsewhere.example", "root", "other_name");
    made.signed_for(-1, "expired", HOST, "root", "own_name");
    let mut scene = Scene { server: &server, workshop: &made, told: Vec::new() };
    for (shown, mode, trusted, words) in [
        ("server", "verify-ca", "other", "leads to none of those in sslrootcert"),
        ("elsewhere", "verify-full", "root", "is for another host than the URL names"),
        ("expired", "verify-ca", "root", "has expired"),
    ] {
        let identity = server.identity(
            "shown",
            &made.read(&format!("{shown}.crt")),
            &made.read(&format!("{shown}.key")),
        );
        server.present(&Identity { ..identity });
        let told = scene.complaint(mode, trusted).await;
        if !told.contains(words) {
            scene.told.push(format!("{shown}: {told}"));
        }
    }
    assert!(scene.told.is_empty(), "{:#?}", scene.told);
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_libpq_refuses_are_refused() {
    let (server, _) = Postgres::with_tls();
    let made = Workshop::new();
    made.root("root", "root.yourdomain.com", "v3_ca");
    made.root("impostor", "root.yourdomain.com", "v3_ca");
    made.signed("forged", HOST, "impostor", "");
    made.signed_for(-1, "expired", HOST, "root", "");
    made.signed("client", HOST, "root", "client");
    made.signed("other-name", HOST, "root", "other_name");
    made.signed("other-address", HOST, "root", "other_address");
    made.signed("unknown", HOST, "root", "unknown");
    made.signed("no-authority", "no-authority", "root", "no_authority");
    made.signed("by-nobody", HOST, "no-authority", "");
    made.signed("version-1", "version-1", "root", "");
    made.signed("by-version-1", HOST, "version-1", "");
    made.signed("signs-nothing", "signs-nothing", "root", "signs_nothing");
    made.signed("by-signs-nothing", HOST, "signs-nothing", "");
    made.signed("narrow", "narrow", "root", "narrow");
    made.signed("by-narrow", HOST, "narrow", "own_name");
    made.root("short", "short", "short");
    made.signed("middle", "middle", "short", "v3_ca");
    made.signed("by-middle", HOST, "middle", "");

    let mut scene = Scene { server: &server, workshop: &made, told: Vec::new() };
    let (any_name, none) = ((true, false), (false, false));
    scene.is(&["forged"], "root", none).await;
    scene.is(&["forged", "impostor"], "root", none).await;
    scene.is(&["expired"], "root", none).await;
    scene.is(&["client"], "root", none).await;
    scene.is(&["other-name"], "root", any_name).await;
    scene.is(&["other-address"], "root", (true, true)).await;
    scene.is(&["unknown"], "root", none).await;
    scene.is(&["by-nobody", "no-authority"], "root", none).await;
    scene.is(&["by-version-1", "version-1"], "root", none).await;
    scene.is(&["by-signs-nothing", "signs-nothing"], "root", none).await;
    scene.is(&["by-narrow", "narrow"], "root", none).await;
    scene.is(&["by-middle", "middle"], "short", none).await;
    assert!(scene.told.is_empty(), "{:#?}", scene.told);
}
