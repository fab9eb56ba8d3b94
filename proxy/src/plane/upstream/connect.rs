//! Opening a connection to an endpoint.

use std::{io, net::SocketAddr};

use mesh_snapshot::{Cluster, ClusterConfig, Keepalive, Speaks};
use nix::sys::socket::{setsockopt, sockopt::IpBindAddressNoPort};
use rustls_pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};

use super::Failure;
use crate::plane::{io::Wire, stats::ClusterStats, tls};

/// Connects as the cluster says: from where, for how long, kept alive how, with or without TLS. `name` is what TLS calls
/// the server by.
pub(crate) async fn connect(
    cluster: &Cluster,
    stats: &ClusterStats,
    address: SocketAddr,
    speaks: Speaks,
    name: Option<&ServerName<'static>>,
) -> Result<Wire<TcpStream>, Failure> {
    let config = &cluster.config;
    stats.upstream_cx_total.inc();
    let connecting = async {
        let stream = socket(config, address)?.connect(address).await?;
        // A system that does not know the option works without.
        drop(stream.set_nodelay(true));
        Ok(match cluster.tls.as_ref().zip(name) {
            None => Ok(Wire::Plain(stream)),
            Some((tls, name)) => tls::connect(tls, speaks, name.clone(), stream, &stats.tls).await,
        })
    };
    let connected: Result<io::Result<_>, _> = timeout(config.connect_timeout, connecting).await;
    let failure = match connected {
        Ok(Ok(Ok(wire))) => return Ok(wire),
        Ok(Ok(Err(failed))) => Failure::Handshake { why: failed.to_string(), reason: failed.reason() },
        Ok(Err(error)) => Failure::Connect { why: error.to_string(), late: false },
        Err(_) => {
            stats.upstream_cx_connect_timeout.inc();
            Failure::Connect { why: format!("no answer within {:?}", config.connect_timeout), late: true }
        }
    };
    stats.upstream_cx_connect_fail.inc();
    Err(failure)
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
