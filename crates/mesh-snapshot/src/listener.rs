//! Listeners: where connections come in, and which chain of filters takes them.

mod chain;
mod inspect;

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use mesh_proto::envoy::envoy::config::{core::v3 as core, listener::v3 as pb};

pub(crate) use self::chain::networks;
use self::{chain::ChainTest, inspect::Inspectors};
pub use self::{
    chain::{Connection, Transport},
    inspect::Inspection,
};
use crate::{
    endpoint::socket_address,
    http::{Codec, HttpManager},
    log::AccessLog,
    refusal::{At, Bad},
    route::Provenance,
    take::{duration, ensure, flag, limit, nothing_left, type_name, typed},
    tcp::TcpForward,
    tls::{self, ServerRules, ServerTls, Vault},
};

/// A validated listener.
#[derive(Clone, Debug)]
pub struct Listener {
    /// Its name.
    pub name: Arc<str>,
    /// Its address, and further ones.
    pub addresses: Vec<SocketAddr>,
    /// Whether a socket is opened; if not, connections are handed over by a listener that takes all.
    pub binds: bool,
    /// Whether connections are handed over to the listener of their original destination.
    pub hands_over: bool,
    /// Whether it takes what comes to the workload.
    pub inbound: bool,
    /// How long the first bytes may keep the inspectors waiting; none is for ever.
    pub inspection_timeout: Option<Duration>,
    /// Whether a connection goes on when that time is over.
    pub continues_after_timeout: bool,
    /// Logs of connections that no chain takes.
    pub access_log: Vec<AccessLog>,
    /// Which object made it.
    pub provenance: Provenance,
    inspectors: Inspectors,
    chains: Vec<Arc<FilterChain>>,
    default: Option<Arc<FilterChain>>,
}

/// What takes a connection.
#[derive(Clone, Debug)]
pub struct FilterChain {
    /// Its name.
    pub name: Box<str>,
    /// TLS that ends here, if any.
    pub tls: Option<ServerTls>,
    /// What it does.
    pub handler: Handler,
    /// Which object made it.
    pub provenance: Provenance,
    test: ChainTest,
}

/// What is done with a connection.
#[derive(Clone, Debug)]
pub enum Handler {
    /// Requests are read from it.
    Http(Arc<HttpManager>),
    /// Its bytes are passed on.
    Tcp(Arc<TcpForward>),
}

impl Listener {
    pub(crate) fn parse(mut message: pb::Listener) -> Result<Self, Bad> {
        let name: Arc<str> = std::mem::take(&mut message.name).into();
        let mut addresses = vec![ip_address(message.address.take()).at("address")?];
        for (i, mut more) in std::mem::take(&mut message.additional_addresses).into_iter().enumerate() {
            addresses.push(ip_address(more.address.take()).at("address").at_index("additional_addresses", i)?);
            nothing_left(&more).at_index("additional_addresses", i)?;
        }
        let v1 = message.deprecated_v1.take().and_then(|v1| flag(v1.bind_to_port));
        let binds = flag(message.bind_to_port.take()).or(v1).unwrap_or(true);
        let hands_over = flag(message.use_original_dst.take()).unwrap_or(false);
        let direction = core::TrafficDirection::try_from(std::mem::take(&mut message.traffic_direction));
        let chains = std::mem::take(&mut message.filter_chains).into_iter().enumerate();
        let chains: Vec<Arc<FilterChain>> = chains
            .map(|(i, chain)| FilterChain::parse(chain).map(Arc::new).at_index("filter_chains", i))
            .collect::<Result<_, _>>()?;
        for (i, chain) in chains.iter().enumerate() {
            let earlier = chains[..i].iter().any(|other| other.test == chain.test);
            ensure(!earlier, "filter_chain_match", "is the same as an earlier chain's").at_index("filter_chains", i)?;
        }
        let default = message.default_filter_chain.take().map(FilterChain::parse).transpose();
        let default = default.at("default_filter_chain")?.map(Arc::new);
        ensure(!chains.is_empty() || default.is_some(), "filter_chains", "has none")?;
        let timeout = duration(message.listener_filters_timeout.take()).at("listener_filters_timeout")?;
        let mut inspectors = Inspectors::parse(std::mem::take(&mut message.listener_filters))?;
        let mut plain = chains.iter().chain(&default).filter(|chain| chain.tls.is_none()).peekable();
        if plain.peek().is_some() && plain.all(|chain| chain.reads_either_http()) {
            // Envoy's codec tells HTTP/2 by its preface where no inspector has; here the inspector does it.
            inspectors.tell_http_apart();
        }
        let listener = Self {
            name,
            addresses,
            binds,
            hands_over,
            inbound: direction == Ok(core::TrafficDirection::Inbound),
            inspection_timeout: Some(timeout.unwrap_or(Duration::from_secs(15))).filter(|t| !t.is_zero()),
            continues_after_timeout: std::mem::take(&mut message.continue_on_listener_filters_timeout),
            access_log: AccessLog::parse_all(std::mem::take(&mut message.access_log))?,
            provenance: Provenance::parse(message.metadata.take()),
            inspectors,
            chains,
            default,
        };
        clear_own_choices(&mut message);
        nothing_left(&message)?;
        Ok(listener)
    }

    /// What has to be found out about a connection to `port` before a chain is chosen.
    pub fn inspection(&self, port: u16) -> Inspection {
        self.inspectors.for_port(port)
    }

    /// The chain of a connection; none means that it is closed.
    pub fn chain(&self, connection: &Connection<'_>) -> Option<&Arc<FilterChain>> {
        chain::choose(&self.chains, |chain| &chain.test, connection).or(self.default.as_ref())
    }

