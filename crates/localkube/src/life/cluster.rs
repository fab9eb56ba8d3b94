//! The parts of a cluster, put together and started in order.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail};
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Node, Pod},
};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    apply,
    control::{self, Found},
    kubeconfig,
};
use crate::{
    api::{
        Api,
        auth::Authenticator,
        crd,
        http::{self, Door},
        pki::{Authority, TokenKey},
    },
    client::Client,
    controllers::{self, Settings, bootstrap::bootstrap},
    net::{
        dns, forward,
        outside::Outside,
        proxier,
        topology::{Network, veth_name},
    },
    node::{
        agents::Agents,
        images::Catalogue,
        kubelet::{self, machine},
        netfiles,
        runtime::Mount,
    },
};

/// The API's port inside the cluster, on the first node's address.
const API_PORT: u16 = 6443;
/// How long a connection within the machine may take.
const PROBE: Duration = Duration::from_millis(200);
/// How long the nodes and the cluster's DNS may take to get ready.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the controllers may take to end.
const FAREWELL: Duration = Duration::from_secs(2);
/// Where most programs look for the authorities that they trust.
const TRUST: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What one instance is made from.
#[derive(Clone, Debug)]
pub struct Config {
    /// The instance's name.
    pub name: String,
    /// The nodes' names.
    pub nodes: Vec<String>,
    /// The API's port on 127.0.0.1; 0 for any.
    pub api_port: u16,
    /// A catalogue of further images.
    pub images: Option<PathBuf>,
    /// Further names that the outside answers for.
    pub outside_hosts: Vec<String>,
    /// Where to write the administrator's kubeconfig.
    pub kubeconfig: PathBuf,
    /// Where to listen for `sh`.
    pub control: PathBuf,
    /// The instance's folder.
    pub folder: PathBuf,
}

/// A cluster that is ready. Dropped, its outside ends; the rest ends with the process.
pub struct Cluster {
    /// Where the API listens on the host.
    pub address: String,
    _outside: Outside,
    stop: CancellationToken,
    controllers: TaskTracker,
}

impl Cluster {
    /// Ends the controllers, so that none of them takes the end of the nodes for news.
    pub async fn end(self) {
        self.stop.cancel();
        self.controllers.close();
        if tokio::time::timeout(FAREWELL, self.controllers.wait()).await.is_err() {
            tracing::warn!("the controllers did not end in time");
        }
    }
}

/// Starts everything and returns once the nodes and the cluster's DNS are ready. `progress` is told each step.
pub async fn start(config: Config, progress: &dyn Fn(&str)) -> anyhow::Result<Cluster> {
    let authority = Authority::generate(&format!("localkube-{}", config.name))?;
    let network = Network::create(&config.nodes).await.context("cannot make the network")?;
    progress(&format!("network: {}", config.nodes.join(", ")));

    let api = Api::default();
    let authenticator = Authenticator::new(api.store().clone(), Arc::new(TokenKey::generate()?));
    let client = |component: &str| Client::new(api.clone(), component);
    let agents = Agents::new(client("kubelet"));
    let first = config.nodes.first().and_then(|name| network.node(name)).context("a cluster needs a node")?;
    let on_node = SocketAddrV4::new(first.ip, API_PORT);
    bootstrap(&client("apiserver"), on_node).await?;
    let on_node = first.netns.listen_tcp(SocketAddr::V4(on_node))?;
    let door = Door::new(api.clone(), Arc::new(agents.clone()), authenticator.clone());
    let address = serve(&config, &authority, door, on_node, first.ip).await?;
    progress(&format!("api: {address}"));

    let way = first.netns.clone();
    api.admission().connect_by(Arc::new(move |service| {
        let way = way.clone();
        Box::pin(async move { way.connect_tcp(service).await })
    }));
    tokio::spawn(crd::run(client("apiextensions")));
    proxier::start(client("kube-proxy"), &network).await.context("cannot write service rules")?;
    forward::start(client("cloud-controller-manager"), network.clone());
    let settings = Settings { ca_pem: authority.certificate().to_owned() };
    let (stop, controllers) = (CancellationToken::new(), TaskTracker::new());
    controllers::run(&api, settings, &stop, &controllers);
    let outside = Outside::start(&network, &config.outside_hosts).await.context("cannot start the outside")?;
    let trust = outside.write_trust(&config.folder)?;

    start_nodes(&config, &trust, &client("kubelet"), &network, &authenticator, &agents)?;
    serve_control(&config, network.clone(), client("admin"));
    let outer = kubeconfig::client(&config.kubeconfig).await?;
    apply::apply(outer, apply::parse(dns::MANIFEST)?, "kube-system").await.context("cannot apply the cluster's DNS")?;
    wait_ready(&config, &client("admin"), &network, progress).await?;
    Ok(Cluster { address, _outside: outside, stop, controllers })
}

