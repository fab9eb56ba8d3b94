//! The HTTP door: TLS, paths, content types, and who asks; then the verbs.
//!
//! ```text
//!  TLS ─► answer ─► authenticate ─► authorize ─► resource (verbs, watch)
//!            │                                 └► streams (exec, attach, log, portforward)
//!            └► /healthz, /version, /metrics, discovery, openapi
//! ```

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, header};
use http_body_util::combinators::UnsyncBoxBody;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rustls_pki_types::CertificateDer;
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use self::{
    metrics::Metrics,
    target::{Query, Target},
};
use super::{
    Api,
    auth::{self, Attributes, Authenticator},
    discovery, openapi, warnings,
};
use crate::{node::access::SharedAccess, status::Status};

pub mod body;
pub mod metrics;
pub mod reply;
mod resource;
mod shape;
pub mod target;
mod watch;

/// A response body: whole, or a stream of pieces.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A response of the API server.
pub type Response = http::Response<Body>;

/// What all connections share.
pub struct Door {
    api: Api,
    access: SharedAccess,
    authenticator: Authenticator,
    metrics: Metrics,
}

impl Door {
    /// A door to `api`; `access` reaches into the pods for exec, logs and the like.
    pub fn new(api: Api, access: SharedAccess, authenticator: Authenticator) -> Arc<Self> {
        Arc::new(Self { api, access, authenticator, metrics: Metrics::default() })
    }
}

/// Serves a listener for as long as the future lives; dropping it ends its connections. `tls` should ask for client
/// certificates without requiring them, and offer `h2` and `http/1.1`.
pub async fn serve(door: Arc<Door>, listener: TcpListener, tls: TlsAcceptor) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((socket, _)) => {
                    connections.spawn(connection(door.clone(), socket, tls.clone()));
                }
                Err(error) => {
                    tracing::warn!(%error, "the API server cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(door: Arc<Door>, socket: TcpStream, tls: TlsAcceptor) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let handshake = tokio::time::timeout(Duration::from_secs(10), tls.accept(socket)).await;
    let Ok(Ok(socket)) = handshake else { return };
    let peer = socket.get_ref().1.peer_certificates().and_then(|chain| chain.first()).cloned().map(Arc::new);
    let service = service_fn(move |request| {
        let (door, peer) = (door.clone(), peer.clone());
        async move { Ok::<_, Infallible>(answer(&door, peer.as_deref(), request).await) }
    });
    let builder = auto::Builder::new(TokioExecutor::new());
    if let Err(error) = builder.serve_connection_with_upgrades(TokioIo::new(socket), service).await {
        tracing::debug!(error, "connection ended");
    }
}

async fn answer(door: &Door, peer: Option<&CertificateDer<'static>>, request: Request<Incoming>) -> Response {
    let target = Target::parse(request.uri().path());
    let query = Query::parse(request.uri().query().unwrap_or_default());
    let verb = target.as_ref().map_or("", |t| t.verb(request.method(), &query));
    let (response, warned) = warnings::collect(async {
        match &target {
            Some(target) => resource_answer(door, peer, target, &query, request).await,
            None => other(door, peer, &request).await,
        }
    })
    .await;
    let mut response = response.unwrap_or_else(|status| reply::failure(&status));
    reply::warn(&mut response, &warned);
    door.metrics.count(verb, target.as_ref().map_or("", |t| &t.plural), response.status().as_u16());
    response
}

async fn resource_answer(
    door: &Door,
    peer: Option<&CertificateDer<'static>>,
    target: &Target,
    query: &Query,
    request: Request<Incoming>,
) -> Result<Response, Status> {
    let caller = door.authenticator.authenticate(peer, request.headers())?;
    let attributes = Attributes {
        verb: target.verb(request.method(), query).to_owned(),
        group: target.group.clone(),
        resource: target.plural.clone(),
        subresource: target.subresource.clone(),
        namespace: target.namespace.clone().unwrap_or_default(),
        name: target.name.clone(),
        path: String::new(),
    };
    let decision = auth::authorize(&caller, &attributes);
    if !decision.allowed {
        return Err(Status::forbidden(&target.group, &target.plural, &target.name, &decision.reason));
    }
    resource::answer(door, &caller, target, query, request).await
}

/// Everything that is no resource.
async fn other(
    door: &Door,
    peer: Option<&CertificateDer<'static>>,
    request: &Request<Incoming>,
) -> Result<Response, Status> {
    let path = request.uri().path();
    match path {
        "/healthz" | "/livez" | "/readyz" => return Ok(reply::text("ok".into())),
        "/version" => return Ok(reply::value(200, &version())),
        _ => {}
    }
    door.authenticator.authenticate(peer, request.headers())?;
    if path == "/metrics" {
        return Ok(reply::text(door.metrics.render(door.api.store().revision())));
    }
    if let Some(document) = door.authenticator.openid(path) {
        return Ok(reply::value(200, &document));
    }
    if path == "/openapi/v2" {
        return Ok(reply::empty_openapi_v2());
    }
    if let Some(document) = openapi::respond(path, &door.api.kinds().served()) {
        return Ok(reply::value(200, &document));
    }
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let document = discovery::respond(path, accept, &door.api.kinds().served()).ok_or_else(no_such_resource)?;
    let mut response = reply::value(200, &document.body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(document.content_type));
    Ok(response)
}

fn version() -> serde_json::Value {
    json!({
        "major": "1", "minor": "33", "gitVersion": "v1.33.0", "gitCommit": "", "gitTreeState": "clean",
        "buildDate": "2026-11-21T00:00:00Z", "goVersion": "none", "compiler": "rustc",
        "platform": format!("linux/{}", if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }),
    })
}

/// 404 for a path that nothing is served at.
fn no_such_resource() -> Status {
    Status { details: json!({}), ..Status::new(404, "NotFound", "the server could not find the requested resource") }
}

/// The first word of the user agent: who writes, when no field manager is named.
fn agent(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let word = agent.split('/').next().unwrap_or_default();
    if word.is_empty() { "unknown".to_owned() } else { word.chars().take(128).collect() }
}

#[cfg(test)]
mod tests;
