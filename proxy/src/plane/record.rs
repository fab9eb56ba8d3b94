//! What is known of a request or a connection, gathered on its way and told once, at its end: log and metrics.

mod facts;
mod refusal;

use std::{
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Version};
use mesh_snapshot::{AccessLog, ClusterConfig, Deciders, HttpManager, Provenance, Reason, Refusal, is_grpc};

pub(crate) use self::facts::RequestFacts;
use self::facts::{ConnectionFacts, FinishedFacts};
use super::{
    accept::Downstream,
    body::Progress,
    flags::Flags,
    stats::HttpStats,
    telemetry::{Measured, Parties, Reporter, Workload},
    worker::Worker,
};

/// One request.
pub(crate) struct Record {
    worker: Rc<Worker>,
    pub(crate) downstream: Rc<Downstream>,
    manager: Arc<HttpManager>,
    stats: Arc<HttpStats>,
    reporter: Reporter,
    pub(crate) began: Instant,
    pub(crate) progress: Rc<Progress>,
    pub(crate) grpc: bool,
    pub(crate) flags: Flags,
    pub(crate) details: &'static str,
    /// Further words on why the upstream could not be reached.
    pub(crate) failure: Option<String>,
    pub(crate) peer: Option<Arc<Workload>>,
    pub(crate) cluster: Option<Arc<ClusterConfig>>,
    pub(crate) upstream: Option<SocketAddr>,
    pub(crate) upstream_local: Option<SocketAddr>,
    pub(crate) attempts: u32,
    /// 0 until an answer begins.
    pub(crate) code: u16,
    pub(crate) answered: Option<Instant>,
    pub(crate) sent: u64,
    pub(crate) grpc_status: Option<u32>,
    /// Why it was refused, or left the mesh, and whose object decided.
    pub(crate) why: Option<Box<Why>>,
    kept: Option<Box<Kept>>,
    finished: bool,
}

/// Why a call was refused, or left the mesh.
#[derive(Clone, Debug)]
pub(crate) struct Why {
    pub(crate) reason: Reason,
    /// Whose object decided.
    decided: Provenance,
}

impl Why {
    /// Picks the object out of those that had a say.
    pub(crate) fn of(reason: Reason, deciders: &Deciders<'_>) -> Box<Self> {
        Box::new(Self { reason, decided: reason.decided_by(deciders) })
    }
}

/// What only logs want to know.
#[derive(Debug)]
struct Kept {
    started: SystemTime,
    version: Version,
    method: Method,
    path: String,
    authority: String,
    headers: HeaderMap,
    response: HeaderMap,
    trailers: Option<HeaderMap>,
    route: Box<str>,
    virtual_host: Box<str>,
}

impl Record {
    /// Of a request that has just come.
    pub(crate) fn new(
        worker: &Rc<Worker>,
        downstream: &Rc<Downstream>,
        manager: &Arc<HttpManager>,
        stats: &Arc<HttpStats>,
        inbound: bool,
        progress: Rc<Progress>,
    ) -> Box<Self> {
        stats.downstream_rq_total.inc();
        stats.downstream_rq_active.add(1);
        Box::new(Self {
            worker: worker.clone(),
            downstream: downstream.clone(),
            manager: manager.clone(),
            stats: stats.clone(),
            reporter: if inbound { Reporter::Destination } else { Reporter::Source },
            began: Instant::now(),
            progress,
            grpc: false,
            flags: Flags::default(),
            details: "",
            failure: None,
            peer: None,
            cluster: None,
            upstream: None,
            upstream_local: None,
            attempts: 0,
            code: 0,
            answered: None,
            sent: 0,
            grpc_status: None,
            why: None,
            kept: None,
            finished: false,
        })
    }

    /// Keeps the head for the log, if there is one.
    pub(crate) fn keep_head(&mut self, parts: &http::request::Parts, authority: &str, path: &str) {
        if self.manager.access_log.is_empty() {
            return;
        }
        self.kept = Some(Box::new(Kept {
            started: SystemTime::now(),
            version: parts.version,
            method: parts.method.clone(),
            path: path.to_owned(),
            authority: authority.to_owned(),
            headers: parts.headers.clone(),
            response: HeaderMap::new(),
            trailers: None,
            route: Box::default(),
            virtual_host: Box::default(),
        }));
    }

    /// Changes what the log will say of the request's headers.
    pub(crate) fn keep_header(&mut self, name: http::HeaderName, value: &http::HeaderValue) {
        if let Some(kept) = &mut self.kept {
            kept.headers.insert(name, value.clone());
        }
    }

    /// Keeps the names of what decided.
    pub(crate) fn keep_route(&mut self, virtual_host: &str, route: &str) {
        if let Some(kept) = &mut self.kept {
            (kept.virtual_host, kept.route) = (virtual_host.into(), route.into());
        }
    }

    /// The answer begins.
    pub(crate) fn answer(&mut self, status: StatusCode, headers: &HeaderMap) {
        self.code = status.as_u16();
        self.answered = Some(Instant::now());
        self.read_grpc_status(headers);
        self.report_messages(is_grpc(headers));
        if let Some(kept) = &mut self.kept {
            kept.response = headers.clone();
        }
    }

    /// A piece of the answer's body goes to the client.
    pub(crate) fn sends(&mut self, data: &Bytes) {
        self.sent += data.len() as u64;
        if let Some(mut messages) = self.progress.messages() {
            messages.response(data);
        }
    }

    /// The peer is as well known as it will ever be.
    fn report_messages(&self, answered: bool) {
        let Some(mut messages) = self.progress.messages() else { return };
        let (reporter, peer, cluster) = (self.reporter, self.peer.as_ref(), self.cluster.as_ref());
        messages.report(answered, || self.worker.recorder.messages(&Parties { reporter, peer, cluster }));
    }

