//! The cluster's keys: one certificate authority, the certificates it signs, and the key that signs tokens.
//!
//! All of it lives in memory, as the cluster does: a new cluster has new keys.

use std::{net::IpAddr, sync::Arc};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use sha2::{Digest, Sha256};

/// Names by which pods and people reach the API server.
const SERVER_NAMES: &[&str] = &[
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
];

/// Addresses of the API server: the host's loopback, its Service, and the first node.
const SERVER_ADDRESSES: &[[u8; 4]] = &[[127, 0, 0, 1], [10, 96, 0, 1], [172, 18, 0, 2]];

/// A key or a certificate could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The certificate library refused.
    #[error("cannot make a certificate")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library refused.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
    /// A PEM text could not be read.
    #[error("cannot read a PEM text")]
    Pem(#[from] rustls::pki_types::pem::Error),
    /// The check of client certificates could not be set up.
    #[error("cannot set up the check of client certificates")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
}

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// Its private key (PKCS #8).
    pub key: String,
}

/// The cluster's certificate authority (P-256).
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    /// Makes a new authority named `name`.
    pub fn generate(name: &str) -> Result<Self, PkiError> {
        let mut params = parameters(name, &[]);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// The authority's own certificate, as PEM: what clients must trust.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A certificate for the API server, good for its usual names and addresses and those given.
    pub fn server(&self, names: &[String], addresses: &[IpAddr]) -> Result<Identity, PkiError> {
        let mut params = parameters("kube-apiserver", &[]);
        let usual = SERVER_NAMES.iter().map(|n| (*n).to_owned());
        for name in usual.chain(names.iter().cloned()) {
            params.subject_alt_names.push(SanType::DnsName(name.try_into()?));
        }
        let usual = SERVER_ADDRESSES.iter().map(|a| IpAddr::from(*a));
        params.subject_alt_names.extend(usual.chain(addresses.iter().copied()).map(SanType::IpAddress));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// A certificate for a server of this one name.
    pub fn host(&self, name: &str) -> Result<Identity, PkiError> {
        let mut params = parameters(name, &[]);
        params.subject_alt_names.push(SanType::DnsName(name.to_owned().try_into()?));
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// A client certificate for a user and its groups.
    pub fn client(&self, user: &str, groups: &[&str]) -> Result<Identity, PkiError> {
        let mut params = parameters(user, groups);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    /// TLS for the API server: asks for client certificates of this authority and does without.
    pub fn server_config(&self, identity: &Identity) -> Result<Arc<ServerConfig>, PkiError> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.certificate.as_bytes())?)?;
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone())
            .allow_unauthenticated()
            .build()?;
        let chain = vec![CertificateDer::from_pem_slice(identity.certificate.as_bytes())?];
        let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain, key)?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Identity, PkiError> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?.pem();
        Ok(Identity { certificate, key: key.serialize_pem() })
    }
}

fn parameters(common_name: &str, organizations: &[&str]) -> CertificateParams {
    let year = i32::from(Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).year());
    let mut params = CertificateParams::default();
    let mut name = DistinguishedName::new();
    for organization in organizations {
        name.push(DnType::OrganizationName, *organization);
    }
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    params.not_before = date_time_ymd(year - 1, 1, 1);
    params.not_after = date_time_ymd(year + 10, 1, 1);
    params
}

/// The key that signs service-account tokens (ES256).
pub struct TokenKey {
    pair: KeyPair,
    id: String,
}

impl TokenKey {
    /// Makes a new key.
    pub fn generate() -> Result<Self, PkiError> {
        let pair = KeyPair::generate()?;
        let id = URL_SAFE_NO_PAD.encode(Sha256::digest(pair.public_key_raw()));
        Ok(Self { pair, id })
    }

    /// The key's id: the `kid` of tokens and of the published key set.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// For signing.
    pub fn signer(&self) -> jsonwebtoken::EncodingKey {
        jsonwebtoken::EncodingKey::from_ec_der(self.pair.serialized_der())
    }

    /// For checking.
    pub fn verifier(&self) -> jsonwebtoken::DecodingKey {
        jsonwebtoken::DecodingKey::from_ec_der(self.pair.public_key_raw())
    }

    /// The public point's coordinates as a JSON Web Key writes them.
    pub fn coordinates(&self) -> (String, String) {
        // An uncompressed point: 0x04, 32 bytes of x, 32 bytes of y.
        let point = self.pair.public_key_raw();
        let (x, y) = point.get(1..).unwrap_or_default().split_at(point.len() / 2);
        (URL_SAFE_NO_PAD.encode(x), URL_SAFE_NO_PAD.encode(y))
    }
}

#[cfg(test)]
mod tests;
