//! A control plane within the test, and what it can send.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use mesh_proto::{
    Any,
    envoy::envoy::{
        config::{
            cluster::v3::{
                Cluster,
                cluster::{ClusterDiscoveryType, EdsClusterConfig},
            },
            core::v3::{
                Address, AggregatedConfigSource, ConfigSource, DataSource, SocketAddress, TransportSocket,
                address::Address as Kind, config_source::ConfigSourceSpecifier, data_source::Specifier,
                socket_address::PortSpecifier, transport_socket,
            },
            endpoint::v3::{
                ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints, lb_endpoint::HostIdentifier,
            },
            listener::v3::{Filter, FilterChain, Listener, filter},
            route::v3::{
                Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost, route::Action,
                route_action::ClusterSpecifier, route_match::PathSpecifier,
            },
        },
        extensions::{
            filters::{
                http::router::v3::Router,
                network::http_connection_manager::v3::{
                    HttpConnectionManager, HttpFilter, Rds, http_connection_manager::RouteSpecifier, http_filter,
                },
            },
            transport_sockets::tls::v3::{
                CommonTlsContext, DownstreamTlsContext, SdsSecretConfig, Secret, TlsCertificate, secret,
            },
        },
    },
    pack, type_url,
};
use mesh_snapshot::Snapshot;
use mesh_xds::{
    Resource, Wanted,
    client::Plaintext,
    machine::Heard,
    server::{self, Caller, Seen, Session, Source},
    transport,
};
use tokio::{
    net::TcpListener,
    sync::watch,
    time::{sleep, timeout},
};

use super::{Life, Logs, Names, Reasons, Shared, Stats, Telemetry, Workload, World};

/// What a data plane shares, before anything happened.
pub(crate) fn shared() -> Arc<Shared> {
    Arc::new(Shared {
        started: Instant::now(),
        world: World::default(),
        names: Names::default(),
        life: Life::default(),
        stats: Arc::new(Stats::default()),
        telemetry: Arc::new(Telemetry::new(Workload::default(), "test")),
        logs: Logs::default(),
        reasons: Reasons::new("test"),
    })
}

/// Resources by type and name.
type Mesh = BTreeMap<(&'static str, String), Any>;

/// A control plane. Whatever was refused is kept in its words.
pub(crate) struct Pilot {
    pub(crate) address: SocketAddr,
    mesh: watch::Sender<Mesh>,
    refused: Arc<Mutex<Vec<String>>>,
    _stop: watch::Sender<bool>,
}

struct Serving {
    mesh: watch::Receiver<Mesh>,
    refused: Arc<Mutex<Vec<String>>>,
}

struct View {
    live: watch::Receiver<Mesh>,
    pinned: Mesh,
    refused: Arc<Mutex<Vec<String>>>,
}

impl Source for Serving {
    fn open<'a>(&'a self, _: Caller<'a>) -> BoxFuture<'a, Result<Box<dyn Session>, tonic::Status>> {
        Box::pin(async {
            let mut live = self.mesh.clone();
            let pinned = live.borrow_and_update().clone();
            Ok(Box::new(View { live, pinned, refused: self.refused.clone() }) as Box<dyn Session>)
        })
    }

    fn name(&self) -> &str {
        "test"
    }
}

impl Session for View {
    fn changed(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            let is_alive = self.live.changed().await.is_ok();
            self.pinned = self.live.borrow_and_update().clone();
            is_alive
        })
    }

    fn resources(&mut self, type_url: &str, wanted: &Wanted) -> Option<Vec<Arc<Resource>>> {
        let mine = self.pinned.iter().filter(|((kind, name), _)| *kind == type_url && wanted.admits(name));
        Some(mine.map(|((_, name), body)| Arc::new(Resource::new(name.as_str(), body.clone()))).collect())
    }

    fn observe(&mut self, seen: Seen<'_>) {
        if let Seen::Heard { heard: Heard::Refused(reason), .. } = seen {
            self.refused.lock().unwrap().push(reason.clone());
        }
    }
}

impl Pilot {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mesh, meshes) = watch::channel(Mesh::new());
        let refused = Arc::new(Mutex::new(Vec::new()));
        let (stop, mut stopped) = watch::channel(false);
        let source = Arc::new(Serving { mesh: meshes, refused: refused.clone() });
        tokio::spawn(async move {
            let ended = async move { drop(stopped.wait_for(|stop| *stop).await) };
            server::serve(listener, transport::Plaintext, source, ended).await.unwrap();
        });
        Self { address, mesh, refused, _stop: stop }
    }

    /// Changes what is sent, all at once.
    pub(crate) fn send(&self, change: impl FnOnce(&mut Mesh)) {
        self.mesh.send_modify(change);
    }

    pub(crate) fn dial(&self) -> Plaintext {
        Plaintext::new(self.address.to_string())
    }

    /// Waits until something was refused; gives it in the proxy's words.
    pub(crate) async fn refusal(&self) -> String {
        eventually(|| self.refused.lock().unwrap().pop()).await
    }
}

/// Asks again and again, for some seconds at most.
pub(crate) async fn eventually<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            match ask() {
                Some(found) => return found,
                None => sleep(Duration::from_millis(2)).await,
            }
        }
    };
    timeout(Duration::from_secs(20), asking).await.expect("it happens in time")
}

/// Waits until the published world is as it should be.
pub(crate) async fn world_where(shared: &Shared, is_so: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
    eventually(|| Some(shared.world.current()).filter(|world| is_so(world))).await
}

