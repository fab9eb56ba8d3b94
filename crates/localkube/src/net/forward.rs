//! Ways in for people on the host: listeners on 127.0.0.1 for NodePorts and load balancer addresses.
//!
//! Nothing is added to the host's network namespace but these sockets. A connection to one is copied to a connection
//! opened in the outside, so the cluster sees a caller from beyond it. What listens where is told in the Service's
//! annotation [`HOST_PORTS`].

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    io,
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

use k8s_openapi::api::{
    core::v1::{Service, ServicePort},
    discovery::v1::EndpointSlice,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, spawn_blocking},
    time::sleep,
};

use super::{
    balancer::{Routes, addresses, assign, entry_node, is_ours},
    changes::Changes,
    netns::NetNs,
    topology::Network,
};
use crate::{api::Part, client::Client, status::Status};

/// The annotation that says where a Service's ports are on this machine: `http=127.0.0.1:30080,https=127.0.0.1:30443`.
pub const HOST_PORTS: &str = "localkube.dev/host-ports";

/// The pause after a failure.
const RETRY: Duration = Duration::from_secs(1);

/// One port of a service that people on the host can reach.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Way {
    namespace: String,
    service: String,
    /// The port's name, or its number.
    port: String,
    /// Where it is in the cluster's network.
    target: SocketAddr,
    /// The host's port that it should have: its NodePort.
    wish: u16,
}

/// A socket on the host that leads to `target`.
struct Listener {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Gives load balancer addresses and keeps the listeners, until the cluster ends or the task is aborted.
pub fn start(client: Client, network: Network) -> JoinHandle<()> {
    tokio::spawn(keep(client, network))
}

async fn keep(client: Client, network: Network) {
    let mut changes = Changes::new(&client);
    let (mut listeners, mut routes) = (HashMap::new(), Routes::default());
    loop {
        changes.next().await;
        while let Err(error) = update(&client, &network, &mut listeners, &mut routes).await {
            tracing::warn!(%error, "ways in from the host not updated; trying again");
            sleep(RETRY).await;
        }
    }
}

async fn update(
    client: &Client,
    network: &Network,
    listeners: &mut HashMap<Way, Listener>,
    routes: &mut Routes,
) -> Result<(), Status> {
    assign(client, &client.list::<Service>(None)?).await?;
    let (services, slices) = (client.list::<Service>(None)?, client.list::<EndpointSlice>(None)?);
    let nodes: BTreeMap<String, Ipv4Addr> = network.nodes().map(|(n, place)| (n.to_owned(), place.ip)).collect();
    let mut wanted = BTreeMap::new();
    let Some(first) = nodes.keys().next() else { return Ok(()) };
    for service in services.iter().filter(|s| is_ours(s)) {
        let node = entry_node(service, &slices, first);
        if node != first {
            wanted.extend(addresses(service).into_iter().map(|a| (a, node.to_owned())));
        }
    }
    let (mut held, routed) = (std::mem::take(routes), network.clone());
    let set = spawn_blocking(move || {
        let done = held.set(&routed, wanted);
        (held, done)
    });
    let (back, done) = set.await.map_err(|e| Status::internal(e.to_string()))?;
    *routes = back;
    done.map_err(|e| Status::internal(e.to_string()))?;
    let ways = ways(&services, &slices, &nodes);
    listeners.retain(|way, _| ways.contains(way));
    for way in ways {
        let (wish, target) = (way.wish, way.target);
        if let Entry::Vacant(place) = listeners.entry(way) {
            let listener = listen(wish, target, network.outside().clone()).await;
            place.insert(listener.map_err(|e| Status::internal(e.to_string()))?);
        }
    }
    for service in &services {
        tell(client, service, listeners).await?;
    }
    Ok(())
}

/// Every TCP port that should have a listener.
fn ways(services: &[Service], slices: &[EndpointSlice], nodes: &BTreeMap<String, Ipv4Addr>) -> Vec<Way> {
    let Some((first, first_ip)) = nodes.first_key_value() else { return Vec::new() };
    let mut ways = Vec::new();
    for service in services {
        let Some(spec) = &service.spec else { continue };
        let meta = &service.metadata;
        let balanced = addresses(service).into_iter().next().filter(|_| is_ours(service));
        let node_ip = nodes.get(entry_node(service, slices, first)).unwrap_or(first_ip);
        for port in spec.ports.iter().flatten().filter(|p| p.protocol.as_deref().unwrap_or("TCP") == "TCP") {
            let node_port = port.node_port.and_then(|p| u16::try_from(p).ok()).filter(|p| *p != 0);
            let target = match (balanced, node_port) {
                (Some(address), _) => u16::try_from(port.port).ok().map(|p| SocketAddr::from((address, p))),
                (None, Some(node_port)) => Some(SocketAddr::from((*node_ip, node_port))),
                (None, None) => None,
            };
            if let Some(target) = target {
                ways.push(Way {
                    namespace: meta.namespace.clone().unwrap_or_default(),
                    service: meta.name.clone().unwrap_or_default(),
                    port: label(port),
                    target,
                    wish: node_port.unwrap_or(0),
                });
            }
        }
    }
    ways
}

fn label(port: &ServicePort) -> String {
    port.name.clone().filter(|n| !n.is_empty()).unwrap_or_else(|| port.port.to_string())
}

/// Writes the annotation, where it is not right already.
async fn tell(client: &Client, service: &Service, listeners: &HashMap<Way, Listener>) -> Result<(), Status> {
    let meta = &service.metadata;
    let (namespace, name) = (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default());
    let mut own: Vec<_> = listeners.iter().filter(|(w, _)| w.namespace == namespace && w.service == name).collect();
    own.sort_by_key(|(way, _)| *way);
    let text = own.iter().map(|(way, l)| format!("{}={}", way.port, l.address)).collect::<Vec<_>>().join(",");
    let right = Some(text).filter(|t| !t.is_empty());
    if meta.annotations.as_ref().and_then(|a| a.get(HOST_PORTS)) == right.as_ref() {
        return Ok(());
    }
    let write = |s: &mut Service| {
        let annotations = s.metadata.annotations.get_or_insert_default();
        match &right {
            Some(text) => annotations.insert(HOST_PORTS.to_owned(), text.clone()),
            None => annotations.remove(HOST_PORTS),
        };
        true
    };
    client.modify::<Service>(namespace, name, Part::Main, write).await.map(|_| ())
}

/// Listens on 127.0.0.1, at port `wish` if it is free, else at any. Connections are copied to `target` from `netns`.
async fn listen(wish: u16, target: SocketAddr, netns: NetNs) -> io::Result<Listener> {
    let listener = match TcpListener::bind((Ipv4Addr::LOCALHOST, wish)).await {
        Ok(listener) => listener,
        Err(_) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?,
    };
    let address = listener.local_addr()?;
    let task = tokio::spawn(async move {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => drop(tokio::spawn(copy(stream, target, netns.clone()))),
                Err(error) => {
                    tracing::warn!(%error, %address, "connection not accepted");
                    sleep(RETRY).await;
                }
            }
        }
    });
    Ok(Listener { address, task })
}

async fn copy(mut stream: TcpStream, target: SocketAddr, netns: NetNs) {
    let copied = async {
        let mut inner = netns.connect_tcp(target).await?;
        stream.set_nodelay(true)?;
        inner.set_nodelay(true)?;
        copy_bidirectional(&mut stream, &mut inner).await
    };
    if let Err(error) = copied.await {
        tracing::debug!(%error, %target, "forwarded connection ended");
    }
}

#[cfg(test)]
mod tests;
