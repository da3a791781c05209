//! A server that speaks TLS, and the certificates for every way in which that can go wrong.

use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};

use super::Postgres;
use crate::supervisor::Supervisor;

const NAMES: [&str; 2] = ["localhost", "127.0.0.1"];
const WRONG_NAME: &str = "elsewhere.example";

/// The certificates of [`Postgres::with_tls`], as PEM files in the server's directory.
#[derive(Clone, Debug)]
pub struct TlsFiles {
    /// The authority a client trusts.
    pub ca: PathBuf,
    /// An authority that has signed nothing but `foreign`.
    pub foreign_ca: PathBuf,
    /// What the server shows at first: for `localhost` and 127.0.0.1, signed by `ca`.
    pub right: Identity,
    /// Signed by `ca`, for another host.
    pub wrong_name: Identity,
    /// For the right hosts, signed by `foreign_ca`.
    pub foreign: Identity,
}

/// What a server shows of itself, and the key that goes with it.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

impl Postgres {
    /// A server that offers TLS. It still takes connections without, as PostgreSQL does by default.
    pub fn with_tls() -> (Self, TlsFiles) {
        let server = Self::builder().prepared();
        let files = TlsFiles::write(&server.supervisor);
        let Identity { certificate, key } = &files.right;
        let settings =
            [("ssl", "on".to_owned()), ("ssl_cert_file", shown(certificate)), ("ssl_key_file", shown(key))];
        server.append("postgresql.conf", settings.map(|(name, value)| (name.to_owned(), value)));
        (server.started(), files)
    }

    /// A certificate that was made elsewhere, with those of its authorities below it if they are to be sent along, and its
    /// key: as PEM.
    pub fn identity(&self, name: &str, certificate: &str, key: &str) -> Identity {
        Identity {
            certificate: self.supervisor.write(&format!("{name}.crt"), certificate),
            key: self.supervisor.write(&format!("{name}.key"), key),
        }
    }

    /// Shows another certificate to connections from now on.
    pub fn present(&self, identity: &Identity) {
        // Between the two settings certificate and key do not match; the server keeps the old pair until they do.
        self.set("ssl_cert_file", &shown(&identity.certificate));
        self.set("ssl_key_file", &shown(&identity.key));
    }
}

impl TlsFiles {
    fn write(place: &Supervisor) -> Self {
        let (ca, foreign_ca) = (authority("The tests' CA"), authority("A foreign CA"));
        Self {
            ca: place.write("ca.crt", &ca.pem()),
            foreign_ca: place.write("foreign-ca.crt", &foreign_ca.pem()),
            right: identity(place, "right", &ca, &NAMES),
            wrong_name: identity(place, "wrong-name", &ca, &[WRONG_NAME]),
            foreign: identity(place, "foreign", &foreign_ca, &NAMES),
        }
    }
}

fn authority(name: &str) -> Issuer {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, key()).expect("an authority signs itself")
}

fn identity(place: &Supervisor, file: &str, issuer: &Issuer, names: &[&str]) -> Identity {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names of hosts and addresses");
    params.distinguished_name.push(DnType::CommonName, "a PostgreSQL server of the tests");
    let key = key();
    let certificate = params.signed_by(&key, issuer).expect("the authority signs");
    Identity {
        certificate: place.write(&format!("{file}.crt"), &certificate.pem()),
        key: place.write(&format!("{file}.key"), &key.serialize_pem()),
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("could not make a key")
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}
