//! Which requests and connections a route is for.

use std::{collections::BTreeMap, sync::Arc};

use ipnet::IpNet;
use mesh_types::{Hostname, Labels};

use super::{
    super::{PortNumber, StringMatch},
    GatewayRef,
};

/// Conditions that all hold.
///
/// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPMatchRequest>
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HttpMatch {
    /// Part of the name that `%ROUTE_NAME%` shows; may be empty.
    pub name: String,
    /// The path.
    pub uri: Option<StringMatch>,
    /// `http` or `https`.
    pub scheme: Option<StringMatch>,
    /// Such as `GET`.
    pub method: Option<StringMatch>,
    /// The host that was asked for.
    pub authority: Option<StringMatch>,
    /// Headers that are there, by name in lower case.
    pub headers: BTreeMap<String, FieldMatch>,
    /// Headers that are not there, or not so.
    pub without_headers: BTreeMap<String, FieldMatch>,
    /// Parameters of the query.
    pub query_params: BTreeMap<String, FieldMatch>,
    /// Claims of a verified token; gateways only.
    pub claims: Vec<ClaimMatch>,
    /// Of [`Self::uri`] when it is exact or a prefix.
    pub ignore_uri_case: bool,
    /// [`Self::uri`] is a prefix of whole segments: `/foo` takes `/foo/bar`, not `/foobar`. It ends in no slash.
    pub by_segment: bool,
    /// The port of the listener that took the request.
    pub port: Option<PortNumber>,
    /// Who asks. When its gateways are listed they alone decide (Istio's rule for HTTP).
    pub source: SourceMatch,
    /// Names of statistics of this route; may be empty.
    pub stat_prefix: String,
}

impl HttpMatch {
    /// Whether every request that reaches the route is meant, as far as the request itself tells.
    pub fn takes_every_request(&self) -> bool {
        let anything = match &self.uri {
            None => true,
            Some(StringMatch::Prefix(p)) => p == "/",
            Some(StringMatch::Regex(r)) => r.as_str() == "*" || r.as_str() == ".*",
            Some(StringMatch::Exact(_)) => false,
        };
        let parts = [&self.scheme, &self.method, &self.authority];
        anything
            && parts.iter().all(|p| p.is_none())
            && self.headers.is_empty()
            && self.without_headers.is_empty()
            && self.query_params.is_empty()
            && self.claims.is_empty()
    }
}

/// What is asked of a header or parameter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FieldMatch {
    /// It is there.
    Present,
    /// Its value is so.
    Value(StringMatch),
}

/// What is asked of a claim of a JSON web token.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClaimMatch {
    /// `@request.auth.claims[a][b]` is `a`, `b`.
    pub path: Vec<String>,
    /// The claim must not be so (`withoutHeaders`).
    pub inverted: bool,
    /// What is asked.
    pub value: FieldMatch,
}

/// What is known of a client before its first byte; the control plane decides it for each proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SourceMatch {
    /// Labels that the client has.
    pub labels: Labels,
    /// The client's namespace.
    pub namespace: Option<Arc<str>>,
    /// Proxies that it applies to. Empty: those of the VirtualService.
    pub gateways: Vec<GatewayRef>,
}

/// Conditions on a connection that all hold.
///
/// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#L4MatchAttributes>
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct L4Match {
    /// The address that was dialled lies in one of them. Empty: anywhere.
    pub destination_subnets: Vec<IpNet>,
    /// The port that was dialled.
    pub port: Option<PortNumber>,
    /// Who asks.
    pub source: SourceMatch,
}

/// Conditions on a TLS connection that all hold.
///
/// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#TLSMatchAttributes>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsMatch {
    /// The server name is one of them; never empty.
    pub sni_hosts: Vec<Hostname>,
    /// Of the connection.
    pub l4: L4Match,
}
