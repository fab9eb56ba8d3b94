//! EnvoyFilter: changes of what Envoy is told.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{
    common::{PolicyTargetReference, WorkloadSelector},
    declare::{message, names},
};

message! {
    /// Changes of what Envoy is told.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/envoy-filter/>
    pub struct EnvoyFilter {
        /// The workloads that it is for. Not together with `targetRefs`.
        pub workload_selector: Option<WorkloadSelector>,
        /// The objects that it is attached to.
        #[schemars(length(max = 16))]
        pub target_refs: Vec<PolicyTargetReference>,
        /// The changes, in order.
        pub config_patches: Vec<EnvoyConfigObjectPatch>,
        /// Its place among others; the lowest is applied first.
        pub priority: i32,
    }

    /// A change.
    pub struct EnvoyConfigObjectPatch {
        /// What is changed.
        pub apply_to: EnvoyApplyTo,
        /// Which of them.
        pub r#match: Option<EnvoyConfigObjectMatch>,
        /// How.
        pub patch: Option<EnvoyPatch>,
    }

    /// Which objects; at most one of `listener`, `routeConfiguration` and `cluster` is set.
    pub struct EnvoyConfigObjectMatch {
        /// In which part of a proxy.
        pub context: EnvoyPatchContext,
        /// In which proxies.
        pub proxy: Option<EnvoyProxyMatch>,
        /// In which listeners.
        pub listener: Option<EnvoyListenerMatch>,
        /// In which route tables.
        pub route_configuration: Option<EnvoyRouteConfigurationMatch>,
        /// Which clusters.
        pub cluster: Option<EnvoyClusterMatch>,
    }

    /// Proxies.
    pub struct EnvoyProxyMatch {
        /// An expression for their version.
        pub proxy_version: String,
        /// Metadata of their node.
        pub metadata: BTreeMap<String, String>,
    }

    /// Clusters.
    pub struct EnvoyClusterMatch {
        /// Their port.
        pub port_number: u32,
        /// Their service.
        pub service: String,
        /// Their subset.
        pub subset: String,
        /// Their name.
        pub name: String,
    }

    /// Route tables.
    pub struct EnvoyRouteConfigurationMatch {
        /// Their port.
        pub port_number: u32,
        /// Their port's name.
        pub port_name: String,
        /// Their Gateway, `namespace/name`.
        pub gateway: String,
        /// Which virtual hosts of them.
        pub vhost: Option<EnvoyVirtualHostMatch>,
        /// Their name.
        pub name: String,
    }

    /// Virtual hosts.
    pub struct EnvoyVirtualHostMatch {
        /// Their name.
        pub name: String,
        /// One of their domains.
        pub domain_name: String,
        /// Which routes of them.
        pub route: Option<EnvoyRouteMatch>,
    }

    /// Routes.
    pub struct EnvoyRouteMatch {
        /// Their name.
        pub name: String,
        /// What they do.
        pub action: EnvoyRouteAction,
    }

    /// Listeners.
    pub struct EnvoyListenerMatch {
        /// Their port.
        pub port_number: u32,
        /// Their port's name; not used.
        pub port_name: String,
        /// Which filter chains of them.
        pub filter_chain: Option<EnvoyFilterChainMatch>,
        /// Which listener filter of them.
        pub listener_filter: String,
        /// Their name.
        pub name: String,
    }

    /// Filter chains.
    pub struct EnvoyFilterChainMatch {
        /// Their name.
        pub name: String,
        /// Their server name.
        pub sni: String,
        /// Their transport: `raw_buffer` or `tls`.
        pub transport_protocol: String,
        /// Their ALPN names, with commas.
        pub application_protocols: String,
        /// Which filter of them.
        pub filter: Option<EnvoyFilterMatch>,
        /// Their destination port.
        pub destination_port: u32,
    }

    /// A network filter.
    pub struct EnvoyFilterMatch {
        /// Its name.
        pub name: String,
        /// Which HTTP filter in it.
        pub sub_filter: Option<EnvoySubFilterMatch>,
    }

    /// An HTTP filter.
    pub struct EnvoySubFilterMatch {
        /// Its name.
        pub name: String,
    }

    /// How an object is changed.
    pub struct EnvoyPatch {
        /// What is done.
        pub operation: EnvoyPatchOperation,
        /// With what: JSON of Envoy's own types.
        pub value: Option<BTreeMap<String, Value>>,
        /// Where an added filter stands.
        pub filter_class: EnvoyFilterClass,
    }
}

names! {
    /// What is changed.
    pub enum EnvoyApplyTo {
        /// Nothing.
        Invalid = 0 "INVALID",
        /// Listeners.
        Listener = 1 "LISTENER",
        /// Filter chains.
        FilterChain = 2 "FILTER_CHAIN",
        /// Network filters.
        NetworkFilter = 3 "NETWORK_FILTER",
        /// HTTP filters.
        HttpFilter = 4 "HTTP_FILTER",
        /// Route tables.
        RouteConfiguration = 5 "ROUTE_CONFIGURATION",
        /// Virtual hosts.
        VirtualHost = 6 "VIRTUAL_HOST",
        /// Routes.
        HttpRoute = 7 "HTTP_ROUTE",
        /// Clusters.
        Cluster = 8 "CLUSTER",
        /// Configuration of extensions.
        ExtensionConfig = 9 "EXTENSION_CONFIG",
        /// The start file.
        Bootstrap = 10 "BOOTSTRAP",
        /// Listener filters.
        ListenerFilter = 11 "LISTENER_FILTER",
    }

    /// Parts of a proxy.
    pub enum EnvoyPatchContext {
        /// All.
        Any = 0 "ANY",
        /// What comes in to a sidecar.
        SidecarInbound = 1 "SIDECAR_INBOUND",
        /// What goes out of a sidecar.
        SidecarOutbound = 2 "SIDECAR_OUTBOUND",
        /// Gateways.
        Gateway = 3 "GATEWAY",
    }

    /// What a route does.
    pub enum EnvoyRouteAction {
        /// Anything.
        Any = 0 "ANY",
        /// It forwards.
        Route = 1 "ROUTE",
        /// It sends the client elsewhere.
        Redirect = 2 "REDIRECT",
        /// It answers.
        DirectResponse = 3 "DIRECT_RESPONSE",
    }

    /// What is done to an object.
    pub enum EnvoyPatchOperation {
        /// Nothing.
        Invalid = 0 "INVALID",
        /// The value is merged into it.
        Merge = 1 "MERGE",
        /// The value is added.
        Add = 2 "ADD",
        /// It is removed.
        Remove = 3 "REMOVE",
        /// The value is put before it.
        InsertBefore = 4 "INSERT_BEFORE",
        /// The value is put after it.
        InsertAfter = 5 "INSERT_AFTER",
        /// The value is put before all.
        InsertFirst = 6 "INSERT_FIRST",
        /// The value takes its place.
        Replace = 7 "REPLACE",
    }

    /// Where an added filter stands.
    pub enum EnvoyFilterClass {
        /// By its operation alone.
        Unspecified = 0 "UNSPECIFIED",
        /// After authentication.
        Authn = 1 "AUTHN",
        /// After authorization.
        Authz = 2 "AUTHZ",
        /// Before statistics.
        Stats = 3 "STATS",
    }
}
