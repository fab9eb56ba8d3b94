//! Which filter chain takes a connection.
//!
//! Envoy looks at one property after the other, and at each keeps only the chains that fit best there: a chain that
//! names the destination's port hides all that name none, even if it later turns out not to fit. There is no way back.
//! <https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/listener/v3/listener_components.proto#config-listener-v3-filterchainmatch>

use std::{
    fmt,
    net::{IpAddr, SocketAddr},
};

use ipnet::IpNet;
use mesh_proto::envoy::envoy::config::{core::v3::CidrRange, listener::v3 as pb};

use super::Inspection;
use crate::{
    refusal::{At, Bad},
    take::{nothing_left, number},
};

/// What is known of a connection.
#[derive(Clone, Copy, Debug)]
pub struct Connection<'a> {
    /// Where it was going.
    pub destination: SocketAddr,
    /// Where it comes from.
    pub source: SocketAddr,
    /// What its first bytes are.
    pub transport: Transport,
    /// The name that TLS asks for, in lower case.
    pub server_name: Option<&'a str>,
    /// Protocols that TLS offers, or the one that was found (`http/1.0`, `http/1.1`, `h2c`).
    pub protocols: &'a [Box<str>],
}

impl Connection<'_> {
    /// The connection as far as inspectors find out about it.
    #[must_use]
    pub fn inspected(self, inspection: Inspection) -> Self {
        match (self.transport, inspection) {
            (Transport::Tls, Inspection { tls: true, .. }) | (Transport::Raw, Inspection { http: true, .. }) => self,
            _ => Self { transport: Transport::Raw, server_name: None, protocols: &[], ..self },
        }
    }
}

/// What the bytes of a connection are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Plain bytes, or not known.
    Raw,
    /// TLS.
    Tls,
}

/// What a chain asks of a connection; an empty list asks nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ChainTest {
    port: Option<u16>,
    destinations: Vec<IpNet>,
    server_names: Vec<ServerName>,
    transport: Option<Transport>,
    protocols: Vec<Box<str>>,
    direct_sources: Vec<IpNet>,
    source_type: SourceType,
    sources: Vec<IpNet>,
    source_ports: Vec<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum ServerName {
    Exact(Box<str>),
    /// Of `*.example.com`: `.example.com`.
    Suffix(Box<str>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SourceType {
    Any,
    Local,
    External,
}

impl ChainTest {
    pub(super) fn parse(mut message: pb::FilterChainMatch) -> Result<Self, Bad> {
        use pb::filter_chain_match::ConnectionSourceType as S;
        let port = number(message.destination_port.take()).map(u16::try_from).transpose();
        let port = port.map_err(|_| Bad::new("destination_port", "is above 65535"))?;
        let transport = match std::mem::take(&mut message.transport_protocol).as_str() {
            "" => None,
            "raw_buffer" => Some(Transport::Raw),
            "tls" => Some(Transport::Tls),
            _ => return Err(Bad::new("transport_protocol", "is not supported")),
        };
        let source_type = match S::try_from(std::mem::take(&mut message.source_type)) {
            Ok(S::Any) => SourceType::Any,
            Ok(S::SameIpOrLoopback) => SourceType::Local,
            Ok(S::External) => SourceType::External,
            Err(_) => return Err(Bad::new("source_type", "is unknown")),
        };
        let source_ports = std::mem::take(&mut message.source_ports).into_iter().map(u16::try_from);
        let test = Self {
            port: port.filter(|p| *p != 0),
            destinations: networks(std::mem::take(&mut message.prefix_ranges)).at("prefix_ranges")?,
            server_names: std::mem::take(&mut message.server_names)
                .into_iter()
                .map(|name| ServerName::parse(&name))
                .collect::<Result<_, _>>()
                .at("server_names")?,
            transport,
            protocols: std::mem::take(&mut message.application_protocols).into_iter().map(Into::into).collect(),
            direct_sources: networks(std::mem::take(&mut message.direct_source_prefix_ranges))
                .at("direct_source_prefix_ranges")?,
            source_type,
            sources: networks(std::mem::take(&mut message.source_prefix_ranges)).at("source_prefix_ranges")?,
            source_ports: source_ports
                .collect::<Result<_, _>>()
                .map_err(|_| Bad::new("source_ports", "has one above 65535"))?,
        };
        nothing_left(&message)?;
        Ok(test)
    }
}

/// For people: each demand, joined by commas.
impl fmt::Display for ChainTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |items: Vec<String>| (!items.is_empty()).then(|| items.join("|"));
        let nets = |of: &[IpNet]| list(of.iter().map(ToString::to_string).collect());
        let demands = [
            self.port.map(|port| format!("port {port}")),
            nets(&self.destinations).map(|nets| format!("to {nets}")),
            list(self.server_names.iter().map(ToString::to_string).collect()).map(|names| format!("TLS name {names}")),
            self.transport.map(|t| if t == Transport::Tls { "TLS".to_owned() } else { "no TLS".to_owned() }),
            list(self.protocols.iter().map(ToString::to_string).collect()),
            nets(&self.direct_sources).or_else(|| nets(&self.sources)).map(|nets| format!("from {nets}")),
            (self.source_type != SourceType::Any).then(|| format!("{:?} source", self.source_type).to_lowercase()),
            list(self.source_ports.iter().map(ToString::to_string).collect()).map(|ports| format!("from port {ports}")),
        ];
        f.write_str(&demands.into_iter().flatten().collect::<Vec<_>>().join(", "))
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Suffix(suffix) => write!(f, "*{suffix}"),
        }
    }
}

