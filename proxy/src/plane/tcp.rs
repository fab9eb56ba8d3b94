//! TCP: a connection's bytes are passed on to an endpoint, and its bytes back.

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use mesh_snapshot::{Cluster, Deciders, Host, HostOutcome, Permit, PickContext, Reason, Resource, Speaks, TcpForward};
use tokio::{net::TcpStream, time::timeout};

use super::{
    accept::{Downstream, Place},
    copy::{self, End, Passed},
    flags::Flags,
    io::{Io, Wire},
    record::{ConnectionRecord, Why},
    telemetry::{Reporter, TcpMeasured},
    upstream::{ClusterSide, Failure, connect},
    worker::Worker,
};

/// The chains of connections to the ports at which they are captured.
const OWN_PORTS: &[&str] = &["virtualOutbound-blackhole", "virtualInbound-blackhole"];

/// A connection to an endpoint, and what it holds.
struct Upstream {
    host: Arc<Host>,
    side: Rc<ClusterSide>,
    _permit: Permit,
}

/// Why there is none.
struct NoUpstream {
    reason: Reason,
    flags: Flags,
    failure: Option<String>,
}

/// Passes a connection on.
pub(crate) async fn forward(worker: &Rc<Worker>, downstream: Downstream, place: &Place, to: &TcpForward, io: Io) {
    let inbound = place.listener.inbound;
    let mut record = ConnectionRecord::new(Rc::new(downstream), inbound);
    let name = to.target_of(record.downstream.server_name.as_deref(), worker.random());
    let cluster = worker.cluster(&worker.snapshot(), &name).await;
    record.cluster = Some(name);
    let dialled = match &cluster {
        Some(cluster) => dial(worker, cluster, to, &mut record).await,
        None => Err(NoUpstream { reason: Reason::NoCluster, flags: Flags::NO_CLUSTER, failure: None }),
    };
    record.why = why(worker, place, cluster.as_deref(), dialled.as_ref().err(), &record.downstream);
    let flags = dialled.as_ref().err().map(|failed| failed.flags).unwrap_or_default();
    let peer = dialled.as_ref().ok().and_then(|(_, upstream)| worker.recorder.peer_of_host(&upstream.host));
    let series = worker.recorder.connection(&TcpMeasured {
        reporter: if inbound { Reporter::Destination } else { Reporter::Source },
        peer: peer.as_ref().filter(|_| !inbound),
        cluster: cluster.as_ref().map(|cluster| &cluster.config),
        flags,
    });
    match dialled {
        Ok((stream, upstream)) => {
            let _busy = upstream.host.begin();
            let passed = pass(stream, to, io, |up, down| {
                series.received(up);
                series.sent(down);
                upstream.side.stats.upstream_cx_tx_bytes_total.add(up);
                upstream.side.stats.upstream_cx_rx_bytes_total.add(down);
            });
            let (passed, details, late) = passed.await;
            upstream.side.stats.upstream_cx_active.add(-1);
            (record.received, record.sent, record.details) = (passed.up, passed.down, details);
            record.why = late.map(|reason| Why::of(reason, &Deciders::default())).or(record.why);
        }
        Err(failed) => {
            record.flags.set(failed.flags);
            record.failure = failed.failure;
            // The client is told that there is nobody, not that somebody has finished.
            io.reset();
        }
    }
    record.finish(worker, &to.access_log);
}

/// Why the connection was refused, or left the mesh. Calls out of scope are remembered.
fn why(
    worker: &Worker,
    place: &Place,
    cluster: Option<&Cluster>,
    failed: Option<&NoUpstream>,
    downstream: &Downstream,
) -> Option<Box<Why>> {
    let left = cluster.and_then(|cluster| Reason::of_cluster(&cluster.config.name));
    let left = if OWN_PORTS.contains(&&*place.chain.name) { Some(Reason::OwnPort) } else { left };
    if let Some(reason @ (Reason::Passthrough | Reason::BlackHole)) = left.filter(|_| !place.listener.inbound) {
        worker.misses.note(downstream.destination, downstream.server_name.as_deref(), reason);
    }
    // Where a connection ends on purpose, that its cluster is empty is no news.
    let reason = match (left, failed) {
        (Some(Reason::Passthrough), Some(failed)) | (None, Some(failed)) => failed.reason,
        (left, _) => left?,
    };
    Some(Why::of(
        reason,
        &Deciders {
            listener: Some(&place.listener.provenance),
            route: Some(&place.chain.provenance),
            cluster: cluster.map(|cluster| &cluster.config.provenance),
            ..Deciders::default()
        },
    ))
}

