//! What a peer's certificate tells of it, for those who pass it on.

use rustls_pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::verify::{NameKind, names_of};

/// Who a client has proven to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerFacts {
    /// The subject, as RFC 2253 writes it.
    pub subject: String,
    /// The issuer, in the same form.
    pub issuer: String,
    /// SHA-256 of the certificate, in hexadecimal digits.
    pub hash: String,
    /// URIs among its names.
    pub uris: Vec<String>,
    /// Host names among its names.
    pub dns: Vec<String>,
    /// All certificates that it showed, its own first.
    pub chain: Vec<CertificateDer<'static>>,
}

impl PeerFacts {
    /// Of the certificates that it showed, its own first; none if it showed none that could be read.
    pub fn of(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let leaf = chain.first()?;
        let (_, parsed) = X509Certificate::from_der(leaf).ok()?;
        let names = names_of(&parsed);
        let of =
            |wanted: NameKind| names.iter().filter(|(kind, _)| *kind == wanted).map(|(_, name)| name.clone()).collect();
        Some(Self {
            subject: rfc2253(parsed.subject()),
            issuer: rfc2253(parsed.issuer()),
            hash: Sha256::digest(leaf).iter().map(|byte| format!("{byte:02x}")).collect(),
            uris: of(NameKind::Uri),
            dns: of(NameKind::Dns),
            chain: chain.iter().map(|certificate| certificate.clone().into_owned()).collect(),
        })
    }

    /// Its first URI.
    pub fn uri(&self) -> Option<Box<str>> {
        self.uris.first().map(|uri| uri.as_str().into())
    }
}

/// The most specific part first, joined by commas without spaces.
fn rfc2253(name: &x509_parser::x509::X509Name<'_>) -> String {
    let text = name.to_string();
    let parts: Vec<&str> = text.split(", ").collect();
    parts.into_iter().rev().collect::<Vec<_>>().join(",")
}
