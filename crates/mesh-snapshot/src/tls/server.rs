//! TLS of clients that call: what a filter chain shows them, and asks of them.

use std::{fmt, sync::Arc, time::Duration};

use mesh_proto::envoy::envoy::extensions::transport_sockets::tls::v3 as pb;
use rustls::{
    ServerConfig,
    server::{ClientHello, NoServerSessionStorage, ParsedCertificate, ResolvesServerCert},
    sign::CertifiedKey,
};
use rustls_pki_types::ServerName;

use super::{Common, Materials, NotReady, Origin, PeerFacts, Vault, verify::Verifier};
use crate::{
    refusal::{At, Bad},
    take::{ensure, flag, nothing_left},
};

/// What a filter chain's TLS is to be.
#[derive(Debug)]
pub(crate) struct ServerRules {
    pub(super) common: Common,
    required: bool,
    needs_name: bool,
    resumes: bool,
    ignores_client_order: bool,
}

/// A filter chain's TLS, as ready as it can be made.
#[derive(Clone)]
pub struct ServerTls {
    /// How long a handshake may take.
    pub patience: Duration,
    rules: Arc<ServerRules>,
    made_from: Materials,
    state: Result<Ready, NotReady>,
}

#[derive(Clone)]
struct Ready {
    config: Arc<ServerConfig>,
    own_uri: Option<Box<str>>,
}

/// Istio's own limit for gateways; Envoy by itself has none, and would wait for ever.
const PATIENCE: Duration = Duration::from_secs(15);

impl ServerRules {
    pub(crate) fn parse(mut message: pb::DownstreamTlsContext) -> Result<Self, Bad> {
        use pb::downstream_tls_context::SessionTicketKeysType as T;
        let common = Common::parse(message.common_tls_context.take()).at("common_tls_context")?;
        ensure(!common.certificates.is_empty(), "common_tls_context.tls_certificates", "has none")?;
        // Sessions are kept in memory; tickets that a client keeps are not made.
        match message.session_ticket_keys_type.take() {
            None | Some(T::DisableStatelessSessionResumption(_)) => {}
            Some(_) => return Err(Bad::new("session_ticket_keys_type", "is not supported")),
        }
        let rules = Self {
            common,
            required: flag(message.require_client_certificate.take()).unwrap_or(false),
            needs_name: flag(message.require_sni.take()).unwrap_or(false),
            resumes: !std::mem::take(&mut message.disable_stateful_session_resumption),
            ignores_client_order: !std::mem::take(&mut message.prefer_client_ciphers),
        };
        // Every certificate is looked at for each name.
        message.full_scan_certs_on_sni_mismatch = None;
        nothing_left(&message)?;
        Ok(rules)
    }

    fn make(&self, vault: &Vault) -> Result<Ready, NotReady> {
        let provider = self.common.parameters.provider.clone();
        let certificates =
            self.common.certificates.iter().map(|source| source.load(vault)).collect::<Result<Vec<_>, _>>()?;
        let own = certificates.first().and_then(|certificate| certificate.cert.first());
        let own_uri = own.and_then(|own| PeerFacts::of(std::slice::from_ref(own))).and_then(|facts| facts.uri());
        let trust = self.common.validation.as_ref().map(|source| source.trust(vault)).transpose()?;
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&self.common.parameters.versions)
            .map_err(NotReady::new)?;
        let builder = match (trust, self.required) {
            (None, false) => builder.with_no_client_auth(),
            (trust, required) => {
                let trust = trust.unwrap_or_default();
                builder.with_client_cert_verifier(Arc::new(Verifier { trust, provider, required }))
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(Resolver { certificates, needs_name: self.needs_name }));
        config.alpn_protocols.clone_from(&self.common.protocols);
        config.ignore_client_order = self.ignores_client_order;
        if !self.resumes {
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Ready { config: Arc::new(config), own_uri })
    }
}

impl ServerTls {
    pub(crate) fn new(rules: ServerRules, patience: Option<Duration>) -> Self {
        Self {
            patience: patience.unwrap_or(PATIENCE),
            rules: Arc::new(rules),
            made_from: Materials::default(),
            state: Err(NotReady::new("it was not made ready")),
        }
    }

    /// Made ready with what there is now.
    pub(crate) fn ready(&self, vault: &Vault) -> Self {
        let made_from = vault.materials(self.origins());
        Self { made_from, state: self.rules.make(vault), ..self.clone() }
    }

    /// Whether another one is the same, made ready with what there still is.
    pub(crate) fn is_still(&self, parsed: &Self, vault: &Vault) -> bool {
        Arc::ptr_eq(&self.rules, &parsed.rules) && self.made_from == vault.materials(self.origins())
    }

    /// Everything outside of its listener that it speaks of.
    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.rules.common.origins()
    }

    /// How to shake hands.
    ///
    /// # Errors
    /// Something that it takes has not come, or cannot be used.
    pub fn config(&self) -> Result<&Arc<ServerConfig>, &NotReady> {
        self.state.as_ref().map(|ready| &ready.config)
    }

    /// The URI in its own certificate.
    pub fn own_uri(&self) -> Option<&str> {
        self.state.as_ref().ok()?.own_uri.as_deref()
    }
}

impl fmt::Debug for ServerTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerTls").field("rules", &self.rules).finish_non_exhaustive()
    }
}

/// Chooses among certificates: one that the client can verify, and that has the name that it asks for.
#[derive(Debug)]
struct Resolver {
    certificates: Vec<Arc<CertifiedKey>>,
    needs_name: bool,
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name();
        if self.needs_name && name.is_none() {
            return None;
        }
        if let [only] = &self.certificates[..] {
            return Some(only.clone());
        }
        let schemes = hello.signature_schemes();
        let usable = || self.certificates.iter().filter(|c| c.key.choose_scheme(schemes).is_some());
        let named = name.and_then(|name| usable().find(|certificate| has_name(certificate, name)));
        named.or_else(|| usable().next()).or(self.certificates.first()).cloned()
    }
}

fn has_name(certificate: &CertifiedKey, name: &str) -> bool {
    let parsed = certificate.cert.first().and_then(|leaf| ParsedCertificate::try_from(leaf).ok());
    let name = ServerName::try_from(name).ok();
    parsed.zip(name).is_some_and(|(parsed, name)| rustls::client::verify_server_name(&parsed, &name).is_ok())
}