    /// The same with its TLS made ready with what there is now; as it was before, if nothing of that has changed.
    pub(crate) fn ready(self: &Arc<Self>, vault: &Vault, previous: Option<&Arc<Self>>) -> Arc<Self> {
        if self.chains().all(|chain| chain.tls.is_none()) {
            return self.clone();
        }
        let same = |(before, parsed): (&Arc<FilterChain>, &Arc<FilterChain>)| match (&before.tls, &parsed.tls) {
            (Some(before), Some(parsed)) => before.is_still(parsed, vault),
            (before, parsed) => before.is_none() && parsed.is_none(),
        };
        if let Some(previous) = previous
            && previous.chains().count() == self.chains().count()
            && previous.chains().zip(self.chains()).all(same)
        {
            return previous.clone();
        }
        let ready = |chain: &Arc<FilterChain>| match &chain.tls {
            Some(tls) => Arc::new(FilterChain { tls: Some(tls.ready(vault)), ..FilterChain::clone(chain) }),
            None => chain.clone(),
        };
        let chains = self.chains.iter().map(ready).collect();
        Arc::new(Self { chains, default: self.default.as_ref().map(ready), ..Self::clone(self) })
    }

    /// All chains, the default one last.
    pub fn chains(&self) -> impl Iterator<Item = &Arc<FilterChain>> {
        self.chains.iter().chain(&self.default)
    }
}

/// Fields by which a server tunes what this proxy decides by itself, or names statistics.
fn clear_own_choices(message: &mut pb::Listener) {
    message.stat_prefix.clear();
    message.per_connection_buffer_limit_bytes = None;
    message.tcp_backlog_size = None;
    message.max_connections_to_accept_per_socket_event = None;
    // Each worker has a socket of its own (SO_REUSEPORT); the kernel balances.
    message.enable_reuse_port = None;
    message.connection_balance_config = None;
    message.drain_type = 0;
}

fn ip_address(address: Option<core::Address>) -> Result<SocketAddr, Bad> {
    let (host, port) = socket_address(address)?;
    let ip: IpAddr = host.parse().map_err(|_| Bad::new("address", "is no address"))?;
    Ok(SocketAddr::new(ip, port))
}

impl FilterChain {
    /// Whether it reads HTTP of whatever version the client speaks.
    fn reads_either_http(&self) -> bool {
        matches!(&self.handler, Handler::Http(manager) if manager.codec == Codec::Auto)
    }

    fn parse(mut message: pb::FilterChain) -> Result<Self, Bad> {
        let name = std::mem::take(&mut message.name).into();
        let matching = message.filter_chain_match.take().unwrap_or_default();
        let test = ChainTest::parse(matching).at("filter_chain_match")?;
        let patience = limit(message.transport_socket_connect_timeout.take()).at("transport_socket_connect_timeout")?;
        let context = tls::context(message.transport_socket.take());
        let rules = context.and_then(|context| context.map(ServerRules::parse).transpose()).at("transport_socket")?;
        let tls = rules.map(|rules| ServerTls::new(rules, patience));
        let provenance = Provenance::parse(message.metadata.take());
        let filters = std::mem::take(&mut message.filters);
        nothing_left(&message)?;
        Ok(Self { name, tls, handler: Handler::parse(filters)?, provenance, test })
    }

    /// What it asks of a connection, for people; empty where it takes any.
    pub fn asks(&self) -> String {
        self.test.to_string()
    }
}

/// Leads a connection to the cluster of the name that it asks for.
/// <https://www.envoyproxy.io/docs/envoy/latest/configuration/listeners/network_filters/sni_cluster_filter>
const SNI_CLUSTER: &str = "envoy.extensions.filters.network.sni_cluster.v3.SniCluster";

fn is_sni_cluster(filter: &pb::Filter) -> bool {
    matches!(&filter.config_type, Some(pb::filter::ConfigType::TypedConfig(any)) if type_name(any) == SNI_CLUSTER)
}

impl Handler {
    fn parse(filters: Vec<pb::Filter>) -> Result<Self, Bad> {
        let (mut handler, mut by_server_name) = (None, false);
        for (i, filter) in filters.into_iter().enumerate() {
            ensure(handler.is_none(), "", "stands behind a filter that ends the chain").at_index("filters", i)?;
            by_server_name |= is_sni_cluster(&filter);
            handler = Self::parse_filter(filter).at_index("filters", i)?;
        }
        if let Some(Self::Tcp(forward)) = handler.as_mut().filter(|_| by_server_name) {
            let mut named = TcpForward::clone(forward);
            named.by_server_name = true;
            *forward = Arc::new(named);
        }
        handler.ok_or_else(|| Bad::new("filters", "has none that ends the chain"))
    }

    fn parse_filter(filter: pb::Filter) -> Result<Option<Self>, Bad> {
        let Some(pb::filter::ConfigType::TypedConfig(any)) = filter.config_type else {
            return Err(Bad::new("typed_config", "is missing"));
        };
        match type_name(&any) {
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager" => {
                let manager = typed(&any).and_then(HttpManager::parse).at("typed_config")?;
                Ok(Some(Self::Http(Arc::new(manager))))
            }
            "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy" => {
                let forward = typed(&any).and_then(TcpForward::parse).at("typed_config")?;
                Ok(Some(Self::Tcp(Arc::new(forward))))
            }
            // Read where the chain is put together.
            SNI_CLUSTER => Ok(None),
            // What these do, this proxy does without being asked.
            "envoy.extensions.filters.network.sni_dynamic_forward_proxy.v3.FilterConfig"
            | "stats.PluginConfig"
            | "envoy.tcp.metadataexchange.config.MetadataExchange" => Ok(None),
            other => Err(Bad::new("typed_config", format!("`{other}` is not supported"))),
        }
    }
}

#[cfg(test)]
mod tests;
