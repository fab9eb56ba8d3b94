//! Clusters: where a proxy may send.
//!
//! ```text
//!   outbound|9080||reviews.default.svc.cluster.local     one per service port, and one per subset of it
//!   inbound|9080||                                       one per port of the workload itself
//!   PassthroughCluster  BlackHoleCluster  InboundPassthroughCluster
//! ```

mod inbound;
mod outbound;
mod policy;
mod protocol;
mod tls;

use std::collections::HashSet;

use mesh_model::push_context::PushContext;
use mesh_types::NodeKind;

use crate::{
    built::Built,
    context::Context,
    pb::{
        self,
        cluster::{Cluster, cluster},
    },
    view::ProxyView,
    wire::duration,
};

/// Every cluster of a proxy, in a stable order; names are unique.
pub fn clusters(view: &ProxyView, push: &PushContext) -> Vec<Built> {
    messages(view, push).iter().map(Built::cluster).collect()
}

pub(crate) fn messages(view: &ProxyView, push: &PushContext) -> Vec<Cluster> {
    let context = Context::new(view, push);
    let mut all = outbound::clusters(&context);
    all.push(inbound::black_hole(&context));
    if view.kind == NodeKind::Sidecar {
        all.push(inbound::passthrough(&context));
        all.extend(inbound::clusters(&context));
    }
    let mut seen = HashSet::new();
    all.retain(|cluster| seen.insert(cluster.name.clone()));
    all
}

/// A cluster with what all clusters have.
fn cluster_of(context: &Context<'_>, name: &str, kind: cluster::DiscoveryType) -> Cluster {
    Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(cluster::ClusterDiscoveryType::Type(kind as i32)),
        connect_timeout: Some(duration(context.mesh().connect_timeout)),
        lb_policy: match kind {
            cluster::DiscoveryType::OriginalDst => cluster::LbPolicy::ClusterProvided as i32,
            _ => cluster::LbPolicy::LeastRequest as i32,
        },
        circuit_breakers: Some(policy::breakers(None)),
        ..Default::default()
    }
}

/// Adds HTTP settings under the name that Envoy looks them up by.
fn set_http(cluster: &mut Cluster, options: &pb::upstream_http::HttpProtocolOptions) {
    let key = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions".to_owned();
    cluster.typed_extension_protocol_options.insert(key, crate::wire::any(options));
}
