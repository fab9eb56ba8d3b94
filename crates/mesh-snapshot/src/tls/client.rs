//! TLS to servers that are called: what a cluster shows them, and asks of them.

use std::{fmt, net::IpAddr, sync::Arc};

use mesh_proto::envoy::envoy::extensions::transport_sockets::tls::v3 as pb;
use rustls::{
    ClientConfig, SignatureScheme,
    client::{ResolvesClientCert, Resumption},
    crypto::CryptoProvider,
    sign::CertifiedKey,
};
use rustls_pki_types::ServerName;

use super::{Common, Materials, NotReady, Origin, Vault, verify::Trust, verify::Verifier};
use crate::{
    Host,
    cluster::HttpOptions,
    refusal::{At, Bad},
    route::without_port,
    take::{ensure, nothing_left, number},
};

/// What is spoken once the handshake is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// Bytes, which are passed on as they come.
    Bytes,
}

/// What a cluster's TLS is to be.
#[derive(Debug)]
pub(crate) struct ClientRules {
    common: Common,
    name: Option<Box<str>>,
    /// The endpoint's own name goes before that, where it has one.
    by_host: bool,
    /// The host of the request goes before both.
    pub(crate) by_authority: bool,
    /// The name that is called has to be in the certificate; of requests, or of all connections.
    checks_authority: bool,
    checks_name: bool,
    resumes: bool,
}

/// A cluster's TLS, as ready as it can be made.
#[derive(Clone)]
pub struct ClientTls {
    rules: Arc<ClientRules>,
    made_from: Materials,
    state: Result<Arc<Configs>, NotReady>,
}

struct Configs {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    bytes: Arc<ClientConfig>,
}

impl ClientRules {
    pub(crate) fn parse(mut message: pb::UpstreamTlsContext, http: &HttpOptions) -> Result<Self, Bad> {
        let common = Common::parse(message.common_tls_context.take()).at("common_tls_context")?;
        ensure(common.certificates.len() < 2, "common_tls_context.tls_certificates", "has more than one")?;
        let name: Option<Box<str>> =
            Some(std::mem::take(&mut message.sni)).filter(|name| !name.is_empty()).map(Into::into);
        if let Some(name) = &name {
            ensure(ServerName::try_from(&**name).is_ok(), "sni", "is no host name")?;
        }
        let rules = Self {
            common,
            name,
            by_host: std::mem::take(&mut message.auto_host_sni),
            by_authority: http.names_server,
            checks_authority: http.checks_server,
            checks_name: std::mem::take(&mut message.auto_sni_san_validation),
            resumes: number(message.max_session_keys.take()) != Some(0),
        };
        nothing_left(&message)?;
        Ok(rules)
    }

    /// Everything outside of its cluster that it speaks of.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.common.origins()
    }

    fn make(&self, vault: &Vault) -> Result<Configs, NotReady> {
        let own = self.common.certificates.first().map(|source| source.load(vault)).transpose()?;
        // Without any word on it nobody is asked who he is, as Envoy does not.
        let trust = self.common.validation.as_ref().map(|source| source.trust(vault)).transpose()?.unwrap_or_default();
        let config = |protocol: Option<&[u8]>, by_name: bool| self.config(own.clone(), &trust, protocol, by_name);
        let by_name = self.checks_authority || self.checks_name;
        Ok(Configs {
            http1: config(Some(b"http/1.1"), by_name)?,
            http2: config(Some(b"h2"), by_name)?,
            bytes: config(None, self.checks_name)?,
        })
    }

    fn config(
        &self,
        own: Option<Arc<CertifiedKey>>,
        trust: &Trust,
        protocol: Option<&[u8]>,
        by_name: bool,
    ) -> Result<Arc<ClientConfig>, NotReady> {
        let provider: Arc<CryptoProvider> = self.common.parameters.provider.clone();
        let verifier =
            Verifier { trust: Trust { by_name, ..trust.clone() }, provider: provider.clone(), required: false };
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&self.common.parameters.versions)
            .map_err(NotReady::new)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let mut config = match own {
            Some(own) => builder.with_client_cert_resolver(Arc::new(Own(own))),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = match self.common.protocols.is_empty() {
            true => protocol.into_iter().map(<[u8]>::to_vec).collect(),
            false => self.common.protocols.clone(),
        };
        if !self.resumes {
            config.resumption = Resumption::disabled();
        }
        Ok(Arc::new(config))
    }
}

impl ClientTls {
    /// Made ready with what there is now; what stays the same is taken from `previous`.
    pub(crate) fn new(rules: &Arc<ClientRules>, vault: &Vault, previous: Option<&Self>) -> Self {
        let made_from = vault.materials(rules.origins());
        match previous {
            Some(same) if Arc::ptr_eq(&same.rules, rules) && same.made_from == made_from => same.clone(),
            _ => Self { rules: rules.clone(), made_from, state: rules.make(vault).map(Arc::new) },
        }
    }

    /// Whether it still is what these rules make with what there is now.
    pub(crate) fn is_still(&self, rules: &Arc<ClientRules>, vault: &Vault) -> bool {
        Arc::ptr_eq(&self.rules, rules) && self.made_from == vault.materials(rules.origins())
    }

    /// How to shake hands.
    ///
    /// # Errors
    /// Something that it takes has not come, or cannot be used.
    pub fn config(&self, speaks: Speaks) -> Result<&Arc<ClientConfig>, &NotReady> {
        self.state.as_ref().map(|configs| match speaks {
            Speaks::Http1 => &configs.http1,
            Speaks::Http2 => &configs.http2,
            Speaks::Bytes => &configs.bytes,
        })
    }

    /// The name by which a request's connection is told from those of other requests; none: all may share one.
    pub fn shared_by<'a>(&self, authority: &'a str) -> Option<&'a str> {
        self.rules.by_authority.then(|| without_port(authority)).filter(|name| !name.is_empty())
    }

    /// The name that a server is called by; `by_request` is what [`Self::shared_by`] gave. An address is asked for by no
    /// name.
    pub fn server_name(&self, host: &Host, by_request: Option<&str>) -> ServerName<'static> {
        let own = host.hostname.as_deref().filter(|_| self.rules.by_host);
        let own = own.filter(|name| name.parse::<IpAddr>().is_err());
        let names = [by_request, own, self.rules.name.as_deref()];
        let named = names
            .into_iter()
            .flatten()
            .find_map(|name| ServerName::try_from(name.trim_start_matches('[').trim_end_matches(']').to_owned()).ok());
        named.unwrap_or_else(|| ServerName::IpAddress(host.address.ip().into()))
    }
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// For people: whom it calls, and whom it takes for that.
impl fmt::Display for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = &self.rules;
        match &rules.name {
            _ if rules.by_authority => f.write_str("calls the request's host")?,
            _ if rules.by_host => f.write_str("calls the endpoint's own name")?,
            Some(name) => write!(f, "calls `{name}`")?,
            None => f.write_str("calls no name")?,
        }
        if rules.checks_authority || rules.checks_name {
            f.write_str(", wants its name")?;
        }
        if !rules.common.certificates.is_empty() {
            f.write_str(", shows a certificate")?;
        }
        match &rules.common.validation {
            Some(validation) => write!(f, ", {validation}"),
            None => f.write_str(", trusts anybody"),
        }
    }
}

/// The one certificate that is shown to whoever asks for one.
#[derive(Debug)]
struct Own(Arc<CertifiedKey>);

impl ResolvesClientCert for Own {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}
