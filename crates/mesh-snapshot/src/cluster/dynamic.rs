//! Clusters that go where they are asked to go, within a domain.
//!
//! Envoy's dynamic forward proxy goes to any name. Here a cluster says in metadata `lateen` which names it may stand for
//! (`dynamic_host`, such as `*.example.org`) and at which port they are dialled (`dynamic_port`); without, it is refused.

use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use mesh_proto::{
    Any,
    envoy::envoy::{
        config::core::v3 as core,
        extensions::{
            clusters::dynamic_forward_proxy::v3::{ClusterConfig, cluster_config::ClusterImplementationSpecifier},
            common::dynamic_forward_proxy::v3::DnsCacheConfig,
        },
    },
};

use super::{DnsFamily, dns_family};
use crate::{
    refusal::{At, Bad},
    take::{ensure, limit, nothing_left, number, text_of, typed},
};

/// Names that a cluster may go to, and how they are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dynamic {
    /// Of `*.example.org`: `.example.org`.
    suffix: Box<str>,
    /// Where names are dialled.
    pub port: u16,
    /// Which addresses count.
    pub family: DnsFamily,
    /// After how long a name in use is asked for again, where the answer does not say.
    pub refresh: Duration,
    /// How many names may be known at once.
    pub most: usize,
    /// Addresses that count as none.
    inside: Vec<IpNet>,
}

impl Dynamic {
    pub(super) fn parse(config: &Any, metadata: Option<&core::Metadata>) -> Result<Self, Bad> {
        let mut config: ClusterConfig = typed(config)?;
        let Some(ClusterImplementationSpecifier::DnsCacheConfig(cache)) =
            config.cluster_implementation_specifier.take()
        else {
            return Err(Bad::new("dns_cache_config", "is missing"));
        };
        // What TLS verifies is said where TLS is.
        config.allow_insecure_cluster_options = false;
        nothing_left(&config)?;
        let ours = metadata.and_then(|m| m.filter_metadata.get("lateen"));
        let said = |key| ours.and_then(|of| text_of(of, key));
        let host = said("dynamic_host").and_then(|host| host.strip_prefix('*')).filter(|s| s.starts_with('.'));
        let suffix = host.ok_or_else(|| Bad::new("metadata", "names no domain (`lateen.dynamic_host`)"))?;
        let port = said("dynamic_port").and_then(|port| port.parse().ok()).filter(|port| *port != 0);
        let port = port.ok_or_else(|| Bad::new("metadata", "names no port (`lateen.dynamic_port`)"))?;
        Self::of_cache(cache, suffix, port).at("dns_cache_config")
    }

    fn of_cache(mut cache: DnsCacheConfig, suffix: &str, port: u16) -> Result<Self, Bad> {
        // Filters and clusters of one name share a cache in Envoy; here there is one for all.
        cache.name.clear();
        let filter = cache.resolved_address_filter.take().unwrap_or_default();
        ensure(!filter.invert_match, "resolved_address_filter.invert_match", "is not supported")?;
        let network = |range: &mesh_proto::envoy::xds::core::v3::CidrRange| {
            let length = u8::try_from(number(range.prefix_len).unwrap_or(0)).ok()?;
            IpNet::new(range.address_prefix.parse().ok()?, length).ok()
        };
        let inside: Option<Vec<IpNet>> = filter.ranges.iter().map(network).collect();
        let dynamic = Self {
            suffix: suffix.to_ascii_lowercase().into(),
            port,
            family: dns_family(std::mem::take(&mut cache.dns_lookup_family))?,
            refresh: limit(cache.dns_refresh_rate.take()).at("dns_refresh_rate")?.unwrap_or(Duration::from_secs(60)),
            most: number(cache.max_hosts.take()).unwrap_or(1024) as usize,
            inside: inside.ok_or_else(|| Bad::new("resolved_address_filter.ranges", "has one that is no network"))?,
        };
        nothing_left(&cache)?;
        Ok(dynamic)
    }

    /// The name that a `Host` or a server name of TLS asks for, if the cluster may go there.
    pub fn name(&self, asked: &str) -> Option<String> {
        let name = match asked.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => asked,
        };
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        let first = name.strip_suffix(&*self.suffix)?;
        let is_word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        let labels = name.split('.').all(|label| (1..=63).contains(&label.len()));
        (!first.is_empty() && labels && name.len() <= 253 && name.bytes().all(is_word)).then_some(name)
    }

    /// Whether a name may have this address.
    pub fn permits(&self, ip: IpAddr) -> bool {
        let is_of_family = match self.family {
            DnsFamily::V4 => ip.is_ipv4(),
            DnsFamily::V6 => ip.is_ipv6(),
            DnsFamily::All | DnsFamily::V4Preferred | DnsFamily::V6Preferred => true,
        };
        is_of_family && !self.inside.iter().any(|net| net.contains(&ip))
    }
}

#[cfg(test)]
mod tests;
