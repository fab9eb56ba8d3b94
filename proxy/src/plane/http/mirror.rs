//! Copies of requests, whose answers nobody awaits.

use std::{rc::Rc, sync::Arc};

use http::HeaderValue;
use http_body_util::BodyExt;
use mesh_snapshot::{Cluster, UpstreamProtocol};

use super::{
    attempt::{request_to, scheme},
    forward::{Exchange, Outgoing},
};
use crate::plane::{
    body::{Body, RequestBody},
    worker::{Worker, spawn},
};

/// Sends the copies that the route asks for. A request whose body is too large to be kept is not copied.
pub(super) fn send_copies(exchange: &Exchange<'_>, outgoing: &Outgoing, body: Option<&RequestBody>) {
    let connection = exchange.connection;
    let worker = &connection.worker;
    for mirror in exchange.to.mirrors.iter().filter(|mirror| mirror.share.hit(worker.random())) {
        if exchange.snapshot.cluster(&mirror.cluster).is_none() {
            continue;
        }
        let authority = if mirror.suffix { shadow(&outgoing.authority) } else { outgoing.authority.clone() };
        let (parts, path) = (outgoing.parts.clone(), outgoing.path.clone());
        let (worker, replay) = (worker.clone(), body.map(RequestBody::replay));
        let (destination, name) = (connection.downstream.destination, mirror.cluster.clone());
        let of_client = outgoing.scheme;
        spawn(async move {
            let body = match replay {
                None => Body::Empty,
                Some(replay) => match replay.copy().await {
                    Some(bytes) => Body::Full(bytes),
                    None => return,
                },
            };
            let Some(cluster) = worker.cluster(&worker.snapshot(), &name).await else { return };
            let asked = authority.to_str().unwrap_or_default();
            let Ok(destinations) = worker.destinations(&cluster, asked, destination).await else { return };
            let http2 = cluster.config.http.protocol == UpstreamProtocol::Http2;
            let version = http2.then(|| scheme(&cluster, of_client));
            let Some(request) = request_to(version, parts.method, &authority, path, parts.headers, body) else {
                return;
            };
            send(&worker, &cluster, destinations.of_try(0), http2, request).await;
        });
    }
}

async fn send(
    worker: &Rc<Worker>,
    cluster: &Arc<Cluster>,
    destination: std::net::SocketAddr,
    http2: bool,
    request: http::Request<Body>,
) {
    let side = worker.upstreams.side(worker, cluster);
    let Some(host) = cluster.pick(&worker.pick_for(destination)) else {
        return side.stats.upstream_cx_none_healthy.inc();
    };
    let _busy = super::attempt::Busy::new(&side, &host);
    if let Ok(sent) = side.send(cluster, &host, http2, Box::new(request)).await {
        // Read to its end, so that the connection can be used again.
        let (_, mut incoming) = sent.response.into_parts();
        while let Some(Ok(_)) = incoming.frame().await {}
        sent.lease.done(cluster.config.http.max_requests);
    }
}

/// `host:port` as `host-shadow:port`.
fn shadow(authority: &HeaderValue) -> HeaderValue {
    let text = authority.to_str().unwrap_or_default();
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => (host, Some(port)),
        _ => (text, None),
    };
    let suffixed = port.map_or(format!("{host}-shadow"), |port| format!("{host}-shadow:{port}"));
    HeaderValue::from_str(&suffixed).unwrap_or(authority.clone())
}
