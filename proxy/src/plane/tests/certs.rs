//! Certificates for tests, and ends of TLS that know nothing of ours.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, TlsConnector, client::TlsStream};

use super::rig::{Answer, Rig, answer};

/// Who vouches for certificates.
pub(super) struct Ca(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) cert: String,
    pub(super) key: String,
}

impl Ca {
    pub(super) fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, format!("root {}", MADE.fetch_add(1, Relaxed)));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(super) fn pem(&self) -> String {
        self.0.as_ref().pem()
    }

    pub(super) fn issue(&self, names: &[&str]) -> Pair {
        self.issue_as(names, |_| {})
    }

    /// Names that look like URIs are such.
    pub(super) fn issue_as(&self, names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Pair {
        let (uris, others): (Vec<&str>, Vec<&str>) = names.iter().partition(|name| name.contains("://"));
        let mut params = CertificateParams::new(others.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        let uris = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap()));
        params.subject_alt_names.extend(uris);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Pair { cert: params.signed_by(&key, &*self.0).unwrap().pem(), key: key.serialize_pem() }
    }

    fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.as_ref().der().clone()).unwrap();
        Arc::new(roots)
    }

    /// A client that trusts this one; with a certificate, if there is one.
    pub(super) fn client(&self, own: Option<&Pair>, alpn: &[&str]) -> Arc<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(mesh_tls::provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots());
        let mut config = match own {
            Some(own) => builder.with_client_auth_cert(own.chain(), own.private_key()).unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

impl Pair {
    fn chain(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.cert.as_bytes()).collect::<Result<_, _>>().unwrap()
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }

    /// As a resource has it.
    pub(super) fn inline(&self) -> Value {
        json!({
            "certificate_chain": { "inline_string": self.cert },
            "private_key": { "inline_string": self.key },
        })
    }
}

/// The transport socket of a listener or cluster.
pub(super) fn socket(context: &str, mut fields: Value) -> Value {
    fields["@type"] = json!(format!("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.{context}"));
    json!({ "name": "envoy.transport_sockets.tls", "typed_config": fields })
}

/// A server that wants TLS, and answers with the name that it was called by, the protocol, and who the client is.
pub(super) struct Server {
    pub(super) own: Pair,
    pub(super) clients: Option<Arc<RootCertStore>>,
    pub(super) versions: Vec<&'static SupportedProtocolVersion>,
}

impl Server {
    pub(super) fn new(own: Pair) -> Self {
        Self { own, clients: None, versions: rustls::DEFAULT_VERSIONS.to_vec() }
    }

    pub(super) fn of_clients(own: Pair, clients: &Ca) -> Self {
        Self { clients: Some(clients.roots()), ..Self::new(own) }
    }

    pub(super) async fn start(self) -> SocketAddr {
        let builder = ServerConfig::builder_with_provider(mesh_tls::provider());
        let builder = builder.with_protocol_versions(&self.versions).unwrap();
        let builder = match self.clients {
            None => builder.with_no_client_auth(),
            Some(roots) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, mesh_tls::provider());
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let mut config = builder.with_single_cert(self.own.chain(), self.own.private_key()).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(serve(acceptor.clone(), stream));
            }
        });
        address
    }
}

async fn serve(acceptor: TlsAcceptor, stream: tokio::net::TcpStream) {
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let state = stream.get_ref().1;
    let alpn = String::from_utf8_lossy(state.alpn_protocol().unwrap_or_default()).into_owned();
    let name = state.server_name().unwrap_or("-").to_owned();
    let proven = state.peer_certificates().is_some();
    let service = service_fn(move |request: Request<Incoming>| {
        let text = format!("{name} {alpn} {:?} proven={proven} {}", request.version(), request.uri().path());
        async move {
            drop(request.into_body().collect().await);
            Ok::<_, Infallible>(answer(200, &text))
        }
    });
    let server = auto::Builder::new(TokioExecutor::new());
    drop(server.serve_connection_with_upgrades(TokioIo::new(stream), service).await);
}

/// A client's connection to the rig.
pub(super) async fn shake(
    rig: &Rig,
    client: &Arc<ClientConfig>,
    name: &str,
) -> std::io::Result<TlsStream<tokio::net::TcpStream>> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(client.clone()).connect(name, rig.connect().await).await
}

/// Asks the rig by TLS, in the version that is agreed on.
pub(super) async fn ask(
    rig: &Rig,
    client: &Arc<ClientConfig>,
    name: &str,
    request: Request<Full<Bytes>>,
) -> std::io::Result<Answer> {
    let stream = shake(rig, client, name).await?;
    let http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let io = TokioIo::new(stream);
    let broken = std::io::Error::other::<hyper::Error>;
    let response = if http2 {
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.map_err(broken)?;
        tokio::spawn(connection);
        sender.send_request(request).await
    } else {
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.map_err(broken)?;
        tokio::spawn(connection);
        sender.send_request(request).await
    };
    Ok(Answer::read(response.map_err(broken)?).await)
}
