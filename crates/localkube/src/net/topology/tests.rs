use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::*;

/// A network of two nodes; None (and it says so) where namespaces cannot be made.
pub(in crate::net) async fn two_nodes(test: &str) -> Option<Network> {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("{test}: NOT RUN: it needs root for network namespaces");
        return None;
    }
    Some(Network::create(&["node-1".to_owned(), "node-2".to_owned()]).await.unwrap())
}

/// Serves one connection at `to`:`port`, connects from `from`, and tells which source the server saw.
async fn source_seen(from: &NetNs, to: &PodNet, port: u16) -> String {
    let listener = to.netns.listen_tcp((Ipv4Addr::UNSPECIFIED, port).into()).unwrap();
    let server = tokio::spawn(async move {
        let (mut stream, peer) = listener.accept().await.unwrap();
        stream.write_all(peer.ip().to_string().as_bytes()).await.unwrap();
    });
    let text = timeout(Duration::from_secs(5), async {
        let mut stream = from.connect_tcp((to.ip, port).into()).await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    });
    let text = text.await.unwrap();
    server.await.unwrap();
    text
}

#[test]
fn veth_names_fit_an_interface() {
    let name = veth_name("0b7f0b8c-7d0c-4a5f-8f0e-2f0b0c0d0e0f");
    assert_eq!(name.len(), 12);
    assert!(name.starts_with("veth"));
    assert_ne!(name, veth_name("another"));
}

#[tokio::test]
async fn everyone_reaches_everyone_with_their_own_address() {
    let Some(net) = two_nodes("everyone_reaches_everyone_with_their_own_address").await else { return };
    let a = net.attach("node-1", "a").await.unwrap();
    let b = net.attach("node-1", "b").await.unwrap();
    let c = net.attach("node-2", "c").await.unwrap();
    assert_eq!(a.ip.to_string(), "10.244.0.2");
    assert_eq!(c.ip.to_string(), "10.244.1.2");
    let (one, two) = (net.node("node-1").unwrap(), net.node("node-2").unwrap());
    let outside = PodNet { netns: net.outside().clone(), ip: OUTSIDE_ADDRESS };
    let places = [&a, &b, &c, &one, &two, &outside];
    for (i, from) in places.iter().enumerate() {
        for (j, to) in places.iter().enumerate() {
            let port = u16::try_from(2000 + 10 * i + j).unwrap();
            assert_eq!(source_seen(&from.netns, to, port).await, from.ip.to_string(), "{} -> {}", from.ip, to.ip);
        }
    }
}

#[tokio::test]
async fn attaching_is_idempotent_and_quick_and_addresses_rest_before_reuse() {
    let Some(net) = two_nodes("attaching_is_idempotent").await else { return };
    let first = net.attach("node-1", "a").await.unwrap();
    assert_eq!(net.attach("node-1", "a").await.unwrap().ip, first.ip);
    net.detach("node-1", "a").await;
    net.detach("node-1", "a").await;
    assert!(net.pod("node-1", "a").is_none());
    let start = Instant::now();
    let again = net.attach("node-1", "a").await.unwrap();
    eprintln!("attach took {:?}", start.elapsed());
    assert_ne!(again.ip, first.ip);
    assert!(net.attach("node-9", "a").await.unwrap_err().to_string().contains("node-9"));
}

#[tokio::test]
async fn addresses_run_out_with_a_clear_error() {
    let pods = Mutex::new(Pods { free: VecDeque::from([Ipv4Addr::new(10, 244, 0, 2)]), by_uid: HashMap::new() });
    let Ok(netns) = NetNs::current() else { return };
    let node = Node { net: PodNet { netns, ip: node_address(0) }, pods };
    assert!(node.slot("a").is_some());
    assert!(node.slot("b").is_none());
    assert!(node.slot("a").is_some());
}
