//! The names that a certificate or a request carries.

use mesh_types::SpiffeId;
use x509_parser::{
    extensions::{GeneralName, SubjectAlternativeName},
    prelude::{FromDer, X509Certificate},
};

/// Subject alternative names of the two kinds that the mesh uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) uris: Vec<String>,
    pub(crate) dns: Vec<String>,
    /// How many names of other kinds there are.
    pub(crate) others: usize,
}

/// Why a certificate names no workload.
#[derive(Debug, thiserror::Error)]
pub enum NamesError {
    /// Not DER of a certificate.
    #[error("this is no X.509 certificate")]
    NotX509,
    /// An extension cannot be read or stands twice.
    #[error("the certificate's subject alternative names are broken")]
    Broken,
    /// An identity document has one URI.
    /// <https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md#2-spiffe-id>
    #[error("a workload's certificate names exactly one URI, this one names {0}")]
    NotOneUri(usize),
    /// The URI is no identity.
    #[error("the certificate's URI is no workload identity")]
    NotSpiffe(#[from] mesh_types::BadSpiffeId),
}

impl Names {
    pub(crate) fn of(certificate: &X509Certificate<'_>) -> Result<Self, NamesError> {
        let extension = certificate.subject_alternative_name().map_err(|_| NamesError::Broken)?;
        Ok(extension.map(|extension| Self::from_extension(extension.value)).unwrap_or_default())
    }

    pub(crate) fn from_extension(extension: &SubjectAlternativeName<'_>) -> Self {
        let mut names = Self::default();
        for name in &extension.general_names {
            match name {
                GeneralName::URI(uri) => names.uris.push((*uri).to_owned()),
                GeneralName::DNSName(dns) => names.dns.push((*dns).to_owned()),
                _ => names.others += 1,
            }
        }
        names
    }

    /// The one identity.
    pub(crate) fn identity(&self) -> Result<SpiffeId, NamesError> {
        match &self.uris[..] {
            [uri] => Ok(uri.parse()?),
            uris => Err(NamesError::NotOneUri(uris.len())),
        }
    }
}

/// Who a certificate says its holder is. It is not verified here.
///
/// # Errors
/// It is no certificate, or not of exactly one workload.
pub fn identity_of(certificate: &[u8]) -> Result<SpiffeId, NamesError> {
    let (rest, certificate) = X509Certificate::from_der(certificate).map_err(|_| NamesError::NotX509)?;
    if !rest.is_empty() {
        return Err(NamesError::NotX509);
    }
    Names::of(&certificate)?.identity()
}

#[cfg(test)]
mod tests;
