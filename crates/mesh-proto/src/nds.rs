//! The name table of the DNS proxy.
//!
//! <https://github.com/istio/istio/blob/master/pkg/dns/proto/nds.proto>

use std::collections::BTreeMap;

/// Every name that the proxy answers itself.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NameTable {
    /// By host name.
    #[prost(btree_map = "string, message", tag = "1")]
    pub table: BTreeMap<String, NameInfo>,
}

/// One name.
#[derive(Clone, PartialEq, prost::Message)]
pub struct NameInfo {
    /// Addresses.
    #[prost(string, repeated, tag = "1")]
    pub ips: Vec<String>,
    /// `Kubernetes` or `External`.
    #[prost(string, tag = "2")]
    pub registry: String,
    /// The service's name within its namespace, for Kubernetes.
    #[prost(string, tag = "3")]
    pub shortname: String,
    /// The service's namespace, for Kubernetes.
    #[prost(string, tag = "4")]
    pub namespace: String,
}

impl prost::Name for NameTable {
    const NAME: &'static str = "NameTable";
    const PACKAGE: &'static str = "istio.networking.nds.v1";
}
