//! TCP: a connection's bytes are passed on to an endpoint, and its bytes back.

use std::{net::SocketAddr, rc::Rc, sync::Arc};

use mesh_snapshot::{Cluster, Host, HostOutcome, Permit, PickContext, Resource, Speaks, TcpForward};
use tokio::{net::TcpStream, time::timeout};

use super::{
    accept::{Downstream, Place},
    copy::{self, End, Passed},
    flags::Flags,
    io::{Io, Wire},
    record::ConnectionRecord,
    telemetry::{Reporter, TcpMeasured},
    upstream::{ClusterSide, Failure, connect},
    worker::Worker,
};

/// A connection to an endpoint, and what it holds.
struct Upstream {
    host: Arc<Host>,
    side: Rc<ClusterSide>,
    _permit: Permit,
}

/// Why there is none.
struct NoUpstream {
    flags: Flags,
    failure: Option<String>,
}

/// Passes a connection on.
pub(crate) async fn forward(worker: &Rc<Worker>, downstream: Downstream, place: &Place, to: &TcpForward, io: Io) {
    let mut record = ConnectionRecord::new(Rc::new(downstream));
    let name = to.target_of(record.downstream.server_name.as_deref(), worker.random());
    let cluster = worker.cluster(&worker.snapshot(), &name).await;
    record.cluster = Some(name);
    let dialled = match &cluster {
        Some(cluster) => dial(worker, cluster, to, &mut record).await,
        None => Err(NoUpstream { flags: Flags::NO_CLUSTER, failure: None }),
    };
    let flags = dialled.as_ref().err().map(|failed| failed.flags).unwrap_or_default();
    let peer = dialled.as_ref().ok().and_then(|(_, upstream)| worker.recorder.peer_of_host(&upstream.host));
    let series = worker.recorder.connection(&TcpMeasured {
        reporter: if place.listener.inbound { Reporter::Destination } else { Reporter::Source },
        peer: peer.as_ref().filter(|_| !place.listener.inbound),
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
            let (passed, stream_end) = passed.await;
            upstream.side.stats.upstream_cx_active.add(-1);
            (record.received, record.sent, record.details) = (passed.up, passed.down, stream_end);
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

async fn pass(stream: Wire<TcpStream>, to: &TcpForward, io: Io, note: impl FnMut(u64, u64)) -> (Passed, &'static str) {
    let passing = copy::both_ways(io, stream, to.idle_timeout, note);
    let passed = match to.max_age {
        None => Ok(passing.await),
        Some(limit) => timeout(limit, passing).await,
    };
    match passed {
        Ok(passed) => {
            let details = match passed.end {
                Some(End::Silence) => "idle_timeout",
                Some(End::Broken) | None => "",
            };
            (passed, details)
        }
        Err(_) => (Passed::default(), "max_connection_duration_reached"),
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
        return Err(NoUpstream { flags: Flags::UPSTREAM_OVERFLOW, failure: None });
    };
    let downstream = record.downstream.clone();
    let asked = downstream.server_name.as_deref().unwrap_or_default();
    let destinations = worker.destinations(cluster, asked, downstream.destination).await;
    let destinations =
        destinations.map_err(|none| NoUpstream { flags: none.flags(), failure: Some(none.details().to_owned()) })?;
    let mut tried: Vec<SocketAddr> = Vec::new();
    let mut failed = NoUpstream { flags: Flags::NO_HEALTHY_UPSTREAM, failure: None };
    for attempt in 1..=to.connect_attempts {
        let picked = cluster.pick(&PickContext {
            now: worker.now(),
            random: worker.random(),
            hash: to.hash(record.downstream.source.ip()),
            original_destination: Some(destinations.of_try(tried.len())),
            tried: &tried,
            avoid: attempt - 1,
        });
        let Some(host) = picked else {
            side.stats.upstream_cx_none_healthy.inc();
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
        let failure = match outcome {
            Failure::Connect { why, .. } | Failure::Handshake { why } => Some(why),
            _ => None,
        };
        failed = NoUpstream { flags: Flags::UPSTREAM_FAILURE, failure };
    }
    if to.connect_attempts > 1 {
        failed.flags.set(Flags::RETRY_LIMIT);
    }
    Err(failed)
}
