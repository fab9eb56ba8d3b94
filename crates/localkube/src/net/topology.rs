//! Nodes, pods and the outside: namespaces, veths, addresses and routes.
//!
//! Everything hangs on one kind of link: a guest namespace has `eth0` with a /32 address and a default route to
//! 169.254.1.1, the host namespace has the other end and a /32 route to the guest. Pods are guests of their node, nodes
//! are guests of the outside, which is also the wire between them. Link addresses are fixed and neighbours permanent,
//! so no first packet waits for ARP.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    io,
    net::Ipv4Addr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sha2::{Digest, Sha256};
use tokio::{sync::OnceCell, task::spawn_blocking};

use super::{
    command::{ip, sysctl},
    netns::NetNs,
};

/// The range that all pod ranges are in.
pub const POD_RANGE: &str = "10.244.0.0/16";
/// The range of cluster IPs.
pub const SERVICE_RANGE: &str = "10.96.0.0/16";
/// The range of load balancer addresses.
pub const LB_RANGE: &str = "172.18.255.0/24";
/// The address from which the outside calls in, and so the one that people on the host appear as.
pub const OUTSIDE_ADDRESS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// The address of the outside's DNS server.
pub const OUTSIDE_DNS: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 53);
/// Every guest's gateway: the host end of its veth answers to it.
const GATEWAY: &str = "169.254.1.1";
/// The link address of every host end.
const HOST_MAC: &str = "ee:ee:ee:ee:ee:ee";
/// Node numbers are one byte of an address.
const MAX_NODES: usize = 200;

/// A router's settings; all interfaces, also later ones. Return paths are symmetric, but a sidecar's redirection is not.
const ROUTER: &[(&str, &str)] = &[
    ("ipv4/ip_forward", "1"),
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/conf/all/send_redirects", "0"),
    ("ipv4/conf/default/send_redirects", "0"),
];
/// As kube-proxy asks: NodePorts answer on 127.0.0.1 too.
const NODE: &[(&str, &str)] = &[("ipv4/conf/all/route_localnet", "1")];
/// As container runtimes do: low ports for every user. And timestamps that begin at the same time for all peers: a sidecar
/// takes connections to many addresses at one of its own, where a new one may meet the remains of another (TIME_WAIT); with
/// a clock of its own for each address, half of such connections would look older than those remains, and be dropped.
const POD: &[(&str, &str)] = &[
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    ("ipv4/ip_unprivileged_port_start", "0"),
    ("ipv4/tcp_timestamps", "2"),
];

/// A pod's place in the network.
#[derive(Clone, Debug)]
pub struct PodNet {
    /// The pod's namespace (the node's, for `hostNetwork`).
    pub netns: NetNs,
    /// Its address.
    pub ip: Ipv4Addr,
}

/// The whole network of one instance. It is gone when the last clone is dropped and the last process inside has ended.
#[derive(Clone, Debug)]
pub struct Network {
    nodes: Arc<BTreeMap<String, Node>>,
    outside: NetNs,
}

#[derive(Debug)]
struct Node {
    net: PodNet,
    pods: Mutex<Pods>,
}

#[derive(Debug)]
struct Pods {
    /// Addresses that nobody has, the one longest unused first: so one that was freed comes back as late as possible.
    free: VecDeque<Ipv4Addr>,
    by_uid: HashMap<String, Slot>,
}

/// A pod's address, and its network once that is set up.
#[derive(Clone, Debug)]
struct Slot {
    ip: Ipv4Addr,
    net: Arc<OnceCell<PodNet>>,
}

/// The host end of a pod's veth, as it is called in the node's namespace.
pub fn veth_name(uid: &str) -> String {
    let hash = Sha256::digest(uid.as_bytes());
    format!("veth{:02x}{:02x}{:02x}{:02x}", hash[0], hash[1], hash[2], hash[3])
}

/// The address of the node with this index: 172.18.0.2 for the first.
pub fn node_address(index: usize) -> Ipv4Addr {
    Ipv4Addr::new(172, 18, 0, u8::try_from(index + 2).unwrap_or(u8::MAX))
}

/// The pod range of the node with this index: `10.244.0.0/24` for the first.
pub fn pod_range(index: usize) -> String {
    format!("10.244.{index}.0/24")
}

impl Network {
    /// Makes the nodes' namespaces, their links and routes, and the outside.
    pub async fn create(nodes: &[String]) -> io::Result<Self> {
        if nodes.len() > MAX_NODES {
            return Err(io::Error::other(format!("{} nodes asked for, at most {MAX_NODES} can be", nodes.len())));
        }
        let names = nodes.to_vec();
        spawn_blocking(move || build(&names)).await.map_err(io::Error::other)?
    }

    /// Gives a pod a namespace, a veth and an address on `node`. `uid` is the pod's. Idempotent.
    pub async fn attach(&self, node: &str, uid: &str) -> io::Result<PodNet> {
        let place =
            self.nodes.get(node).ok_or_else(|| io::Error::other(format!("node {node:?} is not in this network")))?;
        let slot = place.slot(uid).ok_or_else(|| {
            io::Error::other(format!("every address of node {node:?} is taken: delete pods or use another node"))
        })?;
        let host = place.net.clone();
        let (veth, ip) = (veth_name(uid), slot.ip);
        let made = slot.net.get_or_try_init(|| async move {
            spawn_blocking(move || plug_pod(&host, &veth, ip)).await.map_err(io::Error::other)?
        });
        made.await.cloned()
    }