async fn pass(
    stream: Wire<TcpStream>,
    to: &TcpForward,
    io: Io,
    note: impl FnMut(u64, u64),
) -> (Passed, &'static str, Option<Reason>) {
    let passing = copy::both_ways(io, stream, to.idle_timeout, note);
    let passed = match to.max_age {
        None => Ok(passing.await),
        Some(limit) => timeout(limit, passing).await,
    };
    match passed {
        Ok(passed) => {
            let (details, late) = match passed.end {
                Some(End::Silence) => ("idle_timeout", Some(Reason::IdleTimeout)),
                Some(End::Broken) | None => ("", None),
            };
            (passed, details, late)
        }
        Err(_) => (Passed::default(), "max_connection_duration_reached", None),
    }
}

/// Connects to an endpoint of the cluster, as often as is permitted.
async fn dial(
    worker: &Worker,
    cluster: &Arc<Cluster>,
    to: &TcpForward,
    record: &mut ConnectionRecord,
) -> Result<(Wire<TcpStream>, Upstream), NoUpstream> {
    let side = worker.upstreams.side(worker, cluster);
    let Some(permit) = cluster.take(Resource::Connection) else {
        side.stats.upstream_cx_overflow.inc();
        return Err(NoUpstream { reason: Reason::Overflow, flags: Flags::UPSTREAM_OVERFLOW, failure: None });
    };
    let downstream = record.downstream.clone();
    let asked = downstream.server_name.as_deref().unwrap_or_default();
    let destinations = worker.destinations(cluster, asked, downstream.destination).await;
    let destinations = destinations.map_err(|none| NoUpstream {
        reason: none.reason(),
        flags: none.flags(),
        failure: Some(none.details().to_owned()),
    })?;
    let mut tried: Vec<SocketAddr> = Vec::new();
    let mut failed = NoUpstream { reason: Reason::NoEndpoint, flags: Flags::NO_HEALTHY_UPSTREAM, failure: None };
    for attempt in 1..=to.connect_attempts {
        let picked = cluster.pick(&PickContext {
            hash: to.hash(record.downstream.source.ip()),
            tried: &tried,
            avoid: attempt - 1,
            ..worker.pick_for(destinations.of_try(tried.len()))
        });
        let Some(host) = picked else {
            side.stats.upstream_cx_none_healthy.inc();
            if tried.is_empty() {
                failed.reason = Reason::of_empty(cluster, worker.now());
            }
            return Err(failed);
        };
        record.upstream = Some(host.address);
        tried.push(host.address);
        let called = cluster.tls.as_ref().map(|tls| tls.server_name(&host, None));
        let outcome = match connect(cluster, &side.stats, host.address, Speaks::Bytes, called.as_ref()).await {
            Ok(stream) => {
                cluster.report(&host, HostOutcome::Connected, worker.now(), worker.random());
                side.stats.upstream_cx_active.add(1);
                record.upstream_local = stream.tcp().local_addr().ok();
                return Ok((stream, Upstream { host, side, _permit: permit }));
            }
            Err(failure) => failure,
        };
        if cluster.report(&host, HostOutcome::LocalFailure, worker.now(), worker.random()) {
            side.stats.ejections_enforced_total.inc();
        }
        let (reason, failure) = match outcome {
            Failure::Connect { why, late: true } => (Reason::ConnectTimeout, Some(why)),
            Failure::Connect { why, late: false } => (Reason::ConnectFailed, Some(why)),
            Failure::Handshake { why, reason } => (reason, Some(why)),
            _ => (Reason::ConnectFailed, None),
        };
        failed = NoUpstream { reason, flags: Flags::UPSTREAM_FAILURE, failure };
    }
    if to.connect_attempts > 1 {
        failed.flags.set(Flags::RETRY_LIMIT);
    }
    Err(failed)
}
