//! Files that listeners and clusters speak of: certificates, keys, roots.

use std::{
    fs::File,
    io::{self, Read},
    time::Duration,
};

use mesh_snapshot::Origin;

/// How often they are read again: whoever renews a certificate in a file tells nobody.
pub(super) const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The most that is read of one.
const LONGEST: u64 = 4 << 20;

/// Where machines keep the roots that they trust, in the order in which Envoy looks.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// What a file holds now.
///
/// # Errors
/// It is not there, or cannot be read.
pub(super) fn read(origin: &Origin) -> io::Result<Vec<u8>> {
    match origin {
        Origin::File(path) => read_file(path),
        Origin::SystemRoots => {
            BUNDLES.iter().find_map(|path| read_file(path).ok()).ok_or_else(|| io::ErrorKind::NotFound.into())
        }
        Origin::Secret(_) => Err(io::ErrorKind::Unsupported.into()),
    }
}

fn read_file(path: &str) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LONGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}