    /// Takes the pod's veth away and frees its address. Idempotent.
    pub async fn detach(&self, node: &str, uid: &str) {
        let Some(place) = self.nodes.get(node) else { return };
        if !place.pods().by_uid.contains_key(uid) {
            return;
        }
        let (netns, veth) = (place.net.netns.clone(), veth_name(uid));
        let unplugged = spawn_blocking(move || ip(&netns, &format!("link del {veth}\n"))).await;
        if let Ok(Err(error)) = unplugged {
            // The kernel takes the veth away itself when the pod's namespace has already ended.
            tracing::debug!(%error, uid, "veth not deleted");
        }
        let mut pods = place.pods();
        if let Some(slot) = pods.by_uid.remove(uid) {
            pods.free.push_back(slot.ip);
        }
    }

    /// A node's namespace and address; None for an unknown node.
    pub fn node(&self, node: &str) -> Option<PodNet> {
        self.nodes.get(node).map(|n| n.net.clone())
    }

    /// The nodes' names and places, in the order of their names.
    pub fn nodes(&self) -> impl Iterator<Item = (&str, &PodNet)> {
        self.nodes.iter().map(|(name, node)| (name.as_str(), &node.net))
    }

    /// The namespace that plays the internet, and the wire between the nodes.
    pub fn outside(&self) -> &NetNs {
        &self.outside
    }

    /// The namespace of an attached pod; None before `attach` and after `detach`.
    pub fn pod(&self, node: &str, uid: &str) -> Option<PodNet> {
        self.nodes.get(node)?.pods().by_uid.get(uid)?.net.get().cloned()
    }
}

impl Node {
    fn pods(&self) -> MutexGuard<'_, Pods> {
        self.pods.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The slot of a pod, made if need be; None when no address is left.
    fn slot(&self, uid: &str) -> Option<Slot> {
        let mut pods = self.pods();
        if let Some(slot) = pods.by_uid.get(uid) {
            return Some(slot.clone());
        }
        let slot = Slot { ip: pods.free.pop_front()?, net: Arc::default() };
        pods.by_uid.insert(uid.to_owned(), slot.clone());
        Some(slot)
    }
}

/// The steps of [`Network::create`]; they wait for programs, so they have a thread of their own.
fn build(names: &[String]) -> io::Result<Network> {
    let outside = NetNs::create()?;
    sysctl(&outside, ROUTER)?;
    ip(&outside, &format!("link set lo up\naddr add {OUTSIDE_ADDRESS}/24 dev lo\n"))?;
    let mut nodes = BTreeMap::new();
    for (index, name) in names.iter().enumerate() {
        let (netns, address) = (NetNs::create()?, node_address(index));
        sysctl(&netns, ROUTER)?;
        sysctl(&netns, NODE)?;
        plug(&outside, name, OUTSIDE_ADDRESS, &netns, address)?;
        let range = pod_range(index);
        let mut routes = format!("route add {range} via {address} dev {name} onlink src {OUTSIDE_ADDRESS}\n");
        if index == 0 {
            routes += &format!("route add {LB_RANGE} via {address} dev {name} onlink src {OUTSIDE_ADDRESS}\n");
        }
        // What a node sends out to these ranges is what no service rule took: it must not come back in.
        routes += &format!("rule add iif {name} to {LB_RANGE} unreachable\n");
        routes += &format!("rule add iif {name} to {SERVICE_RANGE} unreachable\n");
        ip(&outside, &routes)?;
        // .1 is left out by custom, as the range's gateway.
        let third = u8::try_from(index).unwrap_or(u8::MAX);
        let free = (2..=254).map(|last| Ipv4Addr::new(10, 244, third, last)).collect();
        let pods = Mutex::new(Pods { free, by_uid: HashMap::new() });
        nodes.insert(name.clone(), Node { net: PodNet { netns, ip: address }, pods });
    }
    Ok(Network { nodes: Arc::new(nodes), outside })
}

fn plug_pod(host: &PodNet, veth: &str, address: Ipv4Addr) -> io::Result<PodNet> {
    let netns = NetNs::create()?;
    sysctl(&netns, POD)?;
    plug(&host.netns, veth, host.ip, &netns, address)?;
    Ok(PodNet { netns, ip: address })
}

/// Links `guest` to `host` by a veth: `name` on the host's side, `eth0` with `address` on the guest's.
fn plug(host: &NetNs, name: &str, host_ip: Ipv4Addr, guest: &NetNs, address: Ipv4Addr) -> io::Result<()> {
    let [a, b, c, d] = address.octets();
    let guest_mac = format!("02:00:{a:02x}:{b:02x}:{c:02x}:{d:02x}");
    let path = guest.path();
    ip(
        host,
        &format!(
            "link add {name} address {HOST_MAC} type veth peer name eth0 address {guest_mac} netns {path}\n\
             link set {name} addrgenmode none up\n\
             route add {address} dev {name} scope link src {host_ip}\n\
             neigh add {address} lladdr {guest_mac} dev {name} nud permanent\n"
        ),
    )?;
    ip(
        guest,
        &format!(
            "link set lo up\n\
             addr add {address}/32 dev eth0\n\
             link set eth0 addrgenmode none up\n\
             neigh add {GATEWAY} lladdr {HOST_MAC} dev eth0 nud permanent\n\
             route add default via {GATEWAY} dev eth0 onlink src {address}\n"
        ),
    )
}

#[cfg(test)]
pub(super) mod tests;
