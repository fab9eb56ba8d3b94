//! Who signs.

use std::time::{Duration, SystemTime};

use mesh_types::SpiffeId;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::{crypto::aws_lc_rs, sign::CertifiedKey};
use rustls_pki_types::{CertificateDer, pem::PemObject};
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::{BundleError, Csr, Key, KeyError, KeyKind, TrustBundle, pem, schedule::from_unix};

/// How long a root lives that we make: ten years, as Istio's (`CITADEL_SELF_SIGNED_CA_CERT_TTL`).
pub const ROOT_LIFETIME: Duration = Duration::from_secs(3650 * 24 * 3600);

/// Certificates are good from this long before they were issued, for clocks that are late. As in Istio.
pub const SKEW: Duration = Duration::from_secs(120);

/// A certificate authority: a key that signs, its certificate, and the roots that vouch for it.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    key_pem: String,
    /// From the signing certificate up, without the root; empty if the signer is the root.
    intermediates: Vec<CertificateDer<'static>>,
    roots: TrustBundle,
    not_after: SystemTime,
}

/// An authority as PEM texts, as Secrets hold it (`ca-cert.pem`, `ca-key.pem`, `cert-chain.pem`, `root-cert.pem`).
#[derive(Clone, Copy, Debug, Default)]
pub struct AuthorityParts<'a> {
    /// The signing certificate.
    pub certificate: &'a str,
    /// Its key.
    pub key: &'a str,
    /// The signing certificate and those above it, without the root. Empty: the signer is a root itself.
    pub chain: &'a str,
    /// The roots. Empty: the signer is the root.
    pub roots: &'a str,
}

/// What a certificate is to say: the authority's choice, made from who the caller is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Who.
    pub id: SpiffeId,
    /// DNS names besides.
    pub dns_names: Vec<String>,
    /// For how long.
    pub lifetime: Duration,
}

/// A new certificate, as `CreateCertificate` answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// PEM texts: the leaf, then each intermediate.
    pub chain: Vec<String>,
    /// All roots in one PEM text.
    pub roots: String,
}

