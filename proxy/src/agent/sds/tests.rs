use std::{sync::Arc, time::Duration};

use hyper_util::rt::TokioIo;
use mesh_identity::Credentials;
use mesh_pki::TrustBundle;
use mesh_proto::{
    envoy::envoy::{
        extensions::transport_sockets::tls::v3::{Secret, secret::Type},
        service::{
            discovery::v3::{DiscoveryRequest, DiscoveryResponse},
            secret::v3::secret_discovery_service_client::SecretDiscoveryServiceClient,
        },
    },
    unpack,
};
use tokio::{
    net::{UnixListener, UnixStream},
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Streaming, transport::Endpoint};

use super::serve;
use crate::agent::testing::{authority, certificate};

struct Envoy {
    requests: mpsc::Sender<DiscoveryRequest>,
    answers: Streaming<DiscoveryResponse>,
}

impl Envoy {
    async fn ask(&self, name: &str, nonce: &str) {
        let request = DiscoveryRequest {
            resource_names: vec![name.to_owned()],
            response_nonce: nonce.to_owned(),
            ..Default::default()
        };
        self.requests.send(request).await.unwrap();
    }

    /// The next secret, or none if nothing comes.
    async fn hear(&mut self) -> Option<(String, Secret)> {
        let answer = timeout(Duration::from_millis(500), self.answers.message()).await.ok()?.unwrap().unwrap();
        assert_eq!(answer.resources.len(), 1);
        Some((answer.nonce, unpack(&answer.resources[0]).unwrap()))
    }
}

async fn envoy(credentials: Credentials) -> (Envoy, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    tokio::spawn(serve(UnixListener::bind(&path).unwrap(), credentials));
    let connector = tower::service_fn(move |_: http::Uri| {
        let path = path.clone();
        async move { UnixStream::connect(path).await.map(TokioIo::new) }
    });
    let channel = Endpoint::from_static("http://agent").connect_with_connector(connector).await.unwrap();
    let (requests, stream) = mpsc::channel(4);
    let mut client = SecretDiscoveryServiceClient::new(channel);
    let answers = client.stream_secrets(ReceiverStream::new(stream)).await.unwrap().into_inner();
    (Envoy { requests, answers }, folder)
}

#[tokio::test]
async fn a_certificate_is_sent_when_it_comes_and_when_it_is_renewed() {
    let authority = authority();
    let (writer, cert) = watch::channel(None);
    let roots = watch::channel(authority.roots().clone()).1;
    let (mut envoy, _folder) = envoy(Credentials { cert, roots }).await;
    envoy.ask("default", "").await;
    assert!(envoy.hear().await.is_none(), "there is none yet");
    let mut nonce = String::new();
    for _ in 0..2 {
        let cert = certificate(&authority, "web");
        let chain = cert.chain_pem();
        writer.send(Some(Arc::new(cert))).unwrap();
        let (next, secret) = envoy.hear().await.unwrap();
        assert_eq!(secret.name, "default");
        let Some(Type::TlsCertificate(tls)) = secret.r#type else { panic!("another kind") };
        let sent = tls.certificate_chain.unwrap().specifier.unwrap();
        assert_eq!(sent, super::Specifier::InlineBytes(chain.into_bytes()));
        assert_ne!(next, nonce);
        nonce = next;
        envoy.ask("default", &nonce).await;
        assert!(envoy.hear().await.is_none(), "an acknowledgement is not answered");
    }
}

#[tokio::test]
async fn roots_are_a_secret_and_others_are_not_served() {
    let authority = authority();
    let credentials = Credentials::fixed(None, authority.roots().clone());
    let (mut asking, _folder) = envoy(credentials).await;
    asking.ask("ROOTCA", "").await;
    let (_, secret) = asking.hear().await.unwrap();
    assert!(matches!(secret.r#type, Some(Type::ValidationContext(_))));
    for credentials in
        [Credentials::fixed(None, TrustBundle::default()), Credentials::fixed(None, authority.roots().clone())]
    {
        let (mut asking, _folder) = envoy(credentials).await;
        asking.ask("kubernetes://secret", "").await;
        assert!(asking.hear().await.is_none());
    }
}