    /// The answer's trailers came.
    pub(crate) fn trailers(&mut self, trailers: &HeaderMap) {
        self.read_grpc_status(trailers);
        if let Some(kept) = &mut self.kept {
            kept.trailers = Some(trailers.clone());
        }
    }

    fn read_grpc_status(&mut self, headers: &HeaderMap) {
        if self.grpc
            && let Some(status) = headers.get("grpc-status")
        {
            self.grpc_status = status.to_str().ok().and_then(|text| text.parse().ok());
        }
    }

    /// The request's destination is out of scope: it leaves the mesh, or ends here.
    pub(crate) fn leaves(&mut self, reason: Reason, host: &str) {
        let cluster = self.cluster.as_ref().map(|cluster| &cluster.provenance);
        self.why = Some(Why::of(reason, &Deciders { cluster, ..Deciders::default() }));
        if self.reporter == Reporter::Source {
            self.worker.misses.note(self.downstream.destination, Some(host), reason);
        }
    }

    /// The code that the caller is told. Only a workload's own proxy tells it: whoever calls from outside learns nothing.
    pub(crate) fn told(&self) -> Option<HeaderValue> {
        let is_own = self.worker.shared.reasons.is_sidecar && self.reporter == Reporter::Source;
        let why = self.why.as_ref().filter(|_| is_own)?;
        Some(HeaderValue::from_static(why.reason.code()))
    }

    /// Tells the request's end: the one place where it is counted and logged.
    pub(crate) fn finish(mut self: Box<Self>) {
        self.tell();
    }

    fn tell(&mut self) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        self.stats.downstream_rq_active.add(-1);
        self.report_messages(false);
        if let Some(class) =
            (self.code / 100).checked_sub(1).and_then(|i| self.stats.downstream_rq_xx.get(usize::from(i)))
        {
            class.inc();
        }
        if self.flags.has(Flags::NO_ROUTE) {
            self.stats.no_route.inc();
        }
        if self.flags.has(Flags::DOWNSTREAM_TERMINATED) {
            self.stats.downstream_rq_rx_reset.inc();
        }
        let inbound = self.reporter == Reporter::Destination;
        if let Some(why) = &self.why {
            self.worker.shared.reasons.count(why.reason, inbound);
        }
        let duration = self.began.elapsed();
        self.worker.recorder.request(&Measured {
            reporter: self.reporter,
            peer: self.peer.as_ref(),
            cluster: self.cluster.as_ref(),
            grpc: self.grpc.then_some(self.grpc_status),
            code: self.code,
            flags: self.flags,
            duration,
            request_bytes: self.progress.bytes(),
            response_bytes: self.sent,
        });
        if let Some(kept) = &self.kept {
            let explain = || refusal::of_request(&self.worker.shared.reasons.pod, &self.downstream, kept);
            let refusal = self.why.as_ref().map(|why| Refusal {
                reason: why.reason,
                host: kept.authority.as_str().into(),
                decided: why.decided.clone(),
                explain: if inbound { None } else { explain() },
            });
            let facts = FinishedFacts { record: self, kept, duration, refusal };
            write_logs(&self.worker, &self.manager.access_log, self.flags, &facts);
        }
    }
}

/// A request whose client went away before anything could be told.
impl Drop for Record {
    fn drop(&mut self) {
        if !self.finished {
            self.flags.set(Flags::DOWNSTREAM_TERMINATED);
            if self.details.is_empty() {
                self.details = "downstream_remote_disconnect";
            }
            self.tell();
        }
    }
}

fn write_logs(worker: &Worker, logs: &[AccessLog], flags: Flags, facts: &dyn mesh_snapshot::Facts) {
    if logs.is_empty() {
        return;
    }
    let flags = flags.to_string();
    for log in logs.iter().filter(|log| log.wants(&flags)) {
        worker.log.line(&log.path, |line| log.render(facts, line));
    }
}

/// One connection whose bytes are passed on, or that nobody took.
#[derive(Debug)]
pub(crate) struct ConnectionRecord {
    pub(crate) downstream: Rc<Downstream>,
    inbound: bool,
    started: SystemTime,
    pub(crate) why: Option<Box<Why>>,
    pub(crate) flags: Flags,
    pub(crate) details: &'static str,
    pub(crate) failure: Option<String>,
    /// Why no handshake with the client came about.
    pub(crate) refusal: Option<String>,
    pub(crate) cluster: Option<Arc<str>>,
    pub(crate) upstream: Option<SocketAddr>,
    pub(crate) upstream_local: Option<SocketAddr>,
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

impl ConnectionRecord {
    /// Of a connection that has come.
    pub(crate) fn new(downstream: Rc<Downstream>, inbound: bool) -> Self {
        let started = SystemTime::now() - downstream.began.elapsed();
        Self {
            downstream,
            inbound,
            started,
            why: None,
            flags: Flags::default(),
            details: "",
            failure: None,
            refusal: None,
            cluster: None,
            upstream: None,
            upstream_local: None,
            received: 0,
            sent: 0,
        }
    }

    /// Counts and logs its end.
    pub(crate) fn finish(self, worker: &Worker, logs: &[AccessLog]) {
        let reasons = &worker.shared.reasons;
        let refusal = self.why.as_ref().map(|why| {
            reasons.count(why.reason, self.inbound);
            Refusal {
                reason: why.reason,
                host: refusal::called(&self.downstream).into(),
                decided: why.decided.clone(),
                explain: (!self.inbound).then(|| refusal::of_connection(&reasons.pod, &self.downstream)),
            }
        });
        let duration: Duration = self.downstream.began.elapsed();
        write_logs(worker, logs, self.flags, &ConnectionFacts { record: &self, duration, refusal });
    }
}
