//! Certificates that OpenSSL takes, and so libpq does, and webpki does not: of X.509 version 1, as `openssl x509 -req` makes
//! them; an authority's own, shown by the server; and such as tell their host by their common name only.
//!
//! PostgreSQL's manual makes all three. What is asked here is what OpenSSL asks: a chain of valid signatures and dates that
//! ends in a certificate that is trusted and its own issuer, made by authorities that may make one, each fit for a server.
//! Whatever is in them that is not known here is refused.

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, IpAddr, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use x509_cert::certificate::Version;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Decode, Encode, Header, Reader as _, SliceReader};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName,
    SubjectKeyIdentifier,
};

/// How many certificates stand between a server's and a root at most.
const MAX_BETWEEN: usize = 8;

/// How many signatures are looked at for one server, whatever it sends.
const MAX_SIGNATURES: usize = 64;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const FOR_SERVERS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");

/// What narrows a certificate, critical or not, in ways that are not understood here: for which names an authority may sign,
/// and Netscape's purposes.
const NARROWING: [ObjectIdentifier; 2] =
    [ObjectIdentifier::new_unwrap("2.5.29.30"), ObjectIdentifier::new_unwrap("2.16.840.1.113730.1.1")];

/// What may be critical in a certificate.
const KNOWN: [ObjectIdentifier; 6] = [
    BasicConstraints::OID,
    KeyUsage::OID,
    ExtendedKeyUsage::OID,
    SubjectAltName::OID,
    SubjectKeyIdentifier::OID,
    AuthorityKeyIdentifier::OID,
];

/// A certificate, and the bytes that its issuer has signed.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Certificate {
    parsed: x509_cert::Certificate,
    signed: Vec<u8>,
    whole: Vec<u8>,
}

/// Those that are trusted.
#[derive(Clone, Debug)]
pub(super) struct Trusted {
    roots: Vec<Certificate>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl Trusted {
    /// What cannot be read is left out, and so vouches for nobody.
    pub(super) fn new(roots: &[CertificateDer<'_>], algorithms: WebPkiSupportedAlgorithms) -> Self {
        Self { roots: roots.iter().filter_map(|der| Certificate::read(der)).collect(), algorithms }
    }

    /// Whether a server's certificate leads to a root, with those that it has sent along.
    pub(super) fn vouch_for(
        &self,
        server: &CertificateDer<'_>,
        sent: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> bool {
        let Some(server) = Certificate::read(server) else { return false };
        let sent: Vec<_> = sent.iter().filter_map(|der| Certificate::read(der)).collect();
        let way = Way { trusted: self, sent: &sent, now };
        let mut left = MAX_SIGNATURES;
        server.is_fit_for_a_server() && way.leads_to_a_root(&server, 0, &mut left)
    }
}

/// The search for a chain.
struct Way<'a> {
    trusted: &'a Trusted,
    sent: &'a [Certificate],
    now: UnixTime,
}

impl Way<'_> {
    /// Whether one that stands above that many authorities leads to a root.
    fn leads_to_a_root(&self, lower: &Certificate, between: usize, left: &mut usize) -> bool {
        if !lower.is_valid_at(self.now) || between > MAX_BETWEEN {
            return false;
        }
        let roots = &self.trusted.roots;
        if lower.is_its_own_issuer() && roots.iter().any(|root| root.whole == lower.whole) {
            return true;
        }
        roots.iter().map(|root| (root, true)).chain(self.sent.iter().map(|sent| (sent, false))).any(
            |(upper, is_root)| {
                let is_named = upper.parsed.tbs_certificate.subject == lower.parsed.tbs_certificate.issuer;
                if !is_named || *left == 0 || !upper.may_sign_above(between, is_root) {
                    return false;
                }
                *left -= 1;
                let above = between + usize::from(!upper.is_its_own_issuer());
                upper.has_signed(lower, &self.trusted.algorithms) && self.leads_to_a_root(upper, above, left)
            },
        )
    }
}

impl Certificate {
    fn read(der: &CertificateDer<'_>) -> Option<Self> {
        let parsed = x509_cert::Certificate::from_der(der).ok()?;
        let mut reader = SliceReader::new(der).ok()?;
        Header::decode(&mut reader).ok()?;
        let signed = reader.tlv_bytes().ok()?.to_vec();
        let all_known = parsed.tbs_certificate.extensions.iter().flatten().all(|extension| {
            let is_known = !extension.critical || KNOWN.contains(&extension.extn_id);
            is_known && !NARROWING.contains(&extension.extn_id)
        });
        let is_one_algorithm = parsed.tbs_certificate.signature == parsed.signature_algorithm;
        (all_known && is_one_algorithm).then(|| Self { parsed, signed, whole: der.to_vec() })
    }

