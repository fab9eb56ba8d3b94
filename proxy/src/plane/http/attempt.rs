//! One try to get an answer, and the count of tries.

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use http::{
    HeaderName, HeaderValue, Request, StatusCode, Uri, Version, header,
    uri::{Authority, Scheme},
};
use mesh_snapshot::{
    Active, Cluster, Host, HostOutcome, Permit, PickContext, Reason, Resource, RetryPolicy, TryOutcome,
    UpstreamProtocol,
};
use tokio::time::sleep;

use super::{
    forward::{Exchange, Outgoing, overflow},
    local::Reply,
    plan::{Limit, NewHost},
    prepare::clean,
};
use crate::plane::{
    body::Body,
    flags::Flags,
    record::Record,
    upstream::{Arriving, ClusterSide, Failure, Sent},
    worker::Worker,
};

const ATTEMPT_COUNT: HeaderName = HeaderName::from_static("x-envoy-attempt-count");

/// What a try needs.
pub(super) struct Attempt<'a> {
    pub(super) exchange: &'a Exchange<'a>,
    pub(super) cluster: &'a Arc<Cluster>,
    pub(super) side: &'a Rc<ClusterSide>,
    pub(super) outgoing: &'a Outgoing,
}

/// How a try ended.
pub(super) enum Ended {
    /// An answer has begun.
    Answered(Box<Answer>),
    /// None will come.
    Failed(Failure, Arc<Host>),
    /// The try took too long.
    PerTry(Arc<Host>),
    /// There is nobody to ask, and why.
    NoHost(Reason),
    /// The request as a whole has run out of something.
    Limit(Limit),
}

/// An answer that has begun.
pub(super) struct Answer {
    pub(super) sent: Sent,
    pub(super) host: Arc<Host>,
    pub(super) took: Duration,
    pub(super) busy: Busy,
}

/// Counts a request at its cluster and endpoint for as long as it is under way.
pub(super) struct Busy {
    side: Rc<ClusterSide>,
    _at_host: Active,
}

impl Busy {
    pub(super) fn new(side: &Rc<ClusterSide>, host: &Host) -> Self {
        side.stats.upstream_rq_total.inc();
        side.stats.upstream_rq_active.add(1);
        Self { side: side.clone(), _at_host: host.begin() }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.side.stats.upstream_rq_active.add(-1);
    }
}

impl Attempt<'_> {
    /// Picks an endpoint and sends the request there.
    pub(super) async fn run(self, tries: &mut Tries<'_>, body: Body, record: &mut Record) -> Ended {
        tries.made += 1;
        record.attempts = tries.made;
        let worker = &self.exchange.connection.worker;
        let Some(host) = self.pick(worker, tries) else {
            self.side.stats.upstream_cx_none_healthy.inc();
            return Ended::NoHost(Reason::of_empty(self.cluster, worker.now()));
        };
        tries.tried.push(host.address);
        record.upstream = Some(host.address);
        let http2 = match self.cluster.config.http.protocol {
            UpstreamProtocol::Http1 => false,
            UpstreamProtocol::Http2 => true,
            UpstreamProtocol::Downstream => self.outgoing.parts.version == Version::HTTP_2,
        };
        let Some(request) = self.request(worker, &host, http2, tries.made, body) else {
            return Ended::Failed(Failure::Protocol, host);
        };
        let busy = Busy::new(self.side, &host);
        let began = Instant::now();
        let sending = self.side.send(self.cluster, &host, http2, Box::new(request));
        let sent = match self.outgoing.plan.per_try {
            None => sending.await,
            Some(limit) => tokio::select! {
                biased;
                sent = sending => sent,
                () = sleep(limit) => return Ended::PerTry(host),
            },
        };
        match sent {
            Ok(sent) => {
                let since = record.progress.ended().map_or(began, |ended| ended.max(began));
                record.upstream_local = sent.lease.local;
                Ended::Answered(Box::new(Answer { sent, host, took: since.elapsed(), busy }))
            }
            Err(failure) => Ended::Failed(failure, host),
        }
    }

    fn pick(&self, worker: &Worker, tries: &Tries<'_>) -> Option<Arc<Host>> {
        self.cluster.pick(&PickContext {
            hash: self.outgoing.plan.affinity.hash,
            tried: &tries.tried,
            avoid: tries.policy.map_or(0, |policy| policy.other_host_attempts),
            ..worker.pick_for(self.outgoing.destinations.of_try(tries.tried.len()))
        })
    }

    /// The request as this endpoint gets it; none if the host is none that could be said in this protocol.
    fn request(&self, worker: &Worker, host: &Host, http2: bool, number: u32, body: Body) -> Option<Request<Body>> {
        let parts = &self.outgoing.parts;
        let mut headers = parts.headers.clone();
        if self.exchange.routed.virtual_host.attempt_count {
            headers.insert(ATTEMPT_COUNT, HeaderValue::from(number));
        }
        // Only workloads of the mesh are told who calls.
        if host.workload.is_some() && !self.exchange.inbound {
            worker.recorder.introduce(&mut headers);
        }
        let authority = match (&self.outgoing.plan.host, &host.hostname) {
            (NewHost::Upstream, Some(name)) => HeaderValue::from_str(name).ok()?,
            _ => self.outgoing.authority.clone(),
        };
        let version = http2.then(|| scheme(self.cluster, self.outgoing.scheme));
        request_to(version, parts.method.clone(), &authority, self.outgoing.path.clone(), headers, body)
    }
}

