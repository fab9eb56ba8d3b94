//! Sending a request on: as often as its route permits, until an answer is good enough.

use std::{pin::pin, rc::Rc, sync::Arc};

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, request::Parts};
use http_body::Body as _;
use mesh_snapshot::{
    Cluster, Cors, Deciders, Forward, Head, HttpManager, Permit, Reason, Resource, RetryPolicy, Routed, Snapshot,
    Target,
};

use super::{
    HttpConnection,
    attempt::{Attempt, Ended, Tries},
    local::Reply,
    millis, mirror,
    plan::{NewHost, Plan},
    prepare::Prepared,
    request::Rest,
    response, upgrade,
};
use crate::plane::{
    body::{Body, Replay, RequestBody},
    dns::{Destinations, NoAddress},
    flags::Flags,
    record::{Record, RequestFacts},
};

const ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const EXPECTED_TIMEOUT: HeaderName = HeaderName::from_static("x-envoy-expected-rq-timeout-ms");

/// What is known of a request once its route is.
pub(super) struct Exchange<'a> {
    pub(super) connection: &'a Rc<HttpConnection>,
    pub(super) snapshot: &'a Snapshot,
    pub(super) manager: &'a Arc<HttpManager>,
    pub(super) inbound: bool,
    pub(super) routed: Routed<'a>,
    pub(super) to: &'a Forward,
    pub(super) target: &'a Target,
    /// Whether the caller's proxy said who it is, and so wants to know who answers.
    pub(super) introduced: bool,
    /// The cross-origin policy that the answer is marked by, and the origin.
    pub(super) marked: Option<(&'a Cors, HeaderValue)>,
}

impl Exchange<'_> {
    /// Answers in the upstream's place.
    pub(super) fn refuse(&self, reply: Reply, record: Box<Record>) -> Response<Body> {
        let cluster = record.cluster.as_ref().map(|cluster| &cluster.provenance);
        let reply = reply.decided_by(&Deciders { cluster, ..self.routed.deciders() });
        reply.send(self.connection, record)
    }
}

/// A request that is ready to be sent. Boxed, as all that is large and lives as long as a request: what is moved from one
/// future into the next is copied, and kept in both.
pub(super) struct Outgoing {
    pub(super) parts: Parts,
    /// The host as the upstream sees it, unless that is the endpoint's own name.
    pub(super) authority: HeaderValue,
    pub(super) path: http::uri::PathAndQuery,
    /// `http` or `https`, as the client said.
    pub(super) scheme: &'static str,
    pub(super) plan: Plan,
    /// Where clusters go that are told where to.
    pub(super) destinations: Destinations,
}

/// Sends a request on.
pub(super) async fn forward(
    exchange: Exchange<'_>,
    mut record: Box<Record>,
    prepared: &Prepared,
    parts: Parts,
    rest: Rest,
) -> Response<Body> {
    let connection = exchange.connection;
    let cluster = connection.worker.cluster(exchange.snapshot, &exchange.target.cluster).await;
    let Some(cluster) = cluster else {
        let reply = Reply::new(exchange.to.not_found, Flags::NO_CLUSTER, "cluster_not_found");
        return exchange.refuse(reply.because(Reason::NoCluster), record);
    };
    record.cluster = Some(cluster.config.clone());
    if let Some(reason) = Reason::of_cluster(&cluster.config.name) {
        record.leaves(reason, prepared.authority.to_str().unwrap_or_default());
    }
    if let Some(kind) = &prepared.upgrade
        && !upgrade::is_allowed(&exchange, kind)
    {
        let reply = Reply::new(StatusCode::FORBIDDEN, Flags::default(), "upgrade_failed");
        return exchange.refuse(reply.because(Reason::UpgradeRefused), record);
    }
    let Some(permit) = cluster.take(Resource::Request) else {
        connection.worker.upstreams.side(&connection.worker, &cluster).stats.upstream_rq_pending_overflow.inc();
        return exchange.refuse(overflow(), record);
    };
    let Some(mut outgoing) = outgoing(&exchange, &mut record, prepared, parts) else {
        let reply = Reply::new(StatusCode::BAD_REQUEST, Flags::DOWNSTREAM_PROTOCOL, "path_normalization_failed");
        return exchange.refuse(reply.because(Reason::BadRequest), record);
    };
    let asked = outgoing.authority.to_str().unwrap_or_default();
    match connection.worker.destinations(&cluster, asked, connection.downstream.destination).await {
        Ok(destinations) => outgoing.destinations = destinations,
        Err(none) => return exchange.refuse(nowhere(none), record),
    }
    if let Some(kind) = &prepared.upgrade {
        return Box::pin(upgrade::forward(exchange, record, &cluster, outgoing, kind, rest, permit)).await;
    }
    let retry = exchange.to.retry.as_ref().filter(|policy| policy.retries > 0);
    let body = if rest.incoming.is_end_stream() {
        None
    } else {
        let keep = retry.is_some() || !exchange.to.mirrors.is_empty();
        Some(RequestBody::new(rest.incoming, keep, record.progress.clone()))
    };
    mirror::send_copies(&exchange, &outgoing, body.as_ref());
    attempts(exchange, record, &cluster, outgoing, body, retry, permit).await
}

