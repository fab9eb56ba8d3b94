//! Authorities of certificates, made anew by whoever needs one.

use anyhow::Result;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

/// Who signs certificates, with its key.
pub type Authority = CertifiedIssuer<'static, KeyPair>;

/// Makes one.
///
/// # Errors
/// No key could be made.
pub fn authority(name: &str) -> Result<Authority> {
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // With the name of what it signs, a certificate would seem to have signed itself.
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(Authority::self_signed(params, KeyPair::generate()?)?)
}