/// The scheme that HTTP/2 tells a server. Over TLS, servers take no other than `https`, whatever the client has said.
pub(super) fn scheme(cluster: &Cluster, of_client: &str) -> Scheme {
    if cluster.tls.is_some() || of_client == "https" { Scheme::HTTPS } else { Scheme::HTTP }
}

/// A request in the form of its protocol: HTTP/2 where there is a scheme.
pub(super) fn request_to(
    http2: Option<Scheme>,
    method: http::Method,
    authority: &HeaderValue,
    path: http::uri::PathAndQuery,
    mut headers: http::HeaderMap,
    body: Body,
) -> Option<Request<Body>> {
    let mut uri = http::uri::Parts::default();
    uri.path_and_query = Some(path);
    let version = if http2.is_some() { Version::HTTP_2 } else { Version::HTTP_11 };
    if let Some(scheme) = http2 {
        uri.scheme = Some(scheme);
        uri.authority = Some(Authority::try_from(authority.as_bytes()).ok()?);
        // A route may have set what HTTP/2 has no word for.
        clean(&mut headers);
    } else {
        headers.insert(header::HOST, authority.clone());
    }
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = Uri::from_parts(uri).ok()?;
    *request.version_mut() = version;
    *request.headers_mut() = headers;
    Some(request)
}

