//! Requests that turn their connection into something else, such as a WebSocket.

use std::sync::Arc;

use http::{HeaderValue, Response, StatusCode, header};
use http_body::Body as _;
use hyper_util::rt::TokioIo;
use mesh_snapshot::{Cluster, Permit, PickContext, Reason};

use super::{
    attempt::{Answer, Busy, Ended, request_to},
    forward::{Exchange, Outgoing},
    local::Reply,
    request::Rest,
    response,
};
use crate::plane::{
    body::{Body, RequestBody},
    copy,
    flags::Flags,
    record::Record,
    worker::spawn,
};

/// Whether the route, or else the listener, lets such requests pass.
pub(super) fn is_allowed(exchange: &Exchange<'_>, kind: &str) -> bool {
    let route = exchange.to.upgrades.iter().find(|(name, _)| **name == *kind);
    route.map_or_else(|| exchange.manager.upgrades.iter().any(|name| **name == *kind), |(_, enabled)| *enabled)
}

/// Sends such a request on, and passes bytes both ways once the upstream agrees.
pub(super) async fn forward(
    exchange: Exchange<'_>,
    mut record: Box<Record>,
    cluster: &Arc<Cluster>,
    outgoing: Box<Outgoing>,
    kind: &str,
    rest: Rest,
    permit: Permit,
) -> Response<Body> {
    let (connection, worker) = (exchange.connection, &exchange.connection.worker);
    let side = worker.upstreams.side(worker, cluster);
    let context = worker.pick_for(outgoing.destinations.of_try(0));
    let picked = cluster.pick(&PickContext { hash: outgoing.plan.affinity.hash, ..context });
    let fail = |ended: Ended, record: Box<Record>| match ended.into_answer() {
        Err(reply) => exchange.refuse(*reply, record),
        Ok(_) => Reply::new(StatusCode::BAD_GATEWAY, Flags::default(), "upgrade_failed").send(connection, record),
    };
    let Some(host) = picked else { return fail(Ended::NoHost(Reason::of_empty(cluster, worker.now())), record) };
    (record.upstream, record.attempts) = (Some(host.address), 1);
    let mut headers = outgoing.parts.headers.clone();
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(kind) = HeaderValue::from_str(kind) {
        headers.insert(header::UPGRADE, kind);
    }
    if host.workload.is_some() && !exchange.inbound {
        worker.recorder.introduce(&mut headers);
    }
    let body = if rest.incoming.is_end_stream() {
        Body::Empty
    } else {
        Body::Request(RequestBody::new(rest.incoming, false, record.progress.clone()))
    };
    let (method, path) = (outgoing.parts.method.clone(), outgoing.path.clone());
    let Some(request) = request_to(None, method, &outgoing.authority, path, headers, body) else {
        return fail(Ended::Failed(crate::plane::upstream::Failure::Protocol, host), record);
    };
    let busy = Busy::new(&side, &host);
    let began = std::time::Instant::now();
    let progress = record.progress.clone();
    let sent = tokio::select! {
        sent = side.send_upgrade(cluster, &host, request) => sent,
        limit = outgoing.plan.limits(&progress) => return fail(Ended::Limit(limit), record),
    };
    let mut sent = match sent {
        Ok(sent) => sent,
        Err(failure) => return fail(Ended::Failed(failure, host), record),
    };
    record.upstream_local = sent.lease.local;
    let took = began.elapsed();
    if sent.response.status() != StatusCode::SWITCHING_PROTOCOLS {
        let answer = Box::new(Answer { sent, host, took, busy });
        return response::pass(&exchange, record, &outgoing, answer, permit);
    }
    let upstream = hyper::upgrade::on(&mut sent.response);
    let upgraded = sent.response.headers().get(header::UPGRADE).cloned();
    let mut response = sent.response.map(|_| Body::Empty);
    response::pass_head(&exchange, &mut record, &outgoing, &host, took, &mut response);
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    response.headers_mut().extend(upgraded.map(|kind| (header::UPGRADE, kind)));
    let idle = outgoing.plan.idle;
    spawn(async move {
        let _held = (busy, permit, sent.lease);
        if let (Ok(client), Ok(upstream)) = (rest.upgrade.await, upstream.await) {
            let passed = copy::both_ways(TokioIo::new(client), TokioIo::new(upstream), idle, |_, _| {}).await;
            record.sent = passed.down;
            record.progress.add(passed.up);
        }
        record.finish();
    });
    response
}
