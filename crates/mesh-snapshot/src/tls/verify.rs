//! Judging a peer's certificate: its chain by webpki, its names and pins by us. The time is an argument.

use std::{net::IpAddr, sync::Arc};

use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use sha2::{Digest, Sha256};
use webpki::{EndEntityCert, KeyUsage, RevocationCheckDepth, RevocationOptionsBuilder};
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer, X509Certificate},
};

use super::NotReady;
use crate::text::TextTest;

/// A certificate that a root vouches for, but that is not the one that is wanted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// None of its names is among the wanted ones.
    #[error("none of the certificate's names is wanted here (it has: {0})")]
    Name(String),
    /// Neither its key nor its hash is pinned.
    #[error("the certificate is none of the pinned ones")]
    Pin,
    /// The chain does not lead to a root.
    #[error("{0}")]
    Chain(String),
}

/// Which of a certificate's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameKind {
    Any,
    Dns,
    Uri,
    Email,
    Address,
}

/// A wanted name.
#[derive(Clone, Debug)]
pub(super) struct NameTest {
    pub(super) kind: NameKind,
    /// In lower case; a wildcard of the certificate may stand for it.
    pub(super) exact: Option<Box<str>>,
    pub(super) test: TextTest,
}

impl NameTest {
    fn is_match(&self, kind: NameKind, name: &str) -> bool {
        if self.kind != NameKind::Any && self.kind != kind {
            return false;
        }
        match &self.exact {
            Some(exact) if kind == NameKind::Dns => is_dns_match(exact, &name.to_ascii_lowercase()),
            _ => self.test.is_match(name.as_bytes()),
        }
    }
}

/// Whether a certificate's name stands for a host; `*` stands for one whole first part.
fn is_dns_match(host: &str, name: &str) -> bool {
    let wild = name.strip_prefix("*.").zip(host.split_once('.'));
    host == name || wild.is_some_and(|(rest, (first, parent))| !first.is_empty() && rest == parent)
}

/// Certificates that are trusted.
#[derive(Debug)]
pub(super) struct Roots {
    certificates: Vec<CertificateDer<'static>>,
    anchors: Vec<TrustAnchor<'static>>,
    subjects: Vec<DistinguishedName>,
}

impl Roots {
    /// A `lenient` one leaves out what can be nobody's root: machines hold old ones that nobody can mend.
    pub(super) fn new(certificates: Vec<CertificateDer<'static>>, lenient: bool) -> Result<Self, NotReady> {
        let mut anchors = Vec::new();
        for (i, certificate) in certificates.iter().enumerate() {
            match webpki::anchor_from_trusted_cert(certificate) {
                Ok(anchor) => anchors.push(anchor.to_owned()),
                Err(_) if lenient => {}
                Err(error) => return Err(NotReady::new(format_args!("root certificate {i} cannot be used: {error}"))),
            }
        }
        let subjects = anchors.iter().map(|anchor| DistinguishedName::in_sequence(&anchor.subject)).collect();
        Ok(Self { certificates, anchors, subjects })
    }
}

/// Who is let in, or may answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Trust {
    pub(super) roots: Option<Arc<Roots>>,
    pub(super) revoked: Arc<[webpki::CertRevocationList<'static>]>,
    pub(super) revokes_leaf_only: bool,
    pub(super) names: Vec<NameTest>,
    pub(super) keys: Vec<[u8; 32]>,
    pub(super) hashes: Vec<[u8; 32]>,
    pub(super) accepts_all: bool,
    pub(super) hides_roots: bool,
    /// Whether the name that was called has to be in the certificate.
    pub(super) by_name: bool,
}

impl Trust {
    fn check(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
        provider: &CryptoProvider,
    ) -> Result<(), Error> {
        if self.accepts_all {
            return Ok(());
        }
        if let Some(roots) = &self.roots {
            self.check_chain(roots, leaf, intermediates, now, usage, provider)?;
        }
        if !self.keys.is_empty() || !self.hashes.is_empty() {
            self.check_pins(leaf)?;
        }
        if self.names.is_empty() { Ok(()) } else { self.check_names(leaf) }
    }