impl Ended {
    /// As retry policies see it; none: nothing that another try could mend.
    fn outcome(&self) -> Option<TryOutcome<'_>> {
        Some(match self {
            Self::Answered(answer) => {
                TryOutcome::Response(answer.sent.response.status(), answer.sent.response.headers())
            }
            Self::Failed(Failure::Connect { .. } | Failure::Handshake { .. }, _) => TryOutcome::ConnectFailure,
            Self::Failed(Failure::Reset { request_sent }, _) => TryOutcome::Reset { request_sent: *request_sent },
            Self::Failed(Failure::Protocol, _) => TryOutcome::Reset { request_sent: true },
            Self::Failed(Failure::Refused, _) => TryOutcome::RefusedStream,
            Self::PerTry(_) => TryOutcome::PerTryTimeout,
            Self::Failed(Failure::Overflow, _) | Self::NoHost(_) | Self::Limit(_) => return None,
        })
    }

    /// The answer, or what is said in its place.
    pub(super) fn into_answer(self) -> Result<Box<Answer>, Box<Reply>> {
        const UNAVAILABLE: StatusCode = StatusCode::SERVICE_UNAVAILABLE;
        const LATE: StatusCode = StatusCode::GATEWAY_TIMEOUT;
        let reply = |status, flags, reason, details, body: &'static str| {
            Err(Box::new(Reply::new(status, flags, details).because(reason).body(body)))
        };
        match self {
            Self::Answered(answer) => Ok(answer),
            Self::Failed(Failure::Overflow, _) => Err(Box::new(overflow())),
            Self::Failed(Failure::Handshake { why, reason }, _) => Err(Box::new(no_handshake(&why, reason))),
            Self::Failed(Failure::Connect { late: false, .. }, _) => reply(
                UNAVAILABLE,
                Flags::UPSTREAM_FAILURE,
                Reason::ConnectFailed,
                "upstream_reset_before_response_started{connection_failure}",
                "upstream connect error or disconnect/reset before headers. reset reason: connection failure",
            ),
            Self::Failed(Failure::Connect { late: true, .. }, _) => reply(
                UNAVAILABLE,
                Flags::UPSTREAM_FAILURE,
                Reason::ConnectTimeout,
                "upstream_reset_before_response_started{connection_timeout}",
                "upstream connect error or disconnect/reset before headers. reset reason: connection timeout",
            ),
            Self::Failed(Failure::Reset { .. }, _) => reply(
                UNAVAILABLE,
                Flags::UPSTREAM_TERMINATED,
                Reason::UpstreamEnded,
                "upstream_reset_before_response_started{connection_termination}",
                "upstream connect error or disconnect/reset before headers. reset reason: connection termination",
            ),
            Self::Failed(Failure::Refused, _) => reply(
                UNAVAILABLE,
                Flags::UPSTREAM_RESET,
                Reason::UpstreamReset,
                "upstream_reset_before_response_started{remote_refused_stream_reset}",
                "upstream connect error or disconnect/reset before headers. reset reason: remote refused stream reset",
            ),
            Self::Failed(Failure::Protocol, _) => reply(
                StatusCode::BAD_GATEWAY,
                Flags::UPSTREAM_PROTOCOL,
                Reason::UpstreamProtocol,
                "upstream_reset_before_response_started{protocol_error}",
                "upstream connect error or disconnect/reset before headers. reset reason: protocol error",
            ),
            Self::NoHost(reason) => {
                reply(UNAVAILABLE, Flags::NO_HEALTHY_UPSTREAM, reason, "no_healthy_upstream", "no healthy upstream")
            }
            Self::PerTry(_) => reply(
                LATE,
                Flags::UPSTREAM_TIMEOUT,
                Reason::TryTimeout,
                "upstream_per_try_timeout",
                "upstream request timeout",
            ),
            Self::Limit(Limit::Timeout) => reply(
                LATE,
                Flags::UPSTREAM_TIMEOUT,
                Reason::RouteTimeout,
                "response_timeout",
                "upstream request timeout",
            ),
            Self::Limit(Limit::Arrival) => reply(
                StatusCode::REQUEST_TIMEOUT,
                Flags::DURATION_TIMEOUT,
                Reason::RequestTimeout,
                "request_overall_timeout",
                "request timeout",
            ),
            Self::Limit(Limit::Silence { arrived }) => reply(
                if arrived { LATE } else { StatusCode::REQUEST_TIMEOUT },
                Flags::STREAM_IDLE,
                Reason::IdleTimeout,
                "stream_idle_timeout",
                "stream timeout",
            ),
        }
    }
}

/// The answer when TLS with the endpoint came to nothing.
fn no_handshake(why: &str, reason: Reason) -> Reply {
    const DETAILS: &str = "upstream_reset_before_response_started{remote_connection_failure}";
    const WORDS: &str = "upstream connect error or disconnect/reset before headers. reset reason: remote connection \
                         failure, transport failure reason:";
    let reply = Reply::new(StatusCode::SERVICE_UNAVAILABLE, Flags::UPSTREAM_FAILURE, DETAILS);
    reply.because(reason).body(format!("{WORDS} {why}"))
}