/// Changes the head as the route asks.
fn outgoing(
    exchange: &Exchange<'_>,
    record: &mut Record,
    prepared: &Prepared,
    mut parts: Parts,
) -> Option<Box<Outgoing>> {
    let head = prepared.head(&parts);
    let plan = Plan::of(exchange, &head);
    let unchanged = exchange.routed.changes(Some(exchange.target)).all(|changes| changes.request.is_empty());
    if !unchanged {
        let before: HeaderMap = parts.headers.clone();
        let head = Head { method: &parts.method.clone(), headers: &before, ..prepared.head(&parts) };
        let facts = RequestFacts { record, head, response: None, route: &exchange.routed.route.name };
        let mut headers = before.clone();
        for changes in exchange.routed.changes(Some(exchange.target)) {
            changes.request.apply(&mut headers, &facts);
        }
        parts.headers = headers;
    }
    let headers = &mut parts.headers;
    let same = prepared.target(&parts.uri)?;
    let path = match &plan.path {
        Some(path) => {
            if let Ok(before) = HeaderValue::from_str(&prepared.path_and_query()) {
                record.keep_header(ORIGINAL_PATH, &before);
                headers.insert(ORIGINAL_PATH, before);
            }
            path.clone()
        }
        None => same,
    };
    if exchange.to.tell_original_host && plan.host != NewHost::Same {
        headers.insert(FORWARDED_HOST, prepared.authority.clone());
    }
    if let Some(time) = plan.expected() {
        headers.insert(EXPECTED_TIMEOUT, HeaderValue::from(millis(time)));
    }
    let authority = match &plan.host {
        NewHost::To(host) => host.clone(),
        NewHost::Same | NewHost::Upstream => prepared.authority.clone(),
    };
    let destinations = Destinations::Dialled(exchange.connection.downstream.destination);
    Some(Box::new(Outgoing { parts, authority, path, scheme: prepared.scheme, plan, destinations }))
}

/// Tries until an answer is good, or no try is left.
async fn attempts(
    exchange: Exchange<'_>,
    mut record: Box<Record>,
    cluster: &Arc<Cluster>,
    outgoing: Box<Outgoing>,
    body: Option<RequestBody>,
    retry: Option<&RetryPolicy>,
    permit: Permit,
) -> Response<Body> {
    let (connection, worker) = (exchange.connection, &exchange.connection.worker);
    let side = worker.upstreams.side(worker, cluster);
    let mut tries = Tries::new(retry);
    let progress = record.progress.clone();
    let mut limits = pin!(outgoing.plan.limits(&progress));
    let replay = body.as_ref().map(RequestBody::replay);
    let mut body = body.map_or(Body::Empty, Body::Request);
    loop {
        let attempt = Attempt { exchange: &exchange, cluster, side: &side, outgoing: &outgoing };
        let ended = tokio::select! {
            biased;
            ended = attempt.run(&mut tries, body, &mut record) => ended,
            limit = &mut limits => Ended::Limit(limit),
        };
        tries.note(&ended, worker, cluster, &side);
        if progress.is_broken() {
            record.flags.set(Flags::DOWNSTREAM_TERMINATED);
            let reply = Reply::new(StatusCode::BAD_REQUEST, Flags::default(), "downstream_remote_disconnect");
            return reply.send(connection, record);
        }
        let whole = replay.as_ref().is_none_or(Replay::is_whole);
        if !tries.retries(&ended, cluster, &side, whole, &mut record) {
            replay.iter().for_each(Replay::forget);
            return match ended.into_answer() {
                Ok(answer) => response::pass(&exchange, record, &outgoing, answer, permit),
                Err(reply) => exchange.refuse(*reply, record),
            };
        }
        drop(ended);
        body = replay.as_ref().map_or(Body::Empty, |replay| Body::Request(replay.again()));
        tokio::time::sleep(tries.back_off(worker.random())).await;
    }
}

/// The answer when the host that was asked for leads nowhere.
fn nowhere(none: NoAddress) -> Reply {
    let reply = Reply::new(StatusCode::SERVICE_UNAVAILABLE, none.flags(), none.details());
    reply.because(none.reason()).body("DNS resolution failure")
}

/// The answer when a limit of the cluster is reached.
pub(super) fn overflow() -> Reply {
    Reply::new(
        StatusCode::SERVICE_UNAVAILABLE,
        Flags::UPSTREAM_OVERFLOW,
        "upstream_reset_before_response_started{overflow}",
    )
    .because(Reason::Overflow)
    .body("upstream connect error or disconnect/reset before headers. reset reason: overflow")
    .header("x-envoy-overloaded", HeaderValue::from_static("true"))
}
