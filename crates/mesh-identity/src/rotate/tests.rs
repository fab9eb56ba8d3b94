use std::{
    convert::Infallible,
    fs,
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, SystemTime},
};

use mesh_pki::{Authority, Csr, Grant, Key, KeyKind, WorkloadCert, csr};
use mesh_proto::ca::{CertificateRequest, CertificateResponse};
use mesh_tls::{Clients, Peers, TlsListener, alpn, peer_identity, server_config};
use tempfile::TempDir;
use tokio::{net::TcpListener, time::timeout};
use tonic::{Request, Response, Status, body::Body, server::NamedService, transport::Server};
use tonic_prost::ProstCodec;

use crate::{Credentials, Settings, start};

const SOON: Duration = Duration::from_secs(20);

/// A ca that believes the token `good` and its own certificates.
#[derive(Clone)]
struct FakeCa {
    authority: Arc<Authority>,
    /// Lifetime of what it issues, milliseconds; 0: it refuses.
    lifetime: Arc<AtomicU64>,
    /// How each request proved itself.
    proofs: Arc<Mutex<Vec<String>>>,
}

impl NamedService for FakeCa {
    const NAME: &'static str = "istio.v1.auth.IstioCertificateService";
}

impl tower::Service<http::Request<Body>> for FakeCa {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let ca = self.clone();
        Box::pin(async move {
            let mut grpc = tonic::server::Grpc::new(ProstCodec::<CertificateResponse, CertificateRequest>::new());
            let answer = tower::service_fn(move |request| std::future::ready(ca.create(&request)));
            Ok(grpc.unary(answer, request).await)
        })
    }
}

impl FakeCa {
    fn create(&self, request: &Request<CertificateRequest>) -> Result<Response<CertificateResponse>, Status> {
        let lifetime = self.lifetime.load(Ordering::Relaxed);
        let bearer = request.metadata().get("authorization").map(|value| value.to_str().unwrap().to_owned());
        let peer = request.peer_certs().and_then(|certificates| peer_identity(certificates.iter()));
        self.proofs.lock().unwrap().push(match (&bearer, &peer) {
            (Some(_), _) => "token".to_owned(),
            (None, Some(peer)) => peer.account().to_owned(),
            (None, None) => "nothing".to_owned(),
        });
        if lifetime == 0 || bearer.is_some_and(|bearer| bearer != "Bearer good") {
            return Err(Status::unauthenticated("request authenticate failure"));
        }
        let csr = Csr::parse(&request.get_ref().csr).unwrap();
        let grant = Grant { id: id(), dns_names: Vec::new(), lifetime: Duration::from_millis(lifetime) };
        let issued = self.authority.issue(&csr, &grant, SystemTime::now()).unwrap();
        let cert_chain = issued.chain.into_iter().chain([issued.roots]).collect();
        Ok(Response::new(CertificateResponse { cert_chain }))
    }
}

fn id() -> mesh_types::SpiffeId {
    "spiffe://cluster.local/ns/shop/sa/web".parse().unwrap()
}

