//! Certificates, keys and bundles, and where they come from.

use std::{fmt, sync::Arc};

use mesh_proto::envoy::envoy::{
    config::core::v3::{DataSource, config_source::ConfigSourceSpecifier, data_source::Specifier},
    extensions::transport_sockets::tls::v3 as pb,
};
use rustc_hash::FxHashMap;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};

use super::{NotReady, parameters::provider, validation::Validation};
use crate::{
    refusal::{At, Bad},
    take::{ensure, nothing_left},
};

/// Where something comes from that does not stand in the resource that speaks of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// A secret of that name (SDS).
    Secret(Arc<str>),
    /// A file of the proxy, by its path.
    File(Arc<str>),
    /// The roots that the machine trusts.
    SystemRoots,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(name) => write!(f, "secret `{name}`"),
            Self::File(path) => write!(f, "file `{path}`"),
            Self::SystemRoots => f.write_str("the machine's bundle of roots"),
        }
    }
}

/// What came from there.
#[derive(Debug)]
pub(crate) enum Material {
    /// A certificate with its key.
    Certificate(Arc<CertifiedKey>),
    /// Whom to trust.
    Validation(Box<Validation>),
    /// The bytes of a file.
    Bytes(Vec<u8>),
}

/// All that came from outside.
#[derive(Debug, Default)]
pub(crate) struct Vault(FxHashMap<Origin, Arc<Material>>);

/// What some rules were made ready with. Equal if nothing of it was replaced.
#[derive(Clone, Debug, Default)]
pub(crate) struct Materials(Vec<Option<Arc<Material>>>);

impl Vault {
    /// Takes in what came.
    pub(crate) fn put(&mut self, origin: Origin, material: Material) {
        self.0.insert(origin, Arc::new(material));
    }

    /// Takes in what a file holds, or that it cannot be read; whether that is news.
    pub(crate) fn read(&mut self, origin: &Origin, bytes: Option<Vec<u8>>) -> bool {
        let before = match self.0.get(origin).map(|material| &**material) {
            Some(Material::Bytes(before)) => Some(before),
            _ => None,
        };
        if before == bytes.as_ref() {
            return false;
        }
        match bytes {
            Some(bytes) => self.put(origin.clone(), Material::Bytes(bytes)),
            None => self.remove(origin),
        }
        true
    }

    pub(crate) fn remove(&mut self, origin: &Origin) {
        self.0.remove(origin);
    }

    /// Forgets what nobody speaks of any more.
    pub(crate) fn keep(&mut self, keep: impl Fn(&Origin) -> bool) {
        self.0.retain(|origin, _| keep(origin));
    }

    /// What there is of these.
    pub(crate) fn materials<'a>(&self, origins: impl Iterator<Item = &'a Origin>) -> Materials {
        Materials(origins.map(|origin| self.0.get(origin).cloned()).collect())
    }

    pub(super) fn get(&self, origin: &Origin) -> Result<&Material, NotReady> {
        let found = self.0.get(origin).map(|material| &**material);
        found.ok_or_else(|| match origin {
            Origin::Secret(_) => NotReady::new(format_args!("{origin} has not come")),
            _ => NotReady::new(format_args!("{origin} cannot be read")),
        })
    }
}

impl PartialEq for Materials {
    fn eq(&self, other: &Self) -> bool {
        let same = |pair: (&Option<Arc<Material>>, &Option<Arc<Material>>)| match pair {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            (one, two) => one.is_none() && two.is_none(),
        };
        self.0.len() == other.0.len() && self.0.iter().zip(&other.0).all(same)
    }
}

/// Bytes, or where they are. Its debug form tells nothing of them: they may be a key.
#[derive(Clone)]
pub(super) enum Source {
    Here(Vec<u8>),
    At(Origin),
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(bytes) => write!(f, "{} bytes", bytes.len()),
            Self::At(origin) => origin.fmt(f),
        }
    }
}

impl Source {
    pub(super) fn parse(source: DataSource) -> Result<Self, Bad> {
        // All files are read again from time to time, whatever they stand in.
        match source.specifier {
            Some(Specifier::Filename(path)) => Ok(Self::At(Origin::File(path.into()))),
            Some(Specifier::InlineBytes(bytes)) => Ok(Self::Here(bytes)),
            Some(Specifier::InlineString(text)) => Ok(Self::Here(text.into_bytes())),
            Some(Specifier::EnvironmentVariable(_)) => Err(Bad::new("environment_variable", "is not supported")),
            None => Err(Bad::new("specifier", "is missing")),
        }
    }

    pub(super) fn bytes<'a>(&'a self, vault: &'a Vault) -> Result<&'a [u8], NotReady> {
        match self {
            Self::Here(bytes) => Ok(bytes),
            Self::At(origin) => match vault.get(origin)? {
                Material::Bytes(bytes) => Ok(bytes),
                _ => Err(NotReady::new(format_args!("{origin} is no file"))),
            },
        }
    }