    /// What it says by an extension; `Err` where that cannot be read.
    fn extension<'a, T: Decode<'a> + AssociatedOid>(&'a self) -> Result<Option<T>, ()> {
        let extensions = self.parsed.tbs_certificate.extensions.iter().flatten();
        let mut found = extensions.filter(|extension| extension.extn_id == T::OID);
        let first = found.next().map(|one| T::from_der(one.extn_value.as_bytes()).map_err(|_| ()));
        if found.next().is_some() { Err(()) } else { first.transpose() }
    }

    fn is_its_own_issuer(&self) -> bool {
        self.parsed.tbs_certificate.subject == self.parsed.tbs_certificate.issuer
    }

    fn is_valid_at(&self, now: UnixTime) -> bool {
        let validity = &self.parsed.tbs_certificate.validity;
        let now = std::time::Duration::from_secs(now.as_secs());
        validity.not_before.to_unix_duration() <= now && now <= validity.not_after.to_unix_duration()
    }

    /// Whether it names purposes, and a server is none of them.
    fn has_other_purposes(&self) -> bool {
        self.extension::<ExtendedKeyUsage>()
            .map_or(true, |purposes| purposes.is_some_and(|purposes| !purposes.0.contains(&FOR_SERVERS)))
    }

    /// A server may show an authority's own certificate; webpki has it otherwise.
    fn is_fit_for_a_server(&self) -> bool {
        let Ok(usage) = self.extension::<KeyUsage>() else { return false };
        let serves =
            |usage: KeyUsage| usage.digital_signature() || usage.key_encipherment() || usage.key_agreement();
        usage.is_none_or(serves) && !self.has_other_purposes()
    }

    /// Whether it may have signed another above that many authorities. Of version 1, which cannot tell, roots may.
    fn may_sign_above(&self, between: usize, is_root: bool) -> bool {
        if self.parsed.tbs_certificate.version == Version::V1 {
            return is_root && self.is_its_own_issuer();
        }
        let (Ok(limits), Ok(usage)) = (self.extension::<BasicConstraints>(), self.extension::<KeyUsage>())
        else {
            return false;
        };
        let signs = usage.map(|usage| usage.key_cert_sign());
        let is_authority = match limits {
            Some(limits) => {
                limits.ca && limits.path_len_constraint.is_none_or(|most| between <= usize::from(most))
            }
            None => signs == Some(true),
        };
        is_authority && signs.unwrap_or(true) && !self.has_other_purposes()
    }

    fn has_signed(&self, lower: &Self, algorithms: &WebPkiSupportedAlgorithms) -> bool {
        let Some(made_by) = lower.parsed.signature_algorithm.to_der().ok() else { return false };
        let Some(signature) = lower.parsed.signature.as_bytes() else { return false };
        let Some(key) = Key::of(&self.parsed) else { return false };
        let fits =
            algorithms.all.iter().filter(|one| within(&made_by) == Some(one.signature_alg_id().as_ref()));
        key.any_verifies(fits.copied(), &lower.signed, signature)
    }
}

/// A public key as it stands in a certificate.
struct Key<'a> {
    algorithm: Vec<u8>,
    bits: &'a [u8],
}

impl<'a> Key<'a> {
    fn of(certificate: &'a x509_cert::Certificate) -> Option<Self> {
        let key = &certificate.tbs_certificate.subject_public_key_info;
        Some(Self { algorithm: key.algorithm.to_der().ok()?, bits: key.subject_public_key.as_bytes()? })
    }

    fn any_verifies<'s>(
        &self,
        mut algorithms: impl Iterator<Item = &'s dyn rustls::pki_types::SignatureVerificationAlgorithm>,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        algorithms.any(|one| {
            within(&self.algorithm) == Some(one.public_key_alg_id().as_ref())
                && one.verify_signature(self.bits, message, signature).is_ok()
        })
    }
}

