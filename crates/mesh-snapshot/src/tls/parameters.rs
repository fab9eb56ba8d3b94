//! Versions, cipher suites and curves.

use std::sync::{Arc, LazyLock};

use mesh_proto::envoy::envoy::extensions::transport_sockets::tls::v3 as pb;
use rustls::{
    CipherSuite, SupportedCipherSuite, SupportedProtocolVersion,
    crypto::{CryptoProvider, SupportedKxGroup, aws_lc_rs, aws_lc_rs::kx_group},
    version::{TLS12, TLS13},
};

use crate::{
    refusal::Bad,
    take::{ensure, nothing_left},
};

/// Curves as Envoy names them, the first choice first: the post-quantum hybrid costs a third of the handshakes per second
/// and is there for who asks for it.
const CURVES: &[(&str, &dyn SupportedKxGroup)] = &[
    ("X25519", kx_group::X25519),
    ("P-256", kx_group::SECP256R1),
    ("P-384", kx_group::SECP384R1),
    ("X25519MLKEM768", kx_group::X25519MLKEM768),
];

/// Cipher suites of TLS 1.2 as OpenSSL names them.
const SUITES: &[(&str, CipherSuite)] = &[
    ("ECDHE-ECDSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-RSA-AES128-GCM-SHA256", CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-RSA-AES256-GCM-SHA384", CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256),
    ("ECDHE-RSA-CHACHA20-POLY1305", CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256),
];

/// Those that Envoy has beside them: without forward secrecy, or CBC. They are never chosen here.
const OLD_SUITES: &[&str] = &[
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
    "DES-CBC3-SHA",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-ECDSA-AES128-SHA256",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-RSA-AES256-SHA",
];

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    let kx_groups = CURVES.iter().map(|(_, group)| *group).collect();
    Arc::new(CryptoProvider { kx_groups, ..aws_lc_rs::default_provider() })
});

/// The crypto provider where nobody asks for anything else.
pub(super) fn provider() -> Arc<CryptoProvider> {
    PROVIDER.clone()
}

/// What may be agreed on.
#[derive(Debug)]
pub(super) struct Parameters {
    pub(super) versions: Vec<&'static SupportedProtocolVersion>,
    pub(super) provider: Arc<CryptoProvider>,
}

impl Parameters {
    pub(super) fn parse(message: Option<pb::TlsParameters>) -> Result<Self, Bad> {
        let mut message = message.unwrap_or_default();
        let versions = versions(
            std::mem::take(&mut message.tls_minimum_protocol_version),
            std::mem::take(&mut message.tls_maximum_protocol_version),
        )?;
        let suites = suites(&std::mem::take(&mut message.cipher_suites))?;
        let curves = curves(&std::mem::take(&mut message.ecdh_curves))?;
        nothing_left(&message)?;
        let provider = if suites.is_none() && curves.is_none() {
            provider()
        } else {
            let plain = provider();
            Arc::new(CryptoProvider {
                cipher_suites: suites.unwrap_or_else(|| plain.cipher_suites.clone()),
                kx_groups: curves.unwrap_or_else(|| plain.kx_groups.clone()),
                ..CryptoProvider::clone(&plain)
            })
        };
        Ok(Self { versions, provider })
    }
}

/// 1.2 and 1.3 where nothing else is said. Who permits older versions permits these, too.
fn versions(least: i32, most: i32) -> Result<Vec<&'static SupportedProtocolVersion>, Bad> {
    use pb::tls_parameters::TlsProtocol as V;
    let least = V::try_from(least).map_err(|_| Bad::new("tls_minimum_protocol_version", "is unknown"))?;
    let most = V::try_from(most).map_err(|_| Bad::new("tls_maximum_protocol_version", "is unknown"))?;
    match (least, most) {
        (_, V::TlSv10 | V::TlSv11) => Err(Bad::new("tls_maximum_protocol_version", "is below TLS 1.2")),
        (V::TlSv13, V::TlSv12) => Err(Bad::new("tls_maximum_protocol_version", "is below the minimum")),
        (V::TlSv13, _) => Ok(vec![&TLS13]),
        (_, V::TlSv12) => Ok(vec![&TLS12]),
        (_, V::TlsAuto | V::TlSv13) => Ok(vec![&TLS13, &TLS12]),
    }
}

/// The suites of a list, in its order; those of TLS 1.3 are not chosen by it. `[A|B]` is two of equal rank.
fn suites(names: &[String]) -> Result<Option<Vec<SupportedCipherSuite>>, Bad> {
    if names.is_empty() {
        return Ok(None);
    }
    let known = &provider().cipher_suites;
    let mut found: Vec<SupportedCipherSuite> = known.iter().filter(|suite| suite.tls13().is_some()).copied().collect();
    let newest = found.len();
    for name in names.iter().flat_map(|name| name.trim_matches(['[', ']']).split('|')) {
        match SUITES.iter().find(|(known, _)| *known == name) {
            Some((_, id)) => found.extend(known.iter().find(|suite| suite.suite() == *id)),
            None if OLD_SUITES.contains(&name) => {}
            None => return Err(Bad::new("cipher_suites", format!("`{name}` is unknown"))),
        }
    }
    ensure(found.len() > newest, "cipher_suites", "has none that is supported")?;
    Ok(Some(found))
}

fn curves(names: &[String]) -> Result<Option<Vec<&'static dyn SupportedKxGroup>>, Bad> {
    let one = |name: &String| {
        let known = CURVES.iter().find(|(known, _)| known == name);
        known.map(|(_, group)| *group).ok_or_else(|| Bad::new("ecdh_curves", format!("`{name}` is not supported")))
    };
    let found = names.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    Ok(Some(found).filter(|found| !found.is_empty()))
}
