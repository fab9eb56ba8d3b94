//! Signing requests (PKCS#10, RFC 2986).

use mesh_types::SpiffeId;
use rcgen::{CertificateParams, DistinguishedName, SanType, SubjectPublicKeyInfo};
use rustls_pki_types::{CertificateSigningRequestDer, pem::PemObject};
use x509_parser::{
    certification_request::X509CertificationRequest, extensions::ParsedExtension, prelude::FromDer,
    public_key::PublicKey,
};

use crate::{Key, names::Names};

/// Smaller RSA keys are refused.
const LEAST_RSA_BITS: usize = 2048;

/// A request that was read: its signature is right and its key is of a kind that we sign.
///
/// Extensions other than names are ignored: what a certificate says is the authority's choice.
#[derive(Clone, Debug)]
pub struct Csr {
    pub(crate) public_key: SubjectPublicKeyInfo,
    pub(crate) names: Names,
}

/// Why a signing request is refused. The asker is at fault; asking again does not help.
#[derive(Debug, thiserror::Error)]
pub enum CsrError {
    /// Not a request.
    #[error("this is no PEM text of a certificate signing request")]
    Text,
    /// Signed by another key, or by an algorithm that we do not know.
    #[error("the signing request's signature does not prove that the asker has the key")]
    Signature,
    /// The key is too weak or unknown.
    #[error(
        "the signing request's key is not supported (RSA of {LEAST_RSA_BITS} bits and more, P-256, P-384, P-521, Ed25519)"
    )]
    Key,
    /// A request could not be built.
    #[error("a signing request could not be built")]
    Build(#[source] rcgen::Error),
}

/// Builds the request for a certificate of `id` over `key`, as PEM.
///
/// # Errors
/// The crypto provider fails.
pub fn request(key: &Key, id: &SpiffeId) -> Result<String, CsrError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = vec![SanType::URI(id.to_string().try_into().map_err(CsrError::Build)?)];
    params.serialize_request(&key.pair).and_then(|request| request.pem()).map_err(CsrError::Build)
}

impl Csr {
    /// Reads a request.
    ///
    /// # Errors
    /// It is not one, its signature is wrong, or its key is not supported.
    pub fn parse(text: &str) -> Result<Self, CsrError> {
        let der = CertificateSigningRequestDer::from_pem_slice(text.as_bytes()).map_err(|_| CsrError::Text)?;
        let (rest, request) = X509CertificationRequest::from_der(&der).map_err(|_| CsrError::Text)?;
        if !rest.is_empty() {
            return Err(CsrError::Text);
        }
        request.verify_signature().map_err(|_| CsrError::Signature)?;
        let info = &request.certification_request_info;
        match info.subject_pki.parsed().map_err(|_| CsrError::Key)? {
            PublicKey::RSA(rsa) if rsa.key_size() < LEAST_RSA_BITS => return Err(CsrError::Key),
            _ => {}
        }
        let public_key = SubjectPublicKeyInfo::from_der(info.subject_pki.raw).map_err(|_| CsrError::Key)?;
        let names = request.requested_extensions().into_iter().flatten().find_map(|extension| match extension {
            ParsedExtension::SubjectAlternativeName(names) => Some(Names::from_extension(names)),
            _ => None,
        });
        Ok(Self { public_key, names: names.unwrap_or_default() })
    }
}

#[cfg(test)]
mod tests;