    fn check_chain(
        &self,
        roots: &Roots,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        usage: KeyUsage,
        provider: &CryptoProvider,
    ) -> Result<(), Error> {
        let parsed = EndEntityCert::try_from(leaf).map_err(refused)?;
        let lists: Vec<&webpki::CertRevocationList<'_>> = self.revoked.iter().collect();
        let depth = if self.revokes_leaf_only { RevocationCheckDepth::EndEntity } else { RevocationCheckDepth::Chain };
        // Without lists there is nothing to ask.
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| options.with_depth(depth).build());
        let algorithms = provider.signature_verification_algorithms.all;
        let verified = parsed.verify_for_usage(algorithms, &roots.anchors, intermediates, now, usage, revocation, None);
        match verified {
            Ok(_) => Ok(()),
            // A certificate that is trusted by itself needs nobody to vouch for it, were it one that may vouch for others.
            Err(webpki::Error::CaUsedAsEndEntity) if roots.certificates.contains(leaf) => check_time(leaf, now),
            Err(error) => Err(refused(error)),
        }
    }

    fn check_pins(&self, leaf: &CertificateDer<'_>) -> Result<(), Error> {
        let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| CertificateError::BadEncoding)?;
        let hash = |bytes: &[u8]| <[u8; 32]>::from(Sha256::digest(bytes));
        let pinned = self.hashes.contains(&hash(leaf)) || self.keys.contains(&hash(parsed.public_key().raw));
        if pinned { Ok(()) } else { Err(distrust(Distrust::Pin)) }
    }

    fn check_names(&self, leaf: &CertificateDer<'_>) -> Result<(), Error> {
        let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| CertificateError::BadEncoding)?;
        let names = names_of(&parsed);
        let wanted = |(kind, name): &(NameKind, String)| self.names.iter().any(|test| test.is_match(*kind, name));
        if names.iter().any(wanted) {
            return Ok(());
        }
        let has: Vec<&str> = names.iter().map(|(_, name)| name.as_str()).collect();
        Err(distrust(Distrust::Name(if has.is_empty() { "none".to_owned() } else { has.join(", ") })))
    }
}

/// All subject alternative names.
pub(super) fn names_of(certificate: &X509Certificate<'_>) -> Vec<(NameKind, String)> {
    let extension = certificate.subject_alternative_name().ok().flatten();
    let all = extension.iter().flat_map(|extension| &extension.value.general_names);
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((NameKind::Dns, (*name).to_owned())),
        GeneralName::URI(uri) => Some((NameKind::Uri, (*uri).to_owned())),
        GeneralName::RFC822Name(address) => Some((NameKind::Email, (*address).to_owned())),
        GeneralName::IPAddress(bytes) => Some((NameKind::Address, address(bytes)?.to_string())),
        _ => None,
    };
    all.filter_map(name).collect()
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn check_time(leaf: &CertificateDer<'_>, now: UnixTime) -> Result<(), Error> {
    let (_, parsed) = X509Certificate::from_der(leaf).map_err(|_| CertificateError::BadEncoding)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let validity = parsed.validity();
    if now < validity.not_before.timestamp() {
        Err(CertificateError::NotValidYet.into())
    } else if now > validity.not_after.timestamp() {
        Err(CertificateError::Expired.into())
    } else {
        Ok(())
    }
}

fn distrust(why: Distrust) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(why))))
}

/// What webpki says, so that the peer gets the alert that fits.
fn refused(error: webpki::Error) -> Error {
    use webpki::Error as E;
    Error::InvalidCertificate(match error {
        E::BadDer | E::BadDerTime | E::TrailingData(_) => CertificateError::BadEncoding,
        E::CertExpired { .. } | E::InvalidCertValidity => CertificateError::Expired,
        E::CertNotValidYet { .. } => CertificateError::NotValidYet,
        E::CertRevoked => CertificateError::Revoked,
        E::UnknownIssuer => CertificateError::UnknownIssuer,
        E::UnknownRevocationStatus => CertificateError::UnknownRevocationStatus,
        E::CertNotValidForName(_) => CertificateError::NotValidForName,
        E::InvalidSignatureForPublicKey => CertificateError::BadSignature,
        E::RequiredEkuNotFoundContext(_) => CertificateError::InvalidPurpose,
        other => CertificateError::Other(OtherError(Arc::new(Distrust::Chain(other.to_string())))),
    })
}

/// A verifier of either end.
#[derive(Debug)]
pub(super) struct Verifier {
    pub(super) trust: Trust,
    pub(super) provider: Arc<CryptoProvider>,
    /// Whether a client has to show a certificate.
    pub(super) required: bool,
}

impl Verifier {
    fn tls12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.trust.check(leaf, intermediates, now, KeyUsage::server_auth(), &self.provider)?;
        if self.trust.by_name && !self.trust.accepts_all {
            let parsed = EndEntityCert::try_from(leaf).map_err(refused)?;
            parsed.verify_is_valid_for_subject_name(name).map_err(refused)?;
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.tls12(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.tls13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        match &self.trust.roots {
            Some(roots) if !self.trust.hides_roots => &roots.subjects,
            _ => &[],
        }
    }

    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.trust.check(leaf, intermediates, now, KeyUsage::client_auth(), &self.provider)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.tls12(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.tls13(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