pub(crate) fn networks(ranges: Vec<CidrRange>) -> Result<Vec<IpNet>, Bad> {
    let parse = |range: &CidrRange| {
        let ip: IpAddr = range.address_prefix.parse().ok()?;
        IpNet::new(ip, u8::try_from(number(range.prefix_len).unwrap_or(0)).ok()?).ok()
    };
    let bad = |range: &CidrRange| Bad::new("", format!("`{}` is no network", range.address_prefix));
    ranges.iter().map(|range| parse(range).map(|net| net.trunc()).ok_or_else(|| bad(range))).collect()
}

impl ServerName {
    fn parse(text: &str) -> Result<Self, Bad> {
        let text = text.to_ascii_lowercase();
        match text.strip_prefix('*') {
            None if !text.is_empty() && !text.contains('*') => Ok(Self::Exact(text.into())),
            Some(suffix) if suffix.len() > 1 && suffix.starts_with('.') && !suffix.contains('*') => {
                Ok(Self::Suffix(suffix.into()))
            }
            _ => Err(Bad::new("", format!("`{text}` is no server name; `*` may only stand for the first parts"))),
        }
    }
}

/// Chooses among chains. Each step ranks what is left and keeps the best rank; rank 0 does not fit at all.
pub(super) fn choose<'a, T>(
    chains: &'a [T],
    test_of: impl Fn(&T) -> &ChainTest,
    connection: &Connection<'_>,
) -> Option<&'a T> {
    const STEPS: &[fn(&ChainTest, &Connection<'_>) -> usize] = &[
        |test, c| match test.port {
            None => 1,
            Some(port) => usize::from(port == c.destination.port()) * 2,
        },
        |test, c| network_rank(&test.destinations, c.destination.ip()),
        server_name_rank,
        |test, c| match test.transport {
            None => 1,
            Some(transport) => usize::from(transport == c.transport) * 2,
        },
        protocol_rank,
        |test, c| network_rank(&test.direct_sources, c.source.ip()),
        source_type_rank,
        |test, c| network_rank(&test.sources, c.source.ip()),
        |test, c| match &test.source_ports[..] {
            [] => 1,
            ports => usize::from(ports.contains(&c.source.port())) * 2,
        },
    ];
    let mut left: Vec<&T> = chains.iter().collect();
    for step in STEPS {
        let best = left.iter().map(|chain| step(test_of(chain), connection)).max().filter(|rank| *rank > 0)?;
        left.retain(|chain| step(test_of(chain), connection) == best);
    }
    left.first().copied()
}

/// 1 if no network is asked for, more for longer prefixes.
fn network_rank(networks: &[IpNet], ip: IpAddr) -> usize {
    if networks.is_empty() {
        return 1;
    }
    let fitting = networks.iter().filter(|net| net.contains(&ip));
    fitting.map(|net| usize::from(net.prefix_len()) + 2).max().unwrap_or(0)
}

/// 1 if no name is asked for, more for longer suffixes, most for the very name.
fn server_name_rank(test: &ChainTest, connection: &Connection<'_>) -> usize {
    if test.server_names.is_empty() {
        return 1;
    }
    let Some(name) = connection.server_name else { return 0 };
    let rank = |wanted: &ServerName| match wanted {
        ServerName::Exact(exact) => {
            if name == exact.as_ref() {
                usize::MAX
            } else {
                0
            }
        }
        ServerName::Suffix(suffix) => {
            if name.len() > suffix.len() && name.ends_with(suffix.as_ref()) {
                suffix.len() + 1
            } else {
                0
            }
        }
    };
    test.server_names.iter().map(rank).max().unwrap_or(0)
}

/// 1 if no protocol is asked for, more for one that the client names earlier.
fn protocol_rank(test: &ChainTest, connection: &Connection<'_>) -> usize {
    if test.protocols.is_empty() {
        return 1;
    }
    let offered = connection.protocols.iter().position(|offered| test.protocols.contains(offered));
    offered.map_or(0, |position| usize::MAX - position)
}

fn source_type_rank(test: &ChainTest, connection: &Connection<'_>) -> usize {
    let (source, destination) = (connection.source.ip(), connection.destination.ip());
    let local = source == destination || source.is_loopback();
    match test.source_type {
        SourceType::Any => 1,
        SourceType::Local => usize::from(local) * 2,
        SourceType::External => usize::from(!local) * 2,
    }
}
