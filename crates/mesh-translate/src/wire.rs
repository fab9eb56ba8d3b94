//! Small pieces that every resource is made of.

use std::{net::IpAddr, time};

use ipnet::IpNet;
use mesh_model::config::{Percent, StringMatch};
use mesh_model::registry::Address;

use crate::pb::{self, core, tls};

/// A time span.
pub(crate) fn duration(span: time::Duration) -> pb::Duration {
    pb::Duration {
        seconds: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(span.subsec_nanos()).unwrap_or_default(),
    }
}

/// No time at all: for most of Envoy's timeouts, never.
pub(crate) const ZERO: pb::Duration = pb::Duration { seconds: 0, nanos: 0 };

/// A number that is there.
pub(crate) fn number(value: u32) -> Option<pb::UInt32Value> {
    Some(pb::UInt32Value { value })
}

/// A larger number that is there.
pub(crate) fn long(value: u64) -> Option<pb::UInt64Value> {
    Some(pb::UInt64Value { value })
}

/// A choice that is made.
pub(crate) fn flag(value: bool) -> Option<pb::BoolValue> {
    Some(pb::BoolValue { value })
}

/// A message under its type URL.
pub(crate) fn any<M: prost::Name>(message: &M) -> pb::Any {
    mesh_proto::pack(message)
}

/// Where something listens.
pub(crate) fn socket(address: impl ToString, port: u16) -> core::Address {
    core::Address { address: Some(core::address::Address::SocketAddress(socket_address(address, port))) }
}

/// The same without its wrapper.
pub(crate) fn socket_address(address: impl ToString, port: u16) -> core::SocketAddress {
    core::SocketAddress {
        address: address.to_string(),
        port_specifier: Some(core::socket_address::PortSpecifier::PortValue(u32::from(port))),
        ..Default::default()
    }
}

/// Where an endpoint listens.
pub(crate) fn endpoint_address(address: &Address, port: u16) -> core::Address {
    match address {
        Address::Ip(ip) => socket(ip, port),
        Address::Host(host) => socket(host, port),
        Address::Unix(path) => core::Address {
            address: Some(core::address::Address::Pipe(core::Pipe { path: path.clone(), ..Default::default() })),
        },
    }
}

/// A range of addresses.
pub(crate) fn cidr(net: IpNet) -> core::CidrRange {
    core::CidrRange { address_prefix: net.network().to_string(), prefix_len: number(u32::from(net.prefix_len())) }
}

/// The address that stands for all of a family.
pub(crate) fn unspecified(ip: Option<&IpAddr>) -> &'static str {
    if ip.is_some_and(IpAddr::is_ipv6) { "::" } else { "0.0.0.0" }
}

/// From the stream that the resource itself came by.
pub(crate) fn ads() -> core::ConfigSource {
    core::ConfigSource {
        config_source_specifier: Some(core::config_source::ConfigSourceSpecifier::Ads(
            core::AggregatedConfigSource::default(),
        )),
        initial_fetch_timeout: Some(ZERO),
        resource_api_version: core::ApiVersion::V3 as i32,
        ..Default::default()
    }
}

/// A share of requests, in millionths.
pub(crate) fn fraction(share: Percent) -> pb::kind::FractionalPercent {
    pb::kind::FractionalPercent {
        numerator: share.millionths(),
        denominator: pb::kind::fractional_percent::DenominatorType::Million as i32,
    }
}

/// A share of requests that no runtime value overrides.
pub(crate) fn runtime_fraction(share: Percent) -> core::RuntimeFractionalPercent {
    core::RuntimeFractionalPercent { default_value: Some(fraction(share)), runtime_key: String::new() }
}

/// A regular expression.
pub(crate) fn regex(text: &str) -> pb::matcher::RegexMatcher {
    pb::matcher::RegexMatcher { regex: text.to_owned(), ..Default::default() }
}

/// How a text is compared.
pub(crate) fn string_matcher(value: &StringMatch) -> pb::matcher::StringMatcher {
    use pb::matcher::string_matcher::MatchPattern;
    let pattern = match value {
        StringMatch::Exact(text) => MatchPattern::Exact(text.clone()),
        StringMatch::Prefix(text) => MatchPattern::Prefix(text.clone()),
        StringMatch::Regex(pattern) => MatchPattern::SafeRegex(regex(pattern.as_str())),
    };
    pb::matcher::StringMatcher { match_pattern: Some(pattern), ignore_case: false }
}

/// Text in a `google.protobuf.Value`.
pub(crate) fn text(value: impl Into<String>) -> pb::Value {
    pb::Value { kind: Some(pb::Kind::StringValue(value.into())) }
}

/// A file or text.
pub(crate) fn file(path: &str) -> core::DataSource {
    core::DataSource { specifier: Some(core::data_source::Specifier::Filename(path.to_owned())), ..Default::default() }
}

/// A secret that comes by the stream that the resource itself came by.
///
/// Unlike for other resources Envoy waits only its usual 15 seconds for it: what needs the secret fails, the rest stands.
pub(crate) fn sds(name: &str) -> tls::SdsSecretConfig {
    let config = core::ConfigSource { initial_fetch_timeout: None, ..ads() };
    tls::SdsSecretConfig { name: name.to_owned(), sds_config: Some(config) }
}

/// Names of which a peer's certificate must have one. Istio does not say which sort of name is meant; each sort that
/// certificates of workloads have is tried.
pub(crate) fn names_of_peers(names: &[String]) -> Vec<tls::SubjectAltNameMatcher> {
    use tls::subject_alt_name_matcher::SanType;
    let matchers = names.iter().flat_map(|name| {
        [SanType::Dns, SanType::Uri, SanType::IpAddress].map(|kind| tls::SubjectAltNameMatcher {
            san_type: kind as i32,
            matcher: Some(string_matcher(&StringMatch::Exact(name.clone()))),
            ..Default::default()
        })
    });
    matchers.collect()
}