/// Counts tries.
pub(super) struct Tries<'a> {
    policy: Option<&'a RetryPolicy>,
    made: u32,
    tried: Vec<SocketAddr>,
    /// Held while a retry is under way.
    permit: Option<Permit>,
}

impl<'a> Tries<'a> {
    /// None were made yet.
    pub(super) fn new(policy: Option<&'a RetryPolicy>) -> Self {
        Self { policy, made: 0, tried: Vec::new(), permit: None }
    }

    /// Tells the endpoint's ejection and the counters how a try ended.
    pub(super) fn note(&self, ended: &Ended, worker: &Worker, cluster: &Cluster, side: &ClusterSide) {
        let stats = &side.stats;
        let (host, outcome) = match ended {
            Ended::Answered(answer) => {
                let response = &answer.sent.response;
                let class = usize::from(response.status().as_u16() / 100).wrapping_sub(1);
                stats.upstream_rq_xx.get(class).inspect(|count| count.inc());
                if self.made > 1 && !response.status().is_server_error() {
                    stats.upstream_rq_retry_success.inc();
                }
                (&answer.host, HostOutcome::Status(health_status(response)))
            }
            Ended::Failed(Failure::Overflow, _) | Ended::NoHost(_) => return,
            Ended::Failed(failure, host) => {
                if matches!(failure, Failure::Reset { .. } | Failure::Refused) {
                    stats.upstream_rq_rx_reset.inc();
                }
                (host, HostOutcome::LocalFailure)
            }
            Ended::PerTry(host) => {
                stats.upstream_rq_per_try_timeout.inc();
                (host, HostOutcome::LocalFailure)
            }
            Ended::Limit(_) => {
                stats.upstream_rq_timeout.inc();
                let last = self.tried.last();
                let host = last.and_then(|last| cluster.hosts().find(|(_, host)| host.address == *last));
                let Some((_, host)) = host else { return };
                (host, HostOutcome::LocalFailure)
            }
        };
        if cluster.report(host, outcome, worker.now(), worker.random()) {
            stats.ejections_enforced_total.inc();
        }
    }

    /// Whether to try once more; `whole`: the request can be sent again.
    pub(super) fn retries(
        &mut self,
        ended: &Ended,
        cluster: &Cluster,
        side: &ClusterSide,
        whole: bool,
        record: &mut Record,
    ) -> bool {
        if let Ended::Failed(Failure::Connect { why, .. } | Failure::Handshake { why, .. }, _) = ended {
            record.failure = Some(why.clone());
        }
        self.permit = None;
        let (Some(policy), Some(outcome)) = (self.policy, ended.outcome()) else { return false };
        if !policy.retries_after(&outcome) || !whole {
            return false;
        }
        if self.made > policy.retries {
            record.flags.set(Flags::RETRY_LIMIT);
            side.stats.upstream_rq_retry_limit_exceeded.inc();
            return false;
        }
        self.permit = cluster.take(Resource::Retry);
        if self.permit.is_none() {
            side.stats.upstream_rq_retry_overflow.inc();
            return false;
        }
        side.stats.upstream_rq_retry.inc();
        record.failure = None;
        true
    }

    /// How long to wait before the next try.
    pub(super) fn back_off(&self, random: u64) -> Duration {
        self.policy.map_or(Duration::ZERO, |policy| policy.back_off(self.made, random))
    }
}

/// The status by which an endpoint's health is judged: gRPC's, where the answer is nothing but that.
fn health_status(response: &http::Response<Arriving>) -> u16 {
    let grpc = response.headers().get("grpc-status").and_then(|status| status.to_str().ok());
    match grpc {
        Some("14") => 503,
        Some("4") => 504,
        Some("2" | "13" | "15") => 500,
        _ => response.status().as_u16(),
    }
}
