//! TLS of the mesh: who one is, whom one lets in, whom one calls.
//!
//! A configuration is built once and follows its [`Credentials`]: each new handshake takes the certificate and the roots
//! of that moment, connections that stand live on. Sessions are not resumed, so that each connection proves who is there.
//! Certificates are made in `mesh-pki` and fetched in `mesh-identity`; nothing here asks anybody for one.
//!
//! ```text
//!   watch<Option<Arc<WorkloadCert>>> ─┐                 ┌─► server_config(Clients::..) ─► TlsListener ─► peer_identity
//!   watch<TrustBundle> ───────────────┴─► Credentials ──┴─► client_config(Servers::..) ─► Dialer ─► a tonic channel
//! ```
//!
//! A gRPC server: `Server::builder().add_service(..).serve_with_incoming(TlsListener::new(tcp, config).into_stream())`;
//! a handler learns the caller by `peer_identity(request.peer_certs())`. A gRPC client:
//! `Endpoint::from_static("http://pilot").connect_with_connector_lazy(Dialer::new("host:15012", config)?)`. The scheme is
//! `http` there, because the dialer does the TLS and tonic must not.
//!
//! Start reading at [`Credentials`].

mod config;
mod credentials;
mod dialer;
mod listener;
mod peer;
mod verify;

pub use config::{Clients, Servers, TlsError, client_config, provider, server_config};
pub use credentials::Credentials;
pub use dialer::{DialError, Dialer};
pub use listener::{Accepted, TlsListener};
pub use peer::{Peers, peer_identity};
pub use tokio_rustls::{client::TlsStream as ClientStream, server::TlsStream as ServerStream};

/// Names of protocols that are agreed on in handshakes (ALPN).
pub mod alpn {
    /// HTTP/2, and thereby gRPC.
    pub const H2: &[u8] = b"h2";
    /// HTTP/1.1.
    pub const HTTP_1_1: &[u8] = b"http/1.1";
}
