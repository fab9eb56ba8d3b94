//! Configurations that follow their credentials.

use std::sync::{Arc, LazyLock};

use rustls::{
    ClientConfig, ServerConfig,
    client::Resumption,
    crypto::{CryptoProvider, aws_lc_rs, aws_lc_rs::kx_group},
    server::NoServerSessionStorage,
};

use crate::{
    Credentials, Peers,
    verify::{ClientVerifier, ServerVerifier},
};

/// What a server asks of its clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Clients {
    /// Nothing: TLS shows the server only.
    Anonymous,
    /// A certificate of one of these workloads; without it there is no connection.
    Required(Peers),
    /// A certificate of one of these workloads, or none.
    Optional(Peers),
}

/// Whom a client takes for the server that it called. The chain must lead to a root of the mesh in each case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Servers {
    /// The certificate has the DNS name (or address) that was called.
    Named,
    /// The certificate is one of these workloads'; the name that was called does not matter.
    Workloads(Peers),
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
#[error("the TLS library refuses the protocol versions")]
pub struct TlsError(#[from] rustls::Error);

static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    let mut provider = aws_lc_rs::default_provider();
    // X25519 first: the post-quantum hybrid takes a third of the handshakes per second. It is still there for who asks.
    provider.kx_groups = vec![kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1, kx_group::X25519MLKEM768];
    Arc::new(provider)
});

/// The one crypto provider, to be passed explicitly wherever rustls would guess.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::clone(&PROVIDER)
}

/// TLS 1.2 and 1.3 for a server that shows the workload's certificate. Before there is one, handshakes fail.
///
/// # Errors
/// None with the provider of this crate; the library's signature has them.
pub fn server_config(
    credentials: &Credentials,
    clients: Clients,
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let builder = match clients {
        Clients::Anonymous => builder.with_no_client_auth(),
        clients => builder.with_client_cert_verifier(Arc::new(ClientVerifier {
            roots: credentials.roots.clone(),
            clients,
            provider: provider(),
        })),
    };
    let mut config = builder.with_cert_resolver(Arc::new(credentials.clone()));
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// TLS 1.2 and 1.3 for a client that shows the workload's certificate if there is one and the server asks.
///
/// # Errors
/// None with the provider of this crate; the library's signature has them.
pub fn client_config(
    credentials: &Credentials,
    servers: Servers,
    alpn: &[&[u8]],
) -> Result<Arc<ClientConfig>, TlsError> {
    let verifier = ServerVerifier { roots: credentials.roots.clone(), servers, provider: provider() };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(credentials.clone()));
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests;
