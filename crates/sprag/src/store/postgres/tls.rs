//! TLS as libpq's modes ask for it.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::certificates::{self, Trusted};
use super::server::{Roots, Server, TlsMode};
use crate::error::Fault;

const DOING: &str = "prepare TLS for the database";

/// What makes connections of that server's mode.
pub(super) fn connector(server: &Server) -> Result<MakeRustlsConnect, Fault> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let checks_name = server.tls == TlsMode::VerifyFull;
    let roots = match &server.root_certificates {
        Roots::Unnamed => None,
        _ if server.is_by_socket() => None,
        Roots::System => Some((of_the_system()?, Vec::new())),
        Roots::File(path) => Some(in_file(path)?),
    };
    let algorithms = provider.signature_verification_algorithms;
    let verifier: Arc<dyn ServerCertVerifier> = match roots {
        None => Arc::new(Verifier { algorithms, vouched: None }),
        Some((roots, certificates)) => {
            let whole = match roots.is_empty() {
                true => None,
                false => {
                    let whole =
                        WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                            .build();
                    Some(whole.map_err(|error| Fault::unavailable(DOING, error))?)
                }
            };
            let trusted = Trusted::new(&certificates, algorithms);
            Arc::new(Verifier { algorithms, vouched: Some(Vouched { whole, trusted, checks_name }) })
        }
    };
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Fault::unavailable(DOING, error))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn of_the_system() -> Result<RootCertStore, Fault> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why =
            "sslrootcert=system: the operating system has no root certificates; install ca-certificates";
        return Err(Fault::unavailable(DOING, why));
    }
    Ok(roots)
}

fn in_file(path: &Path) -> Result<(RootCertStore, Vec<CertificateDer<'static>>), Fault> {
    let wrong = |why: String| Fault::unavailable(DOING, format!("sslrootcert {}: {why}", path.display()));
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
    let found: Result<Vec<_>, _> = found.collect();
    let found = found.map_err(|error| wrong(error.to_string()))?;
    if found.is_empty() {
        return Err(wrong("no certificate in it; it must be a PEM file".to_owned()));
    }
    for certificate in &found {
        // What webpki does not take as a root may be one all the same, as it is for OpenSSL.
        if let Err(error) = roots.add(certificate.clone())
            && !certificates::is_readable(certificate)
        {
            return Err(wrong(format!(
                "a certificate in it cannot be read ({error}); write it anew, in PEM"
            )));
        }
    }
    Ok((roots, found))
}

/// What is checked of a server. That it holds its certificate's key is checked in every mode.
#[derive(Debug)]
struct Verifier {
    algorithms: WebPkiSupportedAlgorithms,
    /// Nobody vouches in libpq's `prefer` and `require` without roots: encrypted, to whoever answers.
    vouched: Option<Vouched>,
}

/// libpq's `verify-ca`: the certificate must lead to a root, whatever host it is for; and `verify-full`, where it must be
/// the host's.
#[derive(Debug)]
struct Vouched {
    /// `None` where webpki takes none of the roots.
    whole: Option<Arc<WebPkiServerVerifier>>,
    trusted: Trusted,
    checks_name: bool,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(Vouched { whole, trusted, checks_name }) = &self.vouched else {
            return Ok(ServerCertVerified::assertion());
        };
        let verified = match whole {
            Some(whole) => {
                whole.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            None => Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        match verified {
            Ok(verified) => Ok(verified),
            // The name is what is checked last.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !checks_name => Ok(ServerCertVerified::assertion()),
            Err(error) => {
                let is_named = !checks_name || certificates::is_of(end_entity, server_name);
                let is_vouched_for = is_named && trusted.vouch_for(end_entity, intermediates, now);
                if is_vouched_for { Ok(ServerCertVerified::assertion()) } else { Err(error) }
            }
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = rustls::crypto::verify_tls12_signature(message, certificate, signed, &self.algorithms);
        self.or_of_another_version(verified, message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let verified = rustls::crypto::verify_tls13_signature(message, certificate, signed, &self.algorithms);
        self.or_of_another_version(verified, message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

impl Verifier {
    /// webpki cannot read a certificate of version 1, and so not its key.
    fn or_of_another_version(
        &self,
        verified: Result<HandshakeSignatureValid, Error>,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        match verified {
            Err(Error::InvalidCertificate(_))
                if certificates::has_signed_handshake(certificate, message, signed, &self.algorithms) =>
            {
                Ok(HandshakeSignatureValid::assertion())
            }
            verified => verified,
        }
    }
}
