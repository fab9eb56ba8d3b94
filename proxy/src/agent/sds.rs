//! The workload's certificate and the mesh's roots, for Envoy: secrets `default` and `ROOTCA` on a unix socket.
//!
//! <https://www.envoyproxy.io/docs/envoy/latest/configuration/security/secret>

use std::{io, pin::Pin};

use mesh_identity::Credentials;
use mesh_proto::{
    envoy::{
        envoy::{
            config::core::v3::{DataSource, data_source::Specifier},
            extensions::transport_sockets::tls::v3::{
                CertificateValidationContext, Secret, TlsCertificate, secret::Type,
            },
            service::{
                discovery::v3::{DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse},
                secret::v3::secret_discovery_service_server::{SecretDiscoveryService, SecretDiscoveryServiceServer},
            },
        },
        google::protobuf::Any,
    },
    pack, type_url,
};
use tokio::{
    net::UnixListener,
    sync::{mpsc, watch},
};
use tokio_stream::{
    Stream,
    wrappers::{ReceiverStream, UnixListenerStream},
};
use tonic::{Request, Response, Status, Streaming, transport::Server};

/// The workload's certificate and key.
const CERTIFICATE: &str = "default";

/// The roots.
const ROOTS: &str = "ROOTCA";

/// Answers that may wait for Envoy.
const QUEUE: usize = 4;

/// Serves secrets until the listener fails.
pub(crate) async fn serve(listener: UnixListener, credentials: Credentials) -> io::Result<()> {
    Server::builder()
        .add_service(SecretDiscoveryServiceServer::new(Secrets { credentials }))
        .serve_with_incoming(UnixListenerStream::new(listener))
        .await
        .map_err(io::Error::other)
}

struct Secrets {
    credentials: Credentials,
}

/// What one stream of Envoy's was told.
struct Told {
    credentials: Credentials,
    names: Vec<String>,
    version: u64,
    nonce: String,
    /// The secrets that were sent last.
    sent: Vec<Any>,
    answers: mpsc::Sender<Result<DiscoveryResponse, Status>>,
}

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl SecretDiscoveryService for Secrets {
    type DeltaSecretsStream = Answers<DeltaDiscoveryResponse>;
    type StreamSecretsStream = Answers<DiscoveryResponse>;

    async fn stream_secrets(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamSecretsStream>, Status> {
        let (answers, stream) = mpsc::channel(QUEUE);
        let told = Told {
            credentials: self.credentials.clone(),
            names: Vec::new(),
            version: 0,
            nonce: String::new(),
            sent: Vec::new(),
            answers,
        };
        tokio::spawn(told.follow(request.into_inner()));
        Ok(Response::new(Box::pin(ReceiverStream::new(stream))))
    }

    async fn delta_secrets(
        &self,
        _: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaSecretsStream>, Status> {
        Err(Status::unimplemented("ask for secrets with StreamSecrets"))
    }

    async fn fetch_secrets(&self, _: Request<DiscoveryRequest>) -> Result<Response<DiscoveryResponse>, Status> {
        Err(Status::unimplemented("ask for secrets with StreamSecrets"))
    }
}

impl Told {
    /// Answers Envoy's questions, and speaks up when something is new, until Envoy goes.
    async fn follow(mut self, mut requests: Streaming<DiscoveryRequest>) {
        let mut credentials = self.credentials.clone();
        loop {
            tokio::select! {
                request = requests.message() => match request {
                    Ok(Some(request)) => self.hear(request),
                    Ok(None) | Err(_) => return,
                },
                () = news(&mut credentials.cert) => {}
                () = news(&mut credentials.roots) => {}
            }
            if !self.tell().await {
                return;
            }
        }
    }

    /// A question, or Envoy's word on the last answer.
    fn hear(&mut self, request: DiscoveryRequest) {
        if let Some(error) = request.error_detail {
            tracing::warn!(names = ?self.names, reason = error.message, "Envoy refused a secret");
        }
        if !request.response_nonce.is_empty() && request.response_nonce != self.nonce {
            return;
        }
        if request.resource_names != self.names {
            for name in request.resource_names.iter().filter(|name| ![CERTIFICATE, ROOTS].contains(&name.as_str())) {
                tracing::warn!(name, "Envoy asks for a secret that is not served here");
            }
            self.names = request.resource_names;
            self.sent.clear();
        }
    }

    /// Sends what is new. Nothing is sent before there is a certificate: Envoy waits for it.
    async fn tell(&mut self) -> bool {
        let secrets: Vec<Any> = self.names.iter().filter_map(|name| secret(name, &self.credentials)).collect();
        if secrets.is_empty() || secrets == self.sent {
            return true;
        }
        self.version += 1;
        self.nonce = self.version.to_string();
        self.sent.clone_from(&secrets);
        let answer = DiscoveryResponse {
            version_info: self.version.to_string(),
            resources: secrets,
            type_url: type_url::SECRET.to_owned(),
            nonce: self.nonce.clone(),
            ..Default::default()
        };
        self.answers.send(Ok(answer)).await.is_ok()
    }
}

/// Waits for the next value; for ever if whoever publishes has ended, for what was published stays good.
async fn news<T>(values: &mut watch::Receiver<T>) {
    if values.changed().await.is_err() {
        std::future::pending().await
    }
}

fn secret(name: &str, credentials: &Credentials) -> Option<Any> {
    let inline = |text: String| {
        Some(DataSource { specifier: Some(Specifier::InlineBytes(text.into_bytes())), ..Default::default() })
    };
    let kind = match name {
        CERTIFICATE => {
            let cert = credentials.current()?;
            Type::TlsCertificate(TlsCertificate {
                certificate_chain: inline(cert.chain_pem()),
                private_key: inline(cert.key_pem().to_owned()),
                ..Default::default()
            })
        }
        ROOTS => {
            let roots = credentials.trusted();
            let trusted_ca = (!roots.is_empty()).then(|| inline(roots.to_pem()))?;
            Type::ValidationContext(CertificateValidationContext { trusted_ca, ..Default::default() })
        }
        _ => return None,
    };
    Some(pack(&Secret { name: name.to_owned(), r#type: Some(kind) }))
}

#[cfg(test)]
mod tests;
