//! Whom to trust: roots, revocations, names and pins.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use mesh_proto::envoy::envoy::{
    extensions::transport_sockets::tls::v3 as pb,
    r#type::matcher::v3::{StringMatcher, string_matcher::MatchPattern},
};
use rustls_pki_types::{CertificateRevocationListDer, pem::PemObject};

use super::{
    NotReady,
    material::{Material, Origin, Source, Vault, certificates, secret_name},
    verify::{NameKind, NameTest, Roots, Trust},
};
use crate::{
    refusal::{At, Bad},
    take::{ensure, nothing_left},
    text::TextTest,
};

/// Demands on a peer's certificate, where a secret may add to those that stand in the resource.
#[derive(Debug)]
pub(super) struct ValidationSource {
    here: Validation,
    more: Option<Origin>,
}

/// Demands on a peer's certificate.
#[derive(Clone, Debug, Default)]
pub(crate) struct Validation {
    roots: Option<Source>,
    revoked: Option<Source>,
    names: Vec<NameTest>,
    keys: Vec<[u8; 32]>,
    hashes: Vec<[u8; 32]>,
    accepts_all: bool,
    revokes_leaf_only: bool,
    hides_roots: bool,
}

impl ValidationSource {
    pub(super) fn parse(
        here: Option<pb::CertificateValidationContext>,
        more: Option<pb::SdsSecretConfig>,
    ) -> Result<Self, Bad> {
        let here = here.map(Validation::parse).transpose()?.unwrap_or_default();
        let source = Self { here, more: more.map(secret_name).transpose()? };
        if source.origins().next().is_none() {
            source.here.trust(&Vault::default()).map_err(|why| Bad::new("", why))?;
        }
        Ok(source)
    }

    pub(super) fn origins(&self) -> impl Iterator<Item = &Origin> {
        let sources = [self.here.roots.as_ref(), self.here.revoked.as_ref()];
        sources.into_iter().flatten().filter_map(Source::origin).chain(&self.more)
    }

    /// All of it, ready to judge by.
    pub(super) fn trust(&self, vault: &Vault) -> Result<Trust, NotReady> {
        let Some(origin) = &self.more else { return self.here.trust(vault) };
        match vault.get(origin)? {
            Material::Validation(more) => self.here.with(more).trust(vault),
            _ => Err(NotReady::new(format_args!("{origin} says nothing of whom to trust"))),
        }
    }
}

/// For people, to be read after "and".
impl fmt::Display for ValidationSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.here.accepts_all {
            return f.write_str("trusts anybody");
        }
        let pins = self.here.keys.len() + self.here.hashes.len();
        match (&self.here.roots, &self.more) {
            (_, Some(origin)) => write!(f, "trusts {origin}")?,
            (Some(source), None) => match source.origin() {
                Some(origin) => write!(f, "trusts {origin}")?,
                None => f.write_str("trusts roots of its own")?,
            },
            (None, None) if pins == 0 => f.write_str("trusts anybody")?,
            (None, None) => f.write_str("trusts nobody else")?,
        }
        if pins > 0 {
            write!(f, ", wants one of {pins} pins")?;
        }
        match self.here.names.len() {
            0 => Ok(()),
            names => write!(f, ", wants one of {names} names"),
        }
    }
}

impl Validation {
    pub(super) fn parse(mut message: pb::CertificateValidationContext) -> Result<Self, Bad> {
        use pb::certificate_validation_context::TrustChainVerification as T;
        let sent = message.trusted_ca.take().map(Source::parse).transpose().at("trusted_ca")?;
        let system = message.system_root_certs.take().map(|_| Source::At(Origin::SystemRoots));
        ensure(sent.is_none() || system.is_none(), "system_root_certs", "stands beside `trusted_ca`")?;
        let accepts_all = match T::try_from(std::mem::take(&mut message.trust_chain_verification)) {
            Ok(T::VerifyTrustChain) => false,
            Ok(T::AcceptUntrusted) => true,
            Err(_) => return Err(Bad::new("trust_chain_verification", "is unknown")),
        };
        let typed = std::mem::take(&mut message.match_typed_subject_alt_names).into_iter().enumerate();
        let typed = typed.map(|(i, m)| NameTest::parse_typed(m).at_index("match_typed_subject_alt_names", i));
        let untyped = std::mem::take(&mut message.match_subject_alt_names).into_iter().enumerate();
        let untyped = untyped.map(|(i, m)| NameTest::parse(NameKind::Any, m).at_index("match_subject_alt_names", i));
        let names = typed.chain(untyped).collect::<Result<Vec<_>, _>>()?;
        let validation = Self {
            roots: sent.or(system),
            revoked: message.crl.take().map(Source::parse).transpose().at("crl")?,
            names,
            keys: pins(&std::mem::take(&mut message.verify_certificate_spki), from_base64)
                .at("verify_certificate_spki")?,
            hashes: pins(&std::mem::take(&mut message.verify_certificate_hash), from_hex)
                .at("verify_certificate_hash")?,
            accepts_all,
            revokes_leaf_only: std::mem::take(&mut message.only_verify_leaf_cert_crl),
            hides_roots: std::mem::take(&mut message.suppress_client_ca_list),
        };
        message.watched_directory = None;
        nothing_left(&message)?;
        Ok(validation)
    }