async fn fake(lifetime: Duration) -> (FakeCa, Settings, TempDir) {
    let now = SystemTime::now();
    let authority = Arc::new(Authority::generate("cluster.local", now).unwrap());
    let own = "spiffe://cluster.local/ns/istio-system/sa/ca".parse().unwrap();
    let key = Key::generate(KeyKind::P256).unwrap();
    let request = Csr::parse(&csr::request(&key, &own).unwrap()).unwrap();
    let grant = Grant { id: own.clone(), dns_names: vec!["localhost".to_owned()], lifetime: Duration::from_secs(600) };
    let issued = authority.issue(&request, &grant, now).unwrap();
    let cert = WorkloadCert::parse(&issued.chain.concat(), &key, &own, authority.roots(), now).unwrap();
    let shown = Credentials::fixed(Some(cert), authority.roots().clone());
    let config = server_config(&shown, Clients::Optional(Peers::domain("cluster.local")), &[alpn::H2]).unwrap();
    let listener = TlsListener::new(TcpListener::bind("127.0.0.1:0").await.unwrap(), config).unwrap();
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("root-cert.pem"), issued.roots).unwrap();
    fs::write(directory.path().join("token"), "good\n").unwrap();
    let settings = Settings {
        ca: format!("localhost:{}", listener.local_addr().port()),
        id: id(),
        cluster: "Kubernetes".to_owned(),
        token_file: directory.path().join("token"),
        root_file: directory.path().join("root-cert.pem"),
        key: KeyKind::P256,
        lifetime: Duration::from_secs(3600),
    };
    let ca = FakeCa { authority, lifetime: Arc::new(AtomicU64::new(0)), proofs: Arc::default() };
    ca.lifetime.store(lifetime.as_millis().try_into().unwrap(), Ordering::Relaxed);
    tokio::spawn(Server::builder().add_service(ca.clone()).serve_with_incoming(listener.into_stream()));
    (ca, settings, directory)
}

#[tokio::test]
async fn a_token_gives_a_certificate_and_roots() {
    let (ca, settings, _directory) = fake(Duration::from_secs(3600)).await;
    let credentials = start(settings);
    let cert = timeout(SOON, credentials.ready()).await.unwrap().unwrap();
    assert_eq!(cert.id(), &id());
    assert_eq!(credentials.trusted(), *ca.authority.roots());
    assert_eq!(*ca.proofs.lock().unwrap(), ["token"]);
}

/// The ca, the roots and the token may all come later than the workload.
#[tokio::test]
async fn it_is_asked_until_it_answers() {
    let (ca, settings, directory) = fake(Duration::ZERO).await;
    fs::remove_file(directory.path().join("token")).unwrap();
    let roots = fs::read(&settings.root_file).unwrap();
    fs::remove_file(&settings.root_file).unwrap();
    let credentials = start(settings.clone());
    tokio::time::sleep(Duration::from_millis(300)).await;
    fs::write(&settings.root_file, roots).unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    fs::write(&settings.token_file, "good").unwrap();
    assert!(credentials.current().is_none());
    ca.lifetime.store(60_000, Ordering::Relaxed);
    assert!(timeout(SOON, credentials.ready()).await.unwrap().is_some());
    assert!(!ca.proofs.lock().unwrap().contains(&"nothing".to_owned()), "without a proof nobody is asked");
}

/// Certificates begin two minutes in the past: half of four minutes and two seconds is left one second from now.
#[tokio::test]
async fn it_is_renewed_in_time_and_without_a_token_by_itself() {
    let (ca, settings, directory) = fake(Duration::from_secs(122)).await;
    let credentials = start(settings);
    let first = timeout(SOON, credentials.ready()).await.unwrap().unwrap();
    fs::remove_file(directory.path().join("token")).unwrap();
    ca.lifetime.store(3_600_000, Ordering::Relaxed);
    let mut watch = credentials.cert.clone();
    let second = timeout(SOON, watch.wait_for(|cert| cert.as_ref().is_some_and(|cert| cert.chain() != first.chain())));
    assert!(second.await.unwrap().unwrap().is_some());
    assert_eq!(*ca.proofs.lock().unwrap(), ["token", "web"]);
}

#[tokio::test]
async fn the_old_certificate_serves_while_the_ca_refuses() {
    let (ca, settings, _directory) = fake(Duration::from_secs(121)).await;
    let credentials = start(settings);
    let first = timeout(SOON, credentials.ready()).await.unwrap().unwrap();
    ca.lifetime.store(0, Ordering::Relaxed);
    let asked = async {
        while ca.proofs.lock().unwrap().len() < 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, asked).await.unwrap();
    assert_eq!(credentials.current().unwrap().chain(), first.chain());
}