/// Why there is no authority.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The key cannot be made or read.
    #[error("the authority's key cannot be used")]
    Key(#[from] KeyError),
    /// The certificate could not be made.
    #[error("the authority's certificate could not be made")]
    Make(#[source] rcgen::Error),
    /// The certificate cannot be read.
    #[error("the authority's certificate is no X.509 certificate in PEM form")]
    Certificate,
    /// The certificate may not sign.
    #[error("the certificate is not one of an authority (basic constraints: CA, key usage: certificate signing)")]
    NotAuthority,
    /// The key is another's.
    #[error("the authority's key is not its certificate's")]
    KeyMismatch(#[source] rustls::Error),
    /// Out of its time.
    #[error("the authority's certificate is not valid now")]
    Expired,
    /// The roots cannot be read.
    #[error("the authority's roots cannot be used")]
    Roots(#[from] BundleError),
    /// There is a chain without a root above it.
    #[error("an intermediate authority needs the root certificates that vouch for it")]
    NoRoot,
}

/// Why a certificate is not issued.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The request names somebody whom the caller is not.
    #[error("the signing request asks for `{asked}`, the caller is `{caller}`")]
    OtherName {
        /// The name asked for.
        asked: String,
        /// Who asks.
        caller: SpiffeId,
    },
    /// The authority ends before the certificate could begin.
    #[error("the authority's own certificate has expired")]
    AuthorityExpired,
    /// Signing failed.
    #[error("the certificate could not be signed")]
    Sign(#[source] rcgen::Error),
    /// No randomness.
    #[error("the crypto provider has no random numbers")]
    Random,
}

impl Authority {
    /// Makes a new root for a trust domain, with a P-256 key, good for [`ROOT_LIFETIME`].
    ///
    /// # Errors
    /// The crypto provider fails.
    pub fn generate(trust_domain: &str, now: SystemTime) -> Result<Self, AuthorityError> {
        let key = Key::generate(KeyKind::P256)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, trust_domain);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        set_validity(&mut params, now - SKEW, now + ROOT_LIFETIME);
        params.serial_number = serial().ok();
        let certificate = params.self_signed(&key.pair).map_err(AuthorityError::Make)?;
        Self::load(AuthorityParts { certificate: &certificate.pem(), key: &key.to_pem(), ..Default::default() }, now)
    }

    /// Reads an authority and checks that it can sign now.
    ///
    /// # Errors
    /// It cannot.
    pub fn load(parts: AuthorityParts<'_>, now: SystemTime) -> Result<Self, AuthorityError> {
        let key = Key::from_pem(parts.key)?;
        let certificate =
            CertificateDer::from_pem_slice(parts.certificate.as_bytes()).map_err(|_| AuthorityError::Certificate)?;
        let not_after = check_authority(&certificate, now)?;
        let signer = aws_lc_rs::sign::any_supported_type(key.der()).map_err(AuthorityError::KeyMismatch)?;
        CertifiedKey::new(vec![certificate.clone()], signer).keys_match().map_err(AuthorityError::KeyMismatch)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(parts.chain.as_bytes()).collect();
        let mut roots = TrustBundle::parse(parts.roots)?;
        if roots.is_empty() {
            roots = TrustBundle::new(vec![certificate.clone()])?;
        }
        let mut intermediates = chain.map_err(|_| AuthorityError::Certificate)?;
        if !roots.certificates().contains(&certificate) && !intermediates.contains(&certificate) {
            intermediates.insert(0, certificate.clone());
        }
        intermediates.retain(|certificate| !roots.certificates().contains(certificate));
        let key_pem = key.to_pem();
        let issuer = Issuer::from_ca_cert_der(&certificate, key.pair).map_err(AuthorityError::Make)?;
        Ok(Self { issuer, certificate, key_pem, intermediates, roots, not_after })
    }

    /// Issues a certificate for the request's key. It says what `grant` says; the request's own names may only agree.
    ///
    /// # Errors
    /// The request names somebody else, the authority has expired, or the crypto provider fails.
    pub fn issue(&self, csr: &Csr, grant: &Grant, now: SystemTime) -> Result<Issued, IssueError> {
        if let Some(asked) = disagreement(csr, grant) {
            return Err(IssueError::OtherName { asked, caller: grant.id.clone() });
        }
        if now >= self.not_after {
            return Err(IssueError::AuthorityExpired);
        }
        let mut params = CertificateParams::default();
        // Without a subject the names are critical (RFC 5280 4.2.1.6), as in Istio's certificates.
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names = subject_names(grant).map_err(IssueError::Sign)?;
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, now - SKEW, (now + grant.lifetime).min(self.not_after));
        params.serial_number = Some(serial()?);
        let leaf = params.signed_by(&csr.public_key, &self.issuer).map_err(IssueError::Sign)?;
        let above = self.intermediates.iter().map(|certificate| pem::encode("CERTIFICATE", certificate));
        let chain = [pem::encode("CERTIFICATE", leaf.der())].into_iter().chain(above).collect();
        Ok(Issued { chain, roots: self.roots.to_pem() })
    }

    /// The roots that vouch for it.
    pub fn roots(&self) -> &TrustBundle {
        &self.roots
    }

    /// The signing certificate as PEM.
    pub fn certificate_pem(&self) -> String {
        pem::encode("CERTIFICATE", &self.certificate)
    }

    /// Its key as PEM. It is the mesh's greatest secret.
    pub fn key_pem(&self) -> &str {
        &self.key_pem
    }

    /// When it can sign no more.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }
}

/// That it is an authority's certificate which is good now; says until when.
fn check_authority(certificate: &CertificateDer<'_>, now: SystemTime) -> Result<SystemTime, AuthorityError> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|_| AuthorityError::Certificate)?;
    let signs = match parsed.key_usage() {
        Ok(usage) => usage.is_none_or(|usage| usage.value.key_cert_sign()),
        Err(_) => false,
    };
    if !parsed.is_ca() || !signs {
        return Err(AuthorityError::NotAuthority);
    }
    let validity = parsed.validity();
    let (from, until) = (from_unix(validity.not_before.timestamp()), from_unix(validity.not_after.timestamp()));
    if now < from || now >= until { Err(AuthorityError::Expired) } else { Ok(until) }
}

/// The first name of the request that the grant does not hold.
fn disagreement(csr: &Csr, grant: &Grant) -> Option<String> {
    let id = grant.id.to_string();
    let uri = csr.names.uris.iter().find(|uri| **uri != id);
    let dns = csr.names.dns.iter().find(|dns| !grant.dns_names.contains(dns));
    let other = (csr.names.others > 0).then(|| "a name that is neither a URI nor a DNS name".to_owned());
    uri.or(dns).cloned().or(other)
}

fn subject_names(grant: &Grant) -> Result<Vec<SanType>, rcgen::Error> {
    let uri = SanType::URI(grant.id.to_string().try_into()?);
    let dns = grant.dns_names.iter().map(|name| Ok(SanType::DnsName(name.as_str().try_into()?)));
    [Ok(uri)].into_iter().chain(dns).collect()
}

fn set_validity(params: &mut CertificateParams, from: SystemTime, until: SystemTime) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + from.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    params.not_after = epoch + until.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
}

/// 127 random bits: positive, and the same one never comes twice.
fn serial() -> Result<SerialNumber, IssueError> {
    let mut bytes = [0; 16];
    aws_lc_rs::default_provider().secure_random.fill(&mut bytes).map_err(|_| IssueError::Random)?;
    bytes[0] &= 0x7f;
    Ok(SerialNumber::from_slice(&bytes))
}

#[cfg(test)]
mod tests;