    /// This, and what a secret adds; where one of both can hold, the secret's does.
    fn with(&self, more: &Self) -> Self {
        let both = |one: &[[u8; 32]], two: &[[u8; 32]]| [one, two].concat();
        Self {
            roots: more.roots.clone().or_else(|| self.roots.clone()),
            revoked: more.revoked.clone().or_else(|| self.revoked.clone()),
            names: self.names.iter().chain(&more.names).cloned().collect(),
            keys: both(&self.keys, &more.keys),
            hashes: both(&self.hashes, &more.hashes),
            accepts_all: self.accepts_all || more.accepts_all,
            revokes_leaf_only: self.revokes_leaf_only || more.revokes_leaf_only,
            hides_roots: self.hides_roots || more.hides_roots,
        }
    }

    pub(super) fn trust(&self, vault: &Vault) -> Result<Trust, NotReady> {
        let roots = match &self.roots {
            None => None,
            Some(source) => {
                let lenient = source.origin() == Some(&Origin::SystemRoots);
                Some(Arc::new(Roots::new(certificates(source.bytes(vault)?)?, lenient)?))
            }
        };
        if roots.is_none() && !self.names.is_empty() && !self.accepts_all {
            // A name that nobody vouches for says nothing.
            return Err(NotReady::new("names are asked for, but there are no roots to judge them by"));
        }
        let revoked = self.revoked.as_ref().map(|source| revocations(source.bytes(vault)?)).transpose()?;
        Ok(Trust {
            roots,
            revoked: revoked.unwrap_or_default().into(),
            revokes_leaf_only: self.revokes_leaf_only,
            names: self.names.clone(),
            keys: self.keys.clone(),
            hashes: self.hashes.clone(),
            accepts_all: self.accepts_all,
            hides_roots: self.hides_roots,
            by_name: false,
        })
    }
}

fn revocations(pem: &[u8]) -> Result<Vec<webpki::CertRevocationList<'static>>, NotReady> {
    let bad = |why: &dyn std::fmt::Display| NotReady::new(format_args!("the revocation lists cannot be read: {why}"));
    let one = |der: Result<CertificateRevocationListDer<'static>, _>| {
        let der = der.map_err(|error| bad(&error))?;
        let list = webpki::OwnedCertRevocationList::from_der(&der).map_err(|error| bad(&error))?;
        Ok(webpki::CertRevocationList::Owned(list))
    };
    let lists = CertificateRevocationListDer::pem_slice_iter(pem).map(one).collect::<Result<Vec<_>, NotReady>>()?;
    if lists.is_empty() { Err(bad(&"there is none")) } else { Ok(lists) }
}

impl NameTest {
    fn parse_typed(mut message: pb::SubjectAltNameMatcher) -> Result<Self, Bad> {
        use pb::subject_alt_name_matcher::SanType as S;
        let kind = match S::try_from(std::mem::take(&mut message.san_type)) {
            Ok(S::Dns) => NameKind::Dns,
            Ok(S::Uri) => NameKind::Uri,
            Ok(S::Email) => NameKind::Email,
            Ok(S::IpAddress) => NameKind::Address,
            _ => return Err(Bad::new("san_type", "is not supported")),
        };
        let matcher = message.matcher.take().ok_or_else(|| Bad::new("matcher", "is missing"))?;
        nothing_left(&message)?;
        Self::parse(kind, matcher).at("matcher")
    }

    fn parse(kind: NameKind, matcher: StringMatcher) -> Result<Self, Bad> {
        let exact = match &matcher.match_pattern {
            Some(MatchPattern::Exact(text)) => Some(text.to_ascii_lowercase().into()),
            _ => None,
        };
        Ok(Self { kind, exact, test: TextTest::parse(matcher)? })
    }
}

fn pins(texts: &[String], read: fn(&str) -> Option<Vec<u8>>) -> Result<Vec<[u8; 32]>, Bad> {
    let one = |text: &String| {
        let bytes = read(text).and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| Bad::new("", format!("`{text}` is no SHA-256")))
    };
    texts.iter().map(one).collect()
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text).ok()
}

/// With or without colons between the bytes.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.replace(':', "");
    let bytes = (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(digits.get(i..i + 2)?, 16).ok());
    bytes.collect()
}
