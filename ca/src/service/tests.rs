use std::{sync::Arc, time::SystemTime};

use clap::Parser;
use http::uri::PathAndQuery;
use mesh_bootstrap::Metrics;
use mesh_pki::{Authority, Key, KeyKind, WorkloadCert, csr};
use mesh_proto::{
    ca::{CREATE_CERTIFICATE, CertificateRequest, CertificateResponse},
    envoy::google::protobuf::{Struct, Value, value::Kind},
};
use mesh_tls::{Clients, Credentials, Dialer, Peers, Servers, TlsListener, alpn, client_config, server_config};
use mesh_types::SpiffeId;
use tokio::net::TcpListener;
use tonic::{
    Code, Request, Status,
    transport::{Endpoint, Server},
};
use tonic_prost::ProstCodec;

use super::Service;
use crate::{Authenticator, CaMetrics, Config, Reviewed, Signer, keep_serving_certificate};

struct Ca {
    address: String,
    signer: Signer,
    metrics: Metrics,
}

fn id(account: &str) -> SpiffeId {
    SpiffeId::new("cluster.local", "shop", account).unwrap()
}

/// A ca whose API server takes each token for the name of an account in `shop`.
async fn start() -> Ca {
    let authority = Authority::generate("cluster.local", SystemTime::now()).unwrap();
    let signer = Signer::new(Arc::new(authority), &Config::parse_from(["ca", "--namespace", "istio-system"]));
    let own = "spiffe://cluster.local/ns/istio-system/sa/ca".parse().unwrap();
    let credentials = keep_serving_certificate(signer.clone(), own).unwrap();
    let tls = server_config(&credentials, Clients::Optional(Peers::domain("cluster.local")), &[alpn::H2]).unwrap();
    let listener = TlsListener::new(TcpListener::bind("127.0.0.1:0").await.unwrap(), tls).unwrap();
    let address = listener.local_addr().to_string();
    let authenticator = Authenticator::new(
        "cluster.local",
        Arc::new(|token, audience| {
            let user = format!("system:serviceaccount:shop:{token}");
            let audiences = vec![audience.to_owned()];
            Box::pin(
                async move { Ok(Reviewed { authenticated: token != "bad", user, audiences, error: String::new() }) },
            )
        }),
    );
    let metrics = Metrics::new("ca");
    let service = Service::new(authenticator, signer.clone(), CaMetrics::new(&metrics));
    tokio::spawn(Server::builder().add_service(service).serve_with_incoming(listener.into_stream()));
    Ca { address, signer, metrics }
}

impl Ca {
    fn credentials(&self, cert: Option<WorkloadCert>) -> Credentials {
        Credentials::fixed(cert, self.signer.authority().roots().clone())
    }

    async fn call(
        &self,
        credentials: &Credentials,
        token: Option<&str>,
        message: CertificateRequest,
        path: &'static str,
    ) -> Result<Vec<String>, Status> {
        let config = client_config(credentials, Servers::Named, &[alpn::H2]).unwrap();
        let dialer = Dialer::with_name(&self.address, "ca.istio-system.svc", config).unwrap();
        let channel = Endpoint::from_static("http://ca").connect_with_connector_lazy(dialer);
        let mut request = Request::new(message);
        if let Some(token) = token {
            request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let mut client = tonic::client::Grpc::new(channel);
        client.ready().await.unwrap();
        let codec = ProstCodec::<CertificateRequest, CertificateResponse>::new();
        let reply = client.unary(request, PathAndQuery::from_static(path), codec).await?;
        Ok(reply.into_inner().cert_chain)
    }
}

fn request(key: &Key, id: &SpiffeId) -> CertificateRequest {
    CertificateRequest { csr: csr::request(key, id).unwrap(), validity_duration: 3600, metadata: None }
}

#[tokio::test]
async fn a_token_gives_a_certificate_which_renews_itself() {
    let ca = start().await;
    let key = Key::generate(KeyKind::P256).unwrap();
    let nobody = ca.credentials(None);
    let chain = ca.call(&nobody, Some("web"), request(&key, &id("web")), CREATE_CERTIFICATE).await.unwrap();
    assert_eq!(chain.len(), 2, "a leaf and the roots");
    assert_eq!(chain[1], ca.signer.authority().roots().to_pem());
    let roots = ca.signer.authority().roots();
    let cert = WorkloadCert::parse(&chain[0], &key, &id("web"), roots, SystemTime::now()).unwrap();

    let new_key = Key::generate(KeyKind::P256).unwrap();
    let web = ca.credentials(Some(cert));
    let chain = ca.call(&web, None, request(&new_key, &id("web")), CREATE_CERTIFICATE).await.unwrap();
    WorkloadCert::parse(&chain[0], &new_key, &id("web"), roots, SystemTime::now()).unwrap();
    assert!(ca.metrics.encode().contains("citadel_server_success_cert_issuance_count_total 2"));
}

#[tokio::test]
async fn everything_else_is_refused_with_its_code() {
    let ca = start().await;
    let key = Key::generate(KeyKind::P256).unwrap();
    let nobody = ca.credentials(None);
    let wish = |name: &str, value: &str| CertificateRequest {
        metadata: Some(Struct {
            fields: [(name.to_owned(), Value { kind: Some(Kind::StringValue(value.to_owned())) })].into(),
        }),
        ..request(&key, &id("web"))
    };
    let table = [
        (None, request(&key, &id("web")), Code::Unauthenticated),
        (Some("bad"), request(&key, &id("bad")), Code::Unauthenticated),
        (Some("web"), request(&key, &id("other")), Code::PermissionDenied),
        (Some("web"), CertificateRequest { csr: "x".to_owned(), ..Default::default() }, Code::InvalidArgument),
        (
            Some("web"),
            CertificateRequest { validity_duration: i64::MAX, ..request(&key, &id("web")) },
            Code::InvalidArgument,
        ),
        (Some("web"), wish("ImpersonatedIdentity", "spiffe://cluster.local/ns/a/sa/b"), Code::PermissionDenied),
        (Some("web"), wish("CertSigner", "clusterissuers.cert-manager.io/x"), Code::InvalidArgument),
    ];
    for (token, message, code) in table {
        let status = ca.call(&nobody, token, message, CREATE_CERTIFICATE).await.unwrap_err();
        assert_eq!(status.code(), code, "{status}");
    }
    ca.call(&nobody, Some("web"), wish("CertSigner", ""), CREATE_CERTIFICATE).await.unwrap();
    let other = "/istio.v1.auth.IstioCertificateService/Other";
    let status = ca.call(&nobody, Some("web"), request(&key, &id("web")), other).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    let text = ca.metrics.encode();
    for line in ["authentication_failure_count_total 2", "csr_parsing_err_count_total 1", "csr_sign_err_count_total 2"]
    {
        assert!(text.contains(&format!("citadel_server_{line}")), "{line}: {text}");
    }
}
