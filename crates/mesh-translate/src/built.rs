//! A finished resource.

use mesh_proto::type_url;
use twox_hash::XxHash64;

use crate::{
    canonical::{self, Shape},
    pb,
};

/// A resource as it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Resource name.
    pub name: String,
    /// Of the message in `value`.
    pub type_url: &'static str,
    /// The encoded message: what stands in `Any.value`. The same content always has the same bytes.
    pub value: Vec<u8>,
    /// Hash of `value`, in hexadecimal.
    pub version: String,
}

impl Built {
    fn new(name: &str, type_url: &'static str, message: &impl prost::Message, shape: &Shape) -> Self {
        let mut value = message.encode_to_vec();
        canonical::sort_maps(&mut value, shape);
        let version = format!("{:016x}", XxHash64::oneshot(0, &value));
        Self { name: name.to_owned(), type_url, value, version }
    }

    pub(crate) fn cluster(message: &pb::cluster::Cluster) -> Self {
        Self::new(&message.name, type_url::CLUSTER, message, &canonical::CLUSTER)
    }

    pub(crate) fn endpoints(message: &pb::endpoint::ClusterLoadAssignment) -> Self {
        Self::new(&message.cluster_name, type_url::ENDPOINT, message, &canonical::ASSIGNMENT)
    }

    pub(crate) fn listener(message: &pb::listener::Listener) -> Self {
        Self::new(&message.name, type_url::LISTENER, message, &canonical::LISTENER)
    }

    pub(crate) fn name_table(name: &str, message: &mesh_proto::nds::NameTable) -> Self {
        Self::new(name, type_url::NAME_TABLE, message, &canonical::SORTED)
    }

    /// Secrets hold no maps.
    pub(crate) fn secret(message: &pb::tls::Secret) -> Self {
        Self::new(&message.name, type_url::SECRET, message, &canonical::SORTED)
    }

    pub(crate) fn routes(message: &pb::route::RouteConfiguration) -> Self {
        Self::new(&message.name, type_url::ROUTE, message, &canonical::ROUTES)
    }
}

/// A message under its type URL, its maps sorted.
pub(crate) fn any_sorted<M: prost::Name>(message: &M, shape: &Shape) -> pb::Any {
    let mut any = mesh_proto::pack(message);
    canonical::sort_maps(&mut any.value, shape);
    any
}
