//! How requests are routed.

mod action;
mod matching;

use std::{collections::BTreeSet, fmt, num::NonZeroU32, sync::Arc, time::Duration};

use mesh_types::Hostname;

pub use self::{
    action::{
        AbortStatus, Cors, Delegate, DirectResponse, Fault, FaultAbort, FaultDelay, HeaderChanges, HeaderOps, Mirror,
        Redirect, RedirectCode, RedirectPort, Retries, RetryPolicy, Rewrite, UnmatchedPreflights, UriRewrite,
    },
    matching::{ClaimMatch, FieldMatch, HttpMatch, L4Match, SourceMatch, TlsMatch},
};
use super::{Destination, ExportTo, Meta, ObjectRef, WeightedDestination};

/// Routes of requests to some hosts.
///
/// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#VirtualService>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct VirtualService {
    /// Complete names. Empty: a delegate, which only other VirtualServices bring to life.
    pub hosts: Vec<Hostname>,
    /// Where it applies; never empty, `[Mesh]` when nothing was said. Of no meaning for a delegate.
    pub gateways: Vec<GatewayRef>,
    /// Tried in this order; the index is the index in `spec.http`.
    pub http: Vec<HttpRoute>,
    /// Tried in this order; the index is the index in `spec.tls`.
    pub tls: Vec<TlsRoute>,
    /// Tried in this order; the index is the index in `spec.tcp`.
    pub tcp: Vec<TcpRoute>,
    /// Absent: the mesh's default.
    pub export_to: Option<ExportTo>,
}

impl VirtualService {
    /// Whether it applies to sidecars.
    pub fn binds_mesh(&self) -> bool {
        self.gateways.contains(&GatewayRef::Mesh)
    }

    /// Where it applies, each place once.
    pub fn places(&self) -> BTreeSet<&GatewayRef> {
        self.gateways.iter().collect()
    }

    /// Whether it lives only through VirtualServices that delegate to it.
    pub fn is_delegate(&self) -> bool {
        self.hosts.is_empty()
    }
}

/// Where routes apply.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum GatewayRef {
    /// `mesh`: every sidecar.
    Mesh,
    /// A Gateway.
    Gateway {
        /// Its namespace; the VirtualService's own when none was written.
        namespace: Arc<str>,
        /// Its name.
        name: Arc<str>,
    },
}

impl GatewayRef {
    /// Names a Gateway.
    pub fn to(meta: &Meta) -> Self {
        Self::Gateway { namespace: Arc::clone(&meta.namespace), name: Arc::clone(&meta.name) }
    }
}

/// As users write it, complete: `mesh`, `NAMESPACE/NAME`.
impl fmt::Display for GatewayRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mesh => f.write_str("mesh"),
            Self::Gateway { namespace, name } => write!(f, "{namespace}/{name}"),
        }
    }
}

/// Where a route was written, for explanations.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// The VirtualService, HTTPRoute or GRPCRoute.
    pub object: ObjectRef,
    /// The index in its `spec.http`, or `spec.rules`.
    pub index: usize,
}

impl Origin {
    /// Such as `spec.http[1]`.
    pub fn path(&self) -> String {
        let list = if self.object.kind.is_gateway_api() { "rules" } else { "http" };
        format!("spec.{list}[{}]", self.index)
    }
}

/// Which requests, and what happens to them.
///
/// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRoute>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpRoute {
    /// Where it was written; of a merged route, in the delegate.
    pub origin: Origin,
    /// Part of the name that `%ROUTE_NAME%` shows; may be empty.
    pub name: String,
    /// Any of them. Empty: every request.
    pub matches: Vec<HttpMatch>,
    /// What happens.
    pub action: RouteAction,
    /// Of path and authority before forwarding.
    pub rewrite: Option<Rewrite>,
    /// Of the whole response. Absent: none, which is not Envoy's default.
    pub timeout: Option<Duration>,
    /// Absent: the mesh's default policy (two retries).
    pub retries: Option<Retries>,
    /// Delays and errors on purpose.
    pub fault: Option<Fault>,
    /// Copies go there.
    pub mirrors: Vec<Mirror>,
    /// Cross-origin rules.
    pub cors: Option<Cors>,
    /// Of request and response.
    pub headers: HeaderChanges,
}

/// What a route does: exactly one of these.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RouteAction {
    /// Send to one of these, by weight; never empty.
    Forward(Vec<HttpDestination>),
    /// Answer with another address.
    Redirect(Redirect),
    /// Answer at once.
    DirectResponse(DirectResponse),
    /// Ask the routes of another VirtualService.
    Delegate(Delegate),
}

/// A destination of HTTP requests. Destinations of weight 0 are gone, a destination that stands alone has weight 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HttpDestination {
    /// Where to.
    pub destination: Destination,
    /// Its part of the sum of all weights.
    pub weight: NonZeroU32,
    /// Made when this destination was chosen.
    pub headers: HeaderChanges,
}

/// TLS connections that are routed by server name, unopened.
///
/// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#TLSRoute>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TlsRoute {
    /// Any of them; never empty.
    pub matches: Vec<TlsMatch>,
    /// Never empty.
    pub route: Vec<WeightedDestination>,
}

/// Connections of opaque bytes.
///
/// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#TCPRoute>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TcpRoute {
    /// Any of them. Empty: every connection.
    pub matches: Vec<L4Match>,
    /// Never empty.
    pub route: Vec<WeightedDestination>,
}
