//! Private keys.

use std::fmt;

use rustls_pki_types::{PrivateKeyDer, pem::PemObject};

use crate::pem;

/// What kind of key to make. `WORKLOAD_RSA_KEY_SIZE` and `ECC_CURVE` choose in Istio's agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeyKind {
    /// ECDSA on P-256: small and fast.
    #[default]
    P256,
    /// ECDSA on P-384.
    P384,
    /// RSA with 2048 bits.
    Rsa2048,
    /// RSA with 4096 bits.
    Rsa4096,
}

/// A private key. Its debug form tells nothing of it.
pub struct Key {
    pub(crate) pair: rcgen::KeyPair,
    der: PrivateKeyDer<'static>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The crypto provider could not make one.
    #[error("a private key could not be generated")]
    Generate(#[source] rcgen::Error),
    /// The text holds no private key.
    #[error("the text holds no private key in PEM form (PKCS#8, SEC1 or PKCS#1, not encrypted)")]
    Text(#[source] rustls_pki_types::pem::Error),
    /// The key is of a kind that is not supported, or broken.
    #[error("the private key is broken or of a kind that is not supported (RSA, P-256, P-384, P-521, Ed25519)")]
    Unsupported(#[source] rcgen::Error),
}

impl Key {
    /// Makes a new key.
    ///
    /// # Errors
    /// The crypto provider fails.
    pub fn generate(kind: KeyKind) -> Result<Self, KeyError> {
        let pair = match kind {
            KeyKind::P256 => rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256),
            KeyKind::P384 => rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384),
            KeyKind::Rsa2048 => rsa(rcgen::RsaKeySize::_2048),
            KeyKind::Rsa4096 => rsa(rcgen::RsaKeySize::_4096),
        };
        let pair = pair.map_err(KeyError::Generate)?;
        let der = PrivateKeyDer::Pkcs8(pair.serialize_der().into());
        Ok(Self { pair, der })
    }

    /// Reads the first private key of a PEM text.
    ///
    /// # Errors
    /// There is none, or it is of a kind that is not supported.
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(KeyError::Text)?;
        let pair = rcgen::KeyPair::try_from(&der).map_err(KeyError::Unsupported)?;
        Ok(Self { pair, der })
    }

    /// The key as PEM, in the form that it was read in; PKCS#8 if it was generated.
    pub fn to_pem(&self) -> String {
        let label = match &self.der {
            PrivateKeyDer::Pkcs1(_) => "RSA PRIVATE KEY",
            PrivateKeyDer::Sec1(_) => "EC PRIVATE KEY",
            _ => "PRIVATE KEY",
        };
        pem::encode(label, self.der.secret_der())
    }

    /// The key as TLS libraries take it.
    pub fn der(&self) -> &PrivateKeyDer<'static> {
        &self.der
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("algorithm", self.pair.algorithm()).finish_non_exhaustive()
    }
}

fn rsa(size: rcgen::RsaKeySize) -> Result<rcgen::KeyPair, rcgen::Error> {
    rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, size)
}

#[cfg(test)]
mod tests;