/// What stands within a sequence.
fn within(sequence: &[u8]) -> Option<&[u8]> {
    let mut reader = SliceReader::new(sequence).ok()?;
    let header = Header::decode(&mut reader).ok()?;
    reader.read_slice(header.length).ok()
}

/// Whether a certificate can be read here, and so vouch for somebody.
pub(super) fn is_readable(certificate: &CertificateDer<'_>) -> bool {
    Certificate::read(certificate).is_some()
}

/// Whether a handshake was signed with a certificate's key, of whatever version that is.
pub(super) fn has_signed_handshake(
    certificate: &CertificateDer<'_>,
    message: &[u8],
    signed: &DigitallySignedStruct,
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    let Ok(parsed) = x509_cert::Certificate::from_der(certificate) else { return false };
    let of_scheme = |(scheme, _): &&(SignatureScheme, _)| *scheme == signed.scheme;
    let Some((_, fits)) = algorithms.mapping.iter().find(of_scheme) else { return false };
    let key = Key::of(&parsed);
    key.is_some_and(|key| key.any_verifies(fits.iter().copied(), message, signed.signature()))
}

/// Whether a certificate is that host's, as libpq has it: by one of its other names, or, where none of them is of the host's
/// kind, by its common name.
pub(super) fn is_of(certificate: &CertificateDer<'_>, host: &ServerName<'_>) -> bool {
    let Some(certificate) = Certificate::read(certificate) else { return false };
    let Ok(names) = certificate.extension::<SubjectAltName>() else { return false };
    let names = names.map(|names| names.0).unwrap_or_default();
    let wanted = host.to_str();
    let octets = match host {
        ServerName::IpAddress(IpAddr::V4(address)) => Some(address.as_ref().to_vec()),
        ServerName::IpAddress(IpAddr::V6(address)) => Some(address.as_ref().to_vec()),
        _ => None,
    };
    let is_meant = |name: &GeneralName| match name {
        GeneralName::DnsName(name) => stands_for(name.as_str(), &wanted),
        GeneralName::IpAddress(address) => octets.as_deref() == Some(address.as_bytes()),
        _ => false,
    };
    let is_of_its_kind = |name: &GeneralName| match name {
        GeneralName::DnsName(_) => octets.is_none(),
        GeneralName::IpAddress(_) => octets.is_some(),
        _ => false,
    };
    names.iter().any(is_meant)
        || (!names.iter().any(is_of_its_kind)
            && common_name(&certificate.parsed).is_some_and(|name| stands_for(name, &wanted)))
}

fn common_name(certificate: &x509_cert::Certificate) -> Option<&str> {
    let parts = certificate.tbs_certificate.subject.0.iter().flat_map(|part| part.0.iter());
    let first = parts.into_iter().find(|part| part.oid == COMMON_NAME)?;
    std::str::from_utf8(first.value.value()).ok()
}

/// Whether a name, which may have a star in place of its first label, stands for a host.
fn stands_for(name: &str, host: &str) -> bool {
    if name.eq_ignore_ascii_case(host) {
        return true;
    }
    let (Some(domain), Some((label, rest))) = (name.strip_prefix("*."), host.split_once('.')) else {
        return false;
    };
    !label.is_empty() && !domain.is_empty() && domain.eq_ignore_ascii_case(rest)
}

#[cfg(test)]
mod tests {
    use super::stands_for;

    #[test]
    fn a_star_stands_for_one_label_and_the_first() {
        for (name, host) in [("db.example", "DB.example"), ("*.example", "db.example"), ("*.a.b", "x.a.b")] {
            assert!(stands_for(name, host), "{name} {host}");
        }
        for (name, host) in [
            ("*.example", "example"),
            ("*.example", "a.db.example"),
            ("*.example", ".example"),
            ("*", "db"),
            ("*.", "db."),
            ("d*.example", "db.example"),
            ("db.*", "db.example"),
            ("db.example", "db.example.org"),
            ("", "db"),
        ] {
            assert!(!stands_for(name, host), "{name} {host}");
        }
    }
}