fn address(host: &str, port: u32) -> Address {
    let port_specifier = Some(PortSpecifier::PortValue(port));
    let socket = SocketAddress { address: host.to_owned(), port_specifier, ..SocketAddress::default() };
    Address { address: Some(Kind::SocketAddress(socket)) }
}

/// A resource with its key.
pub(crate) type Sent = ((&'static str, String), Any);

/// A cluster whose endpoints are sent.
pub(crate) fn cluster(name: &str) -> Sent {
    let cluster = Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(3)),
        eds_cluster_config: Some(EdsClusterConfig::default()),
        ..Cluster::default()
    };
    ((type_url::CLUSTER, name.to_owned()), pack(&cluster))
}

/// A cluster of one name.
pub(crate) fn named_cluster(name: &str, host: &str) -> Sent {
    let cluster = Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(1)),
        load_assignment: Some(assignment(name, &[host])),
        ..Cluster::default()
    };
    ((type_url::CLUSTER, name.to_owned()), pack(&cluster))
}

fn assignment(name: &str, hosts: &[&str]) -> ClusterLoadAssignment {
    let one = |host: &&str| {
        let endpoint = Endpoint { address: Some(address(host, 80)), ..Endpoint::default() };
        LbEndpoint { host_identifier: Some(HostIdentifier::Endpoint(endpoint)), ..LbEndpoint::default() }
    };
    let lb_endpoints = hosts.iter().map(one).collect();
    let endpoints = vec![LocalityLbEndpoints { lb_endpoints, ..LocalityLbEndpoints::default() }];
    ClusterLoadAssignment { cluster_name: name.to_owned(), endpoints, ..ClusterLoadAssignment::default() }
}

/// Endpoints of a cluster.
pub(crate) fn endpoints(name: &str, hosts: &[&str]) -> Sent {
    ((type_url::ENDPOINT, name.to_owned()), pack(&assignment(name, hosts)))
}

/// A listener whose routes are sent. `extra` may spoil it.
pub(crate) fn listener(name: &str, port: u32, routes: &str, extra: impl FnOnce(&mut Listener)) -> Sent {
    let router = HttpFilter {
        config_type: Some(http_filter::ConfigType::TypedConfig(pack(&Router::default()))),
        ..HttpFilter::default()
    };
    let rds = Rds { route_config_name: routes.to_owned(), config_source: None };
    let manager = HttpConnectionManager {
        http_filters: vec![router],
        route_specifier: Some(RouteSpecifier::Rds(rds)),
        ..HttpConnectionManager::default()
    };
    let config_type = Some(filter::ConfigType::TypedConfig(pack(&manager)));
    let filter = Filter { name: "http".to_owned(), config_type };
    let mut listener = Listener {
        name: name.to_owned(),
        address: Some(address("0.0.0.0", port)),
        filter_chains: vec![FilterChain { filters: vec![filter], ..FilterChain::default() }],
        ..Listener::default()
    };
    extra(&mut listener);
    ((type_url::LISTENER, name.to_owned()), pack(&listener))
}

/// Lets a listener end TLS with a secret.
pub(crate) fn ending_tls(listener: &mut Listener, secret: &str) {
    let ads = ConfigSource {
        config_source_specifier: Some(ConfigSourceSpecifier::Ads(AggregatedConfigSource {})),
        ..ConfigSource::default()
    };
    let certificate = SdsSecretConfig { name: secret.to_owned(), sds_config: Some(ads) };
    let common =
        CommonTlsContext { tls_certificate_sds_secret_configs: vec![certificate], ..CommonTlsContext::default() };
    let context = DownstreamTlsContext { common_tls_context: Some(common), ..DownstreamTlsContext::default() };
    let config_type = Some(transport_socket::ConfigType::TypedConfig(pack(&context)));
    listener.filter_chains[0].transport_socket = Some(TransportSocket { name: "tls".to_owned(), config_type });
}

/// A secret of that name: some certificate with its key.
pub(crate) fn secret(name: &str) -> Sent {
    let made = rcgen::generate_simple_self_signed(vec!["a.test".to_owned()]).unwrap();
    let inline = |text: String| {
        Some(DataSource { specifier: Some(Specifier::InlineBytes(text.into_bytes())), ..DataSource::default() })
    };
    let certificate = TlsCertificate {
        certificate_chain: inline(made.cert.pem()),
        private_key: inline(made.signing_key.serialize_pem()),
        ..TlsCertificate::default()
    };
    let secret = Secret { name: name.to_owned(), r#type: Some(secret::Type::TlsCertificate(certificate)) };
    ((type_url::SECRET, name.to_owned()), pack(&secret))
}

/// A route table that sends everything to a cluster.
pub(crate) fn routes(name: &str, cluster: &str) -> Sent {
    let to = RouteAction {
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
        ..RouteAction::default()
    };
    let route = Route {
        r#match: Some(RouteMatch {
            path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
            ..RouteMatch::default()
        }),
        action: Some(Action::Route(to)),
        ..Route::default()
    };
    let host = VirtualHost {
        name: "all".to_owned(),
        domains: vec!["*".to_owned()],
        routes: vec![route],
        ..VirtualHost::default()
    };
    let table =
        RouteConfiguration { name: name.to_owned(), virtual_hosts: vec![host], ..RouteConfiguration::default() };
    ((type_url::ROUTE, name.to_owned()), pack(&table))
}
