//! One call to a webhook: by service or by URL, over TLS that its `caBundle` vouches for.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{Method, Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::Dial;
use crate::store::{Resource, Store};

/// The largest answer that is read, in bytes.
const LIMIT: usize = 3 * 1024 * 1024;

/// Where a webhook is.
struct Place {
    host: String,
    port: u16,
    path: String,
    /// An address inside the cluster; None: the host is looked up outside.
    inside: Option<SocketAddr>,
}

/// Sends a review and reads the answer. The error is the part of Kubernetes' message after the webhook's name.
pub(super) async fn post(store: &Store, dial: Option<&Dial>, hook: &Value, review: &Value) -> Result<Value, String> {
    let seconds = hook["timeoutSeconds"].as_u64().unwrap_or(10);
    let client = &hook["clientConfig"];
    let place = place(store, client);
    let url = match &place {
        Ok(place) => format!("https://{}:{}{}?timeout={seconds}s", place.host, place.port, place.path),
        Err((url, _)) => format!("{url}?timeout={seconds}s"),
    };
    let tell = |why: String| format!("failed to call webhook: Post {url:?}: {why}");
    let place = place.map_err(|(_, why)| tell(why))?;
    let done = exchange(&place, dial, client, seconds, review);
    match tokio::time::timeout(Duration::from_secs(seconds), done).await {
        Ok(answer) => answer.map_err(tell),
        Err(_) => Err(tell("context deadline exceeded".into())),
    }
}

/// Finds a webhook; else the URL as far as it is known, and why not.
fn place(store: &Store, client: &Value) -> Result<Place, (String, String)> {
    if let Some(url) = client["url"].as_str() {
        let fail = |why: &str| (url.to_owned(), why.to_owned());
        let uri: Uri = url.parse().map_err(|_| fail("the URL cannot be read"))?;
        let host = uri.host().filter(|_| uri.scheme_str() == Some("https"));
        let host = host.ok_or_else(|| fail("the URL must begin with https:// and name a host"))?;
        let host = host.trim_matches(['[', ']']).to_owned();
        return Ok(Place { host, port: uri.port_u16().unwrap_or(443), path: uri.path().to_owned(), inside: None });
    }
    let service = &client["service"];
    let text = |key: &str| service[key].as_str().unwrap_or_default();
    let (namespace, name, port) = (text("namespace"), text("name"), service["port"].as_u64().unwrap_or(443));
    let host = format!("{name}.{namespace}.svc");
    let path = if text("path").is_empty() { "/".to_owned() } else { text("path").to_owned() };
    let fail = |why: String| (format!("https://{host}:{port}{path}"), why);
    let found = store.get(&Resource::new("", "services"), namespace, name);
    let found = found.ok_or_else(|| fail(format!("service {name:?} not found")))?;
    let ports = found.object.at("/spec/ports").and_then(Value::as_array);
    if !ports.is_some_and(|ports| ports.iter().any(|p| p["port"] == port)) {
        return Err(fail(format!("no service port {port} found for service {name:?}")));
    }
    if !has_endpoints(store, namespace, name) {
        return Err(fail(format!("no endpoints available for service {name:?}")));
    }
    let port = u16::try_from(port).map_err(|_| fail(format!("{port} is no port")))?;
    let ip = found.object.text("/spec/clusterIP").parse();
    let ip = ip.map_err(|_| fail(format!("service {name:?} has no cluster address")))?;
    Ok(Place { host: host.clone(), port, path: path.clone(), inside: Some(SocketAddr::new(ip, port)) })
}

/// Is any endpoint of the service ready? Without one, its address leads nowhere.
fn has_endpoints(store: &Store, namespace: &str, name: &str) -> bool {
    let (slices, _) = store.list(&Resource::new("discovery.k8s.io", "endpointslices"), Some(namespace));
    let of_service = slices.iter().filter(|s| s.object.label("kubernetes.io/service-name") == Some(name));
    let mut endpoints = of_service.filter_map(|s| s.object.at("/endpoints")?.as_array()).flatten();
    endpoints.any(|endpoint| endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false)))
}

async fn exchange(
    place: &Place,
    dial: Option<&Dial>,
    client: &Value,
    seconds: u64,
    review: &Value,
) -> Result<Value, String> {
    let Place { host, port, path, inside } = place;
    let socket = match (inside, dial) {
        (Some(address), Some(dial)) => dial(*address).await.map_err(|e| format!("dial tcp {address}: {e}"))?,
        (Some(address), None) => return Err(format!("dial tcp {address}: no way into the cluster's network")),
        (None, _) => {
            let connected = TcpStream::connect((host.as_str(), *port)).await;
            connected.map_err(|e| format!("dial tcp {host}:{port}: {e}"))?
        }
    };
    let name = ServerName::try_from(host.clone()).map_err(|e| e.to_string())?;
    let tls = TlsConnector::from(Arc::new(trust(client)?));
    let socket = tls.connect(name, socket).await.map_err(|e| format!("tls: {e}"))?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.map_err(|e| e.to_string())?;
    let request = Request::builder()
        .method(Method::POST)
        .uri(format!("{path}?timeout={seconds}s"))
        .header(header::HOST, format!("{host}:{port}"))
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json, */*")
        .body(Full::new(Bytes::from(review.to_string())))
        .map_err(|e| e.to_string())?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(|e| e.to_string())?;
        let status = response.status();
        let body = Limited::new(response.into_body(), LIMIT).collect().await.map_err(|e| e.to_string())?.to_bytes();
        if !status.is_success() {
            let text: String = String::from_utf8_lossy(&body).chars().take(1000).collect();
            return Err(format!("the webhook answered {status}: {}", text.trim()));
        }
        serde_json::from_slice(&body).map_err(|e| format!("the webhook's answer is not JSON: {e}"))
    };
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => answer,
        // A server that closes after its answer ends the connection while the answer waits to be read.
        ended = connection => match ended {
            Ok(()) => answer.await,
            Err(error) => Err(error.to_string()),
        },
    }
}

/// Trusts the authorities in `caBundle`.
fn trust(client: &Value) -> Result<ClientConfig, String> {
    let bundle = client["caBundle"].as_str().unwrap_or_default();
    let bundle = STANDARD.decode(bundle).map_err(|e| format!("caBundle is not base64: {e}"))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&bundle) {
        let certificate = certificate.map_err(|e| format!("caBundle is no PEM text: {e}"))?;
        roots.add(certificate).map_err(|e| format!("caBundle holds a bad certificate: {e}"))?;
    }
    if roots.is_empty() {
        return Err("tls: failed to verify certificate: x509: certificate signed by unknown authority (the webhook's \
                    clientConfig.caBundle is empty)"
            .into());
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|e| e.to_string())?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}
