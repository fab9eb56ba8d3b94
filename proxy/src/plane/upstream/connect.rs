//! Opening a connection to an endpoint.

use std::{io, net::SocketAddr};

use mesh_snapshot::{ClusterConfig, Keepalive};
use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::Failure;
use crate::plane::stats::ClusterStats;

/// Connects as the cluster says: from where, for how long, kept alive how.
pub(crate) async fn connect(
    config: &ClusterConfig,
    stats: &ClusterStats,
    address: SocketAddr,
) -> Result<TcpStream, Failure> {
    stats.upstream_cx_total.inc();
    let connecting = async { socket(config, address)?.connect(address).await };
    let stream = match timeout(config.connect_timeout, connecting).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => {
            stats.upstream_cx_connect_fail.inc();
            return Err(Failure::Connect { why: error.to_string(), late: false });
        }
        Err(_) => {
            stats.upstream_cx_connect_fail.inc();
            stats.upstream_cx_connect_timeout.inc();
            return Err(Failure::Connect { why: format!("no answer within {:?}", config.connect_timeout), late: true });
        }
    };
    // A system that does not know the option works without.
    drop(stream.set_nodelay(true));
    Ok(stream)
}

fn socket(config: &ClusterConfig, address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    if let Some(source) = config.source.filter(|source| source.is_ipv4() == address.is_ipv4()) {
        // The port is chosen with the connection, so that ports of one address serve many upstreams.
        setsockopt(&socket, IpBindAddressNoPort, &true)?;
        socket.bind(SocketAddr::new(source, 0))?;
    }
    if let Some(keepalive) = &config.keepalive {
        SockRef::from(&socket).set_tcp_keepalive(&parameters(keepalive))?;
    }
    Ok(socket)
}

fn parameters(keepalive: &Keepalive) -> TcpKeepalive {
    let mut parameters = TcpKeepalive::new();
    if let Some(time) = keepalive.time {
        parameters = parameters.with_time(time);
    }
    if let Some(interval) = keepalive.interval {
        parameters = parameters.with_interval(interval);
    }
    if let Some(probes) = keepalive.probes {
        parameters = parameters.with_retries(probes);
    }
    parameters
}
