//! What keeps a caller at one endpoint: a hash of something that the caller always sends.

use std::{fmt::Write, net::IpAddr, time::Duration};

use http::{HeaderName, HeaderValue};
use mesh_proto::envoy::envoy::config::route::v3::route_action as pb;

use super::head::Head;
use crate::{
    hash::xx,
    refusal::{At, Bad},
    take::{duration, nothing_left},
};

/// One source of the hash.
///
/// <https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route_components.proto#config-route-v3-routeaction-hashpolicy>
#[derive(Debug)]
pub struct HashPolicy {
    source: Source,
    terminal: bool,
}

#[derive(Debug)]
enum Source {
    Header(HeaderName),
    Cookie { name: Box<str>, ttl: Option<Duration>, path: Box<str>, attributes: Box<str> },
    CallerAddress,
    QueryParameter(Box<str>),
}

/// What a hash is made of.
#[derive(Clone, Copy, Debug)]
pub struct HashInput<'a> {
    /// The request.
    pub head: &'a Head<'a>,
    /// Where it comes from.
    pub source: IpAddr,
    /// For the value of a new cookie.
    pub random: u64,
}

/// The outcome: a hash, if there was anything to hash, and a cookie to set.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Affinity {
    /// What the load balancer is given.
    pub hash: Option<u64>,
    /// A `set-cookie` for the response, when the caller had no cookie yet.
    pub cookie: Option<HeaderValue>,
}

impl HashPolicy {
    pub(super) fn parse(mut message: pb::HashPolicy) -> Result<Self, Bad> {
        use pb::hash_policy::PolicySpecifier as P;
        let terminal = std::mem::take(&mut message.terminal);
        let source = match message.policy_specifier.take() {
            Some(P::Header(mut header)) => {
                let name = std::mem::take(&mut header.header_name);
                nothing_left(&header).at("header")?;
                let name = name.to_ascii_lowercase().parse();
                Source::Header(name.map_err(|_| Bad::new("header.header_name", "is no name of a header"))?)
            }
            Some(P::Cookie(cookie)) => {
                let mut attributes = String::new();
                for pb::hash_policy::CookieAttribute { name, value } in &cookie.attributes {
                    attributes.push_str("; ");
                    attributes.push_str(name);
                    if !value.is_empty() {
                        attributes.push('=');
                        attributes.push_str(value);
                    }
                }
                let ttl = duration(cookie.ttl).at("cookie.ttl")?;
                Source::Cookie {
                    name: cookie.name.into(),
                    ttl,
                    path: cookie.path.into(),
                    attributes: attributes.into(),
                }
            }
            Some(P::ConnectionProperties(properties)) if properties.source_ip => Source::CallerAddress,
            Some(P::QueryParameter(parameter)) => Source::QueryParameter(parameter.name.into()),
            _ => return Err(Bad::new("policy_specifier", "is missing or not supported")),
        };
        Ok(Self { source, terminal })
    }
}

impl Affinity {
    /// Goes through the policies in order.
    pub fn of(policies: &[HashPolicy], input: &HashInput<'_>) -> Self {
        let mut found = Self::default();
        for policy in policies {
            if let Some(hash) = found.evaluate(&policy.source, input) {
                found.hash = Some(found.hash.map_or(hash, |before| before.rotate_left(1) ^ hash));
            }
            if policy.terminal && found.hash.is_some() {
                break;
            }
        }
        found
    }

    fn evaluate(&mut self, source: &Source, input: &HashInput<'_>) -> Option<u64> {
        match source {
            Source::Header(name) => {
                let mut values: Vec<&[u8]> =
                    input.head.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
                values.sort_unstable();
                match values[..] {
                    [] => None,
                    [one] => Some(xx(one, 0)),
                    _ => Some(xx(&values.concat(), 0)),
                }
            }
            Source::QueryParameter(name) => input.head.query_parameter(name).map(|value| xx(value.as_bytes(), 0)),
            Source::CallerAddress => Some(xx(input.source.to_string().as_bytes(), 0)),
            Source::Cookie { name, ttl, path, attributes } => match (input.head.cookie(name), ttl) {
                (Some(value), _) if !value.is_empty() => Some(xx(value.as_bytes(), 0)),
                (_, None) => None,
                (_, Some(ttl)) => {
                    let value = format!("{:016x}", input.random);
                    let mut cookie = format!("{name}=\"{value}\"");
                    if !ttl.is_zero() {
                        write!(cookie, "; Max-Age={}", ttl.as_secs()).ok()?;
                    }
                    if !path.is_empty() {
                        write!(cookie, "; Path={path}").ok()?;
                    }
                    cookie.push_str(attributes);
                    cookie.push_str("; HttpOnly");
                    self.cookie = HeaderValue::from_str(&cookie).ok();
                    Some(xx(value.as_bytes(), 0))
                }
            },
        }
    }
}