/// Opens the API's door on the host's loopback and on the first node, and writes the administrator's kubeconfig.
async fn serve(
    config: &Config,
    authority: &Authority,
    door: Arc<Door>,
    on_node: TcpListener,
    address: Ipv4Addr,
) -> anyhow::Result<String> {
    let on_host = TcpListener::bind((Ipv4Addr::LOCALHOST, config.api_port))
        .await
        .with_context(|| format!("cannot listen on 127.0.0.1:{} for the API", config.api_port))?;
    let server = format!("https://{}", on_host.local_addr()?);
    let tls = TlsAcceptor::from(authority.server_config(&authority.server(&[], &[address.into()])?)?);
    tokio::spawn(http::serve(door.clone(), on_host, tls.clone()));
    tokio::spawn(http::serve(door, on_node, tls));
    let admin = authority.client("kubernetes-admin", &["system:masters"])?;
    let ca = authority.certificate();
    kubeconfig::write(&config.kubeconfig, &config.name, &server, ca, &admin.certificate, &admin.key)?;
    Ok(server)
}

/// Starts an agent for each node. An agent that ends takes the process with it: half a cluster helps nobody.
fn start_nodes(
    config: &Config,
    trust: &Path,
    client: &Client,
    network: &Network,
    authenticator: &Authenticator,
    agents: &Agents,
) -> anyhow::Result<()> {
    let program = std::env::current_exe()?;
    let programs = program.parent().context("the program lies in no folder")?;
    let bundle = Mount { source: trust.to_path_buf(), target: TRUST.into(), read_only: true };
    let catalogue = Catalogue::load(config.images.as_deref(), programs)?.with_mount(bundle);
    for (index, name) in config.nodes.iter().enumerate() {
        let node = kubelet::Node {
            name: name.clone(),
            index,
            client: client.clone().on(name),
            network: network.clone(),
            net: network.node(name).with_context(|| format!("node {name} is not in the network"))?,
            catalogue: catalogue.clone(),
            authenticator: authenticator.clone(),
            folder: config.folder.join(name),
            program: program.clone(),
            allocatable: machine::resources(),
        };
        let (name, agents) = (name.clone(), agents.clone());
        tokio::spawn(async move {
            let ended = kubelet::run(node, agents).await;
            tracing::error!(name, ?ended, "the node agent ended");
            std::process::exit(1);
        });
    }
    Ok(())
}

/// Answers `localkube sh`.
fn serve_control(config: &Config, network: Network, client: Client) {
    let path = config.control.clone();
    tokio::spawn(async move {
        if let Err(error) = control::serve(&path, move |name| find_place(&network, &client, name)).await {
            tracing::error!(%error, "the control socket is closed");
        }
    });
}

/// The namespace behind `node-1`, `outside` or `namespace/pod`.
fn find_place(network: &Network, client: &Client, name: &str) -> Result<Found, String> {
    if name == "outside" {
        return Ok(Found { netns: network.outside().clone(), hint: String::new() });
    }
    let Some((namespace, pod)) = name.split_once('/') else {
        let place = network.node(name).ok_or_else(|| {
            let nodes: Vec<&str> = network.nodes().map(|(node, _)| node).collect();
            format!("there is no node \"{name}\"; there are {}", nodes.join(", "))
        })?;
        return Ok(Found { netns: place.netns, hint: format!("address {}", place.ip) });
    };
    let pod = client
        .get::<Pod>(namespace, pod)
        .map_err(|e| e.to_string())?
        .ok_or_else(|| format!("there is no pod \"{pod}\" in namespace \"{namespace}\""))?;
    let uid = pod.metadata.uid.unwrap_or_default();
    let node = pod.spec.and_then(|spec| spec.node_name).unwrap_or_default();
    let place = network.pod(&node, &uid).ok_or_else(|| format!("pod \"{name}\" has no network (yet)"))?;
    Ok(Found { netns: place.netns, hint: format!("on {node} its veth is {}", veth_name(&uid)) })
}

/// Waits until every node is ready and the cluster's DNS is reached from each.
async fn wait_ready(
    config: &Config,
    client: &Client,
    network: &Network,
    progress: &dyn Fn(&str),
) -> anyhow::Result<()> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    let mut nodes_told = false;
    while tokio::time::Instant::now() < deadline {
        let ready = client.list::<Node>(None)?.iter().filter(|node| is_node_ready(node)).count();
        if ready == config.nodes.len() && !nodes_told {
            nodes_told = true;
            progress(&format!("nodes: {ready} ready"));
        }
        let dns = client.get::<Deployment>("kube-system", "kube-dns")?;
        let available = dns.and_then(|d| d.status).and_then(|s| s.available_replicas).unwrap_or(0) > 0;
        if nodes_told && available && reach_dns(network).await {
            progress("dns: ready");
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    bail!("not ready after {} s: {}", PATIENCE.as_secs(), if nodes_told { "the cluster's DNS" } else { "the nodes" })
}

/// Whether each node's service rules lead to the cluster's DNS. A pod that asked before they do would wait out its
/// resolver's first timeout, 5 seconds.
async fn reach_dns(network: &Network) -> bool {
    for (_, place) in network.nodes() {
        let connection = place.netns.connect_tcp(SocketAddr::from((netfiles::DNS, 53)));
        if !matches!(tokio::time::timeout(PROBE, connection).await, Ok(Ok(_))) {
            return false;
        }
    }
    true
}

/// Whether the node says of itself that it can run pods.
pub(super) fn is_node_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|s| s.conditions.as_ref());
    conditions.is_some_and(|list| list.iter().any(|c| c.type_ == "Ready" && c.status == "True"))
}