    pub(super) fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Here(_) => None,
            Self::At(origin) => Some(origin),
        }
    }
}

/// A certificate that stands in the resource, or is sent by itself.
#[derive(Debug)]
pub(super) enum CertificateSource {
    Parts { chain: Source, key: Source, staple: Option<Source> },
    Named(Origin),
}

impl CertificateSource {
    pub(super) fn parse(mut message: pb::TlsCertificate) -> Result<Self, Bad> {
        let part = |source: Option<DataSource>, field: &str| {
            let source = source.ok_or_else(|| Bad::new(field, "is missing"))?;
            Source::parse(source).at(field)
        };
        let chain = part(message.certificate_chain.take(), "certificate_chain")?;
        let key = part(message.private_key.take(), "private_key")?;
        let staple = message.ocsp_staple.take().map(Source::parse).transpose().at("ocsp_staple")?;
        message.watched_directory = None;
        nothing_left(&message)?;
        let source = Self::Parts { chain, key, staple };
        if source.origins().next().is_none() {
            source.load(&Vault::default()).map_err(|why| Bad::new("", why))?;
        }
        Ok(source)
    }

    pub(super) fn origins(&self) -> impl Iterator<Item = &Origin> {
        let (named, parts) = match self {
            Self::Named(origin) => (Some(origin), None),
            Self::Parts { chain, key, staple } => (None, Some([Some(chain), Some(key), staple.as_ref()])),
        };
        named.into_iter().chain(parts.into_iter().flatten().flatten().filter_map(Source::origin))
    }

    /// The certificate with its key, which have to belong together.
    pub(super) fn load(&self, vault: &Vault) -> Result<Arc<CertifiedKey>, NotReady> {
        let (chain, key, staple) = match self {
            Self::Named(origin) => {
                return match vault.get(origin)? {
                    Material::Certificate(certificate) => Ok(certificate.clone()),
                    _ => Err(NotReady::new(format_args!("{origin} holds no certificate"))),
                };
            }
            Self::Parts { chain, key, staple } => (chain.bytes(vault)?, key.bytes(vault)?, staple),
        };
        let chain = certificates(chain)?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| NotReady::new("the private key is no PEM text of PKCS#8, SEC1 or PKCS#1, not encrypted"))?;
        let mut certified = CertifiedKey::from_der(chain, key, &provider())
            .map_err(|error| NotReady::new(format_args!("certificate and private key cannot be used: {error}")))?;
        certified.ocsp = staple.as_ref().map(|staple| staple.bytes(vault)).transpose()?.map(<[u8]>::to_vec);
        Ok(Arc::new(certified))
    }
}

/// The certificates of a PEM text.
pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, NotReady> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.map_err(|error| NotReady::new(format_args!("the certificates are no PEM text: {error}")))?;
    if all.is_empty() { Err(NotReady::new("there is no certificate in the PEM text")) } else { Ok(all) }
}

/// The secret that a resource names. Secrets come by the same stream as everything else.
pub(super) fn secret_name(mut config: pb::SdsSecretConfig) -> Result<Origin, Bad> {
    let name = std::mem::take(&mut config.name);
    ensure(!name.is_empty(), "name", "is empty")?;
    let mut source = config.sds_config.take().ok_or_else(|| Bad::new("sds_config", "is missing"))?;
    let by = source.config_source_specifier.take();
    ensure(matches!(by, Some(ConfigSourceSpecifier::Ads(_))), "sds_config", "only ADS is supported")?;
    // There is one version of the API, and nothing waits for a secret.
    source.resource_api_version = 0;
    source.initial_fetch_timeout = None;
    nothing_left(&source).at("sds_config")?;
    nothing_left(&config)?;
    Ok(Origin::Secret(name.into()))
}

/// Reads a secret, which has to be whole in itself.
pub(crate) fn parse_secret(message: pb::Secret) -> Result<(Arc<str>, Material), Bad> {
    use pb::secret::Type as T;
    let material = match message.r#type {
        Some(T::TlsCertificate(certificate)) => {
            let source = CertificateSource::parse(certificate).at("tls_certificate")?;
            let loaded = source.load(&Vault::default()).map_err(|why| Bad::new("tls_certificate", why))?;
            Material::Certificate(loaded)
        }
        Some(T::ValidationContext(context)) => {
            let validation = Validation::parse(context).at("validation_context")?;
            validation.trust(&Vault::default()).map_err(|why| Bad::new("validation_context", why))?;
            Material::Validation(Box::new(validation))
        }
        Some(_) => return Err(Bad::new("type", "is of a kind that is not supported")),
        None => return Err(Bad::new("type", "is missing")),
    };
    Ok((message.name.into(), material))
}
