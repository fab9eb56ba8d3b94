//! The application's probes, asked by the agent for the kubelet.
//!
//! The questions come from the loopback address that capture lets pass (127.0.0.6), so that they reach the application
//! and not the proxy, as in `pilot/cmd/pilot-agent/status/server.go`.

use std::{
    collections::BTreeMap,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, uri::PathAndQuery};
use hyper_util::rt::TokioIo;
use mesh_bootstrap::causes;
use mesh_tls::provider;
use rustls::{
    ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::timeout;
use tonic::transport::Endpoint;
use tonic_prost::ProstCodec;

use super::http::{Call, call, connect};

/// What is asked of the application, by the path that the kubelet asks of the agent (`ISTIO_KUBE_APP_PROBERS`).
pub(crate) type Probers = BTreeMap<String, Prober>;

/// Longest answer that is passed on; the kubelet reads no more either.
const LARGEST: usize = 10 << 10;

/// Headers of the kubelet's connection to the agent, not of its question.
const HOP_BY_HOP: &[HeaderName] =
    &[header::HOST, header::CONNECTION, header::TRANSFER_ENCODING, header::CONTENT_LENGTH];

/// One question, as Kubernetes writes probes.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Prober {
    http_get: Option<HttpGet>,
    tcp_socket: Option<TcpSocket>,
    grpc: Option<Grpc>,
    timeout_seconds: Option<u64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct HttpGet {
    path: String,
    port: Value,
    host: String,
    scheme: String,
    http_headers: Vec<Header>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Header {
    name: String,
    value: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct TcpSocket {
    port: Value,
    host: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Grpc {
    port: u16,
    service: Option<String>,
}

/// `grpc.health.v1.HealthCheckRequest`. <https://github.com/grpc/grpc/blob/master/doc/health-checking.md>
#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

/// `grpc.health.v1.HealthCheckResponse`; status 1 is SERVING.
#[derive(Clone, PartialEq, prost::Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

/// What the kubelet is told.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

impl Outcome {
    fn ok() -> Self {
        Self { status: StatusCode::OK, body: Vec::new() }
    }

    fn failed(why: impl ToString) -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, body: why.to_string().into_bytes() }
    }
}

impl Prober {
    /// Asks the application of the pod at `pod`; `asked` are the headers of the kubelet's question.
    pub(crate) async fn ask(&self, pod: IpAddr, asked: &HeaderMap) -> Outcome {
        let patience = Duration::from_secs(self.timeout_seconds.filter(|seconds| *seconds > 0).unwrap_or(1));
        let outcome = match (&self.http_get, &self.tcp_socket, &self.grpc) {
            (Some(get), _, _) => get.ask(pod, asked, patience).await,
            (None, Some(socket), _) => timeout(patience, socket.ask(pod)).await.unwrap_or_else(|_| Err(late(patience))),
            (None, None, Some(grpc)) => timeout(patience, grpc.ask(pod)).await.unwrap_or_else(|_| Err(late(patience))),
            (None, None, None) => Err("the probe asks nothing".to_owned()),
        };
        outcome.unwrap_or_else(|why| {
            tracing::info!(%why, "a probe of the application failed");
            Outcome::failed(why)
        })
    }
}

fn late(patience: Duration) -> String {
    format!("no answer within {patience:?}")
}

impl HttpGet {
    async fn ask(&self, pod: IpAddr, asked: &HeaderMap, patience: Duration) -> Result<Outcome, String> {
        let port = number(&self.port)?;
        let scheme = if self.scheme.eq_ignore_ascii_case("https") { "https" } else { "http" };
        let address = SocketAddr::new(pod, port);
        let path = self.path.trim_start_matches('/');
        let host = if self.host.is_empty() { address.to_string() } else { format!("{}:{port}", self.host) };
        let mut request = Call::new("GET", &format!("{scheme}://{host}/{path}")).map_err(|error| error.to_string())?;
        request = request.patience(patience);
        if self.host.is_empty() {
            request = request.dial(address).from(passing(pod));
        }
        for (name, value) in asked.iter().filter(|(name, _)| !HOP_BY_HOP.contains(name)) {
            request = request.header(name.clone(), value.clone());
        }
        for Header { name, value } in &self.http_headers {
            let bad = || format!("`{name}: {value}` is no header");
            let value = HeaderValue::from_str(value).map_err(|_| bad())?;
            request = request.header(name.parse().map_err(|_| bad())?, value);
        }
        let reply = call(request).await.map_err(|error| causes(&error))?;
        let body = reply.body.get(..LARGEST).unwrap_or(&reply.body).to_vec();
        Ok(Outcome { status: reply.status, body })
    }
}

impl TcpSocket {
    async fn ask(&self, pod: IpAddr) -> Result<Outcome, String> {
        let port = number(&self.port)?;
        let (address, from) = match self.host.parse::<IpAddr>() {
            Ok(host) => (SocketAddr::new(host, port), None),
            Err(_) => (SocketAddr::new(pod, port), Some(passing(pod))),
        };
        connect(address, from).await.map_err(|error| error.to_string())?;
        Ok(Outcome::ok())
    }
}

impl Grpc {
    async fn ask(&self, pod: IpAddr) -> Result<Outcome, String> {
        let address = SocketAddr::new(pod, self.port);
        let connector = tower::service_fn(move |_: http::Uri| async move {
            connect(address, Some(passing(pod))).await.map(TokioIo::new)
        });
        let channel = Endpoint::from_static("http://probe").connect_with_connector(connector).await;
        let mut client = tonic::client::Grpc::new(channel.map_err(|error| causes(&error))?);
        client.ready().await.map_err(|error| error.to_string())?;
        let request = HealthCheckRequest { service: self.service.clone().unwrap_or_default() };
        let codec = ProstCodec::<HealthCheckRequest, HealthCheckResponse>::new();
        let path = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
        let reply = client.unary(tonic::Request::new(request), path, codec).await;
        match reply.map_err(|status| status.to_string())?.into_inner().status {
            1 => Ok(Outcome::ok()),
            status => Err(format!("the application's health is {status}, not SERVING")),
        }
    }
}

/// The address of ours that capture lets pass.
fn passing(pod: IpAddr) -> IpAddr {
    if pod.is_ipv6() { Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6).into() } else { Ipv4Addr::new(127, 0, 0, 6).into() }
}

/// Injection has resolved names to numbers.
fn number(port: &Value) -> Result<u16, String> {
    let number = port.as_u64().and_then(|port| u16::try_from(port).ok());
    number.or_else(|| port.as_str()?.parse().ok()).ok_or_else(|| format!("`{port}` is no port"))
}

/// Takes every certificate, as the kubelet does when it probes HTTPS. It is used for nothing else.
#[derive(Debug)]
pub(crate) struct TrustEverybody;

impl TrustEverybody {
    /// A client configuration that verifies nothing.
    pub(crate) fn config() -> io::Result<ClientConfig> {
        let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
        let builder = builder.map_err(io::Error::other)?;
        Ok(builder.dangerous().with_custom_certificate_verifier(Arc::new(Self)).with_no_client_auth())
    }

    /// A name for servers that are called by address.
    pub(crate) fn name() -> ServerName<'static> {
        ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into())
    }
}

impl ServerCertVerifier for TrustEverybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests;
