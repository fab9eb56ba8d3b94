//! The table of kinds. Names, versions and columns are those of the definitions of Istio 1.25.1 and Gateway API v1.2.1.

use super::{Column, KindInfo, Version};
use crate::{gateway_api as api, object::Status, shape::Shaped};

const fn version(name: &'static str) -> Version {
    Version { name, storage: false }
}

const fn stored(name: &'static str) -> Version {
    Version { name, storage: true }
}

const fn text(name: &'static str, json_path: &'static str, description: &'static str) -> Column {
    Column { name, r#type: "string", json_path, description, priority: 0 }
}

const AGE: Column = Column {
    name: "Age",
    r#type: "date",
    json_path: ".metadata.creationTimestamp",
    description: "How long ago the object was made",
    priority: 0,
};

/// `v1`, and the two that came before it.
const NETWORKING: &[Version] = &[version("v1"), stored("v1beta1"), version("v1alpha3")];
const SECURITY: &[Version] = &[version("v1"), stored("v1beta1")];

/// What most kinds of a group have in common.
const fn kind(
    group: &'static str,
    categories: &'static [&'static str],
    shape: fn() -> &'static crate::Shape,
) -> KindInfo {
    KindInfo {
        group,
        kind: "",
        plural: "",
        singular: "",
        short_names: &[],
        categories,
        versions: NETWORKING,
        columns: &[],
        spec_required: false,
        shape,
        status: Some(Status::shape),
        namespaced: true,
        annotations: &[],
    }
}

const fn networking(shape: fn() -> &'static crate::Shape) -> KindInfo {
    kind("networking.istio.io", &["istio-io", "networking-istio-io"], shape)
}

const fn security(shape: fn() -> &'static crate::Shape) -> KindInfo {
    KindInfo { versions: SECURITY, ..kind("security.istio.io", &["istio-io", "security-istio-io"], shape) }
}

pub(super) const AUTHORIZATION_POLICY: KindInfo = KindInfo {
    kind: "AuthorizationPolicy",
    plural: "authorizationpolicies",
    singular: "authorizationpolicy",
    short_names: &["ap"],
    columns: &[text("Action", ".spec.action", "What happens to requests that match"), AGE],
    ..security(crate::AuthorizationPolicy::shape)
};

pub(super) const DESTINATION_RULE: KindInfo = KindInfo {
    kind: "DestinationRule",
    plural: "destinationrules",
    singular: "destinationrule",
    short_names: &["dr"],
    columns: &[text("Host", ".spec.host", "The service that it is about"), AGE],
    ..networking(crate::DestinationRule::shape)
};

pub(super) const ENVOY_FILTER: KindInfo = KindInfo {
    kind: "EnvoyFilter",
    plural: "envoyfilters",
    singular: "envoyfilter",
    versions: &[stored("v1alpha3")],
    ..networking(crate::EnvoyFilter::shape)
};

pub(super) const GATEWAY: KindInfo = KindInfo {
    kind: "Gateway",
    plural: "gateways",
    singular: "gateway",
    short_names: &["gw"],
    ..networking(crate::Gateway::shape)
};

pub(super) const PEER_AUTHENTICATION: KindInfo = KindInfo {
    kind: "PeerAuthentication",
    plural: "peerauthentications",
    singular: "peerauthentication",
    short_names: &["pa"],
    columns: &[text("Mode", ".spec.mtls.mode", "Which TLS is taken"), AGE],
    ..security(crate::PeerAuthentication::shape)
};

pub(super) const PROXY_CONFIG: KindInfo = KindInfo {
    kind: "ProxyConfig",
    plural: "proxyconfigs",
    singular: "proxyconfig",
    versions: &[stored("v1beta1")],
    ..networking(crate::ProxyConfig::shape)
};

pub(super) const REQUEST_AUTHENTICATION: KindInfo = KindInfo {
    kind: "RequestAuthentication",
    plural: "requestauthentications",
    singular: "requestauthentication",
    short_names: &["ra"],
    ..security(crate::RequestAuthentication::shape)
};

pub(super) const SERVICE_ENTRY: KindInfo = KindInfo {
    kind: "ServiceEntry",
    plural: "serviceentries",
    singular: "serviceentry",
    short_names: &["se"],
    columns: &[
        text("Hosts", ".spec.hosts", "The service's names"),
        text("Location", ".spec.location", "Whether the service belongs to the mesh"),
        text("Resolution", ".spec.resolution", "How the service's endpoints are found"),
        AGE,
    ],
    spec_required: true,
    ..networking(crate::ServiceEntry::shape)
};

pub(super) const SIDECAR: KindInfo =
    KindInfo { kind: "Sidecar", plural: "sidecars", singular: "sidecar", ..networking(crate::Sidecar::shape) };

pub(super) const TELEMETRY: KindInfo = KindInfo {
    kind: "Telemetry",
    plural: "telemetries",
    singular: "telemetry",
    short_names: &["telemetry"],
    versions: &[version("v1"), stored("v1alpha1")],
    columns: &[AGE],
    ..kind("telemetry.istio.io", &["istio-io", "telemetry-istio-io"], crate::Telemetry::shape)
};

pub(super) const VIRTUAL_SERVICE: KindInfo = KindInfo {
    kind: "VirtualService",
    plural: "virtualservices",
    singular: "virtualservice",
    short_names: &["vs"],
    columns: &[
        text("Gateways", ".spec.gateways", "Where the rules apply"),
        text("Hosts", ".spec.hosts", "The hosts that clients address"),
        AGE,
    ],
    ..networking(crate::VirtualService::shape)
};

pub(super) const WASM_PLUGIN: KindInfo = KindInfo {
    kind: "WasmPlugin",
    plural: "wasmplugins",
    singular: "wasmplugin",
    versions: &[stored("v1alpha1")],
    columns: &[AGE],
    spec_required: true,
    ..kind("extensions.istio.io", &["istio-io", "extensions-istio-io"], crate::WasmPlugin::shape)
};

pub(super) const WORKLOAD_ENTRY: KindInfo = KindInfo {
    kind: "WorkloadEntry",
    plural: "workloadentries",
    singular: "workloadentry",
    short_names: &["we"],
    columns: &[AGE, text("Address", ".spec.address", "The workload's address")],
    spec_required: true,
    ..networking(crate::WorkloadEntry::shape)
};

pub(super) const WORKLOAD_GROUP: KindInfo = KindInfo {
    kind: "WorkloadGroup",
    plural: "workloadgroups",
    singular: "workloadgroup",
    short_names: &["wg"],
    columns: &[AGE],
    spec_required: true,
    ..networking(crate::WorkloadGroup::shape)
};

const STANDARD: &[Version] = &[stored("v1"), version("v1beta1")];

/// A kind of the Gateway API. A real API server takes definitions of this group only with the first annotation.
const fn gateway_api(shape: fn() -> &'static crate::Shape, status: fn() -> &'static crate::Shape) -> KindInfo {
    KindInfo {
        versions: STANDARD,
        spec_required: true,
        status: Some(status),
        annotations: &[
            ("api-approved.kubernetes.io", "https://github.com/kubernetes-sigs/gateway-api/pull/3328"),
            ("gateway.networking.k8s.io/bundle-version", api::BUNDLE_VERSION),
            ("gateway.networking.k8s.io/channel", "standard"),
        ],
        ..kind(api::GROUP, &["gateway-api"], shape)
    }
}

const HOSTNAMES: Column = text("Hostnames", ".spec.hostnames", "The hosts that clients address");

pub(super) const GATEWAY_CLASS: KindInfo = KindInfo {
    kind: "GatewayClass",
    plural: "gatewayclasses",
    singular: "gatewayclass",
    short_names: &["gc"],
    namespaced: false,
    columns: &[
        text("Controller", ".spec.controllerName", "Who acts on it"),
        text("Accepted", r#".status.conditions[?(@.type=="Accepted")].status"#, "Whether its controller takes it"),
        AGE,
        Column { priority: 1, ..text("Description", ".spec.description", "For people") },
    ],
    ..gateway_api(api::GatewayClass::shape, api::ClassStatus::shape)
};

pub(super) const KUBERNETES_GATEWAY: KindInfo = KindInfo {
    kind: "Gateway",
    plural: "gateways",
    singular: "gateway",
    short_names: &["gtw"],
    columns: &[
        text("Class", ".spec.gatewayClassName", "Its GatewayClass"),
        text("Address", ".status.addresses[*].value", "Where it is found"),
        text("Programmed", r#".status.conditions[?(@.type=="Programmed")].status"#, "Whether its proxies serve it"),
        AGE,
    ],
    ..gateway_api(api::Gateway::shape, api::GatewayStatus::shape)
};

pub(super) const HTTP_ROUTE: KindInfo = KindInfo {
    kind: "HTTPRoute",
    plural: "httproutes",
    singular: "httproute",
    columns: &[HOSTNAMES, AGE],
    ..gateway_api(api::HttpRoute::shape, api::RouteStatus::shape)
};

pub(super) const GRPC_ROUTE: KindInfo = KindInfo {
    kind: "GRPCRoute",
    plural: "grpcroutes",
    singular: "grpcroute",
    versions: &[stored("v1")],
    columns: &[HOSTNAMES, AGE],
    spec_required: false,
    ..gateway_api(api::GrpcRoute::shape, api::RouteStatus::shape)
};

pub(super) const TLS_ROUTE: KindInfo = KindInfo {
    kind: "TLSRoute",
    plural: "tlsroutes",
    singular: "tlsroute",
    versions: &[stored("v1alpha2")],
    columns: &[AGE],
    annotations: &[
        ("api-approved.kubernetes.io", "https://github.com/kubernetes-sigs/gateway-api/pull/3328"),
        ("gateway.networking.k8s.io/bundle-version", api::BUNDLE_VERSION),
        ("gateway.networking.k8s.io/channel", "experimental"),
    ],
    ..gateway_api(api::TlsRoute::shape, api::RouteStatus::shape)
};

pub(super) const REFERENCE_GRANT: KindInfo = KindInfo {
    kind: "ReferenceGrant",
    plural: "referencegrants",
    singular: "referencegrant",
    short_names: &["refgrant"],
    versions: &[stored("v1beta1")],
    columns: &[AGE],
    spec_required: false,
    status: None,
    ..gateway_api(api::ReferenceGrant::shape, api::RouteStatus::shape)
};

/// Of each group by name.
pub(super) const KINDS: &[KindInfo] = &[
    AUTHORIZATION_POLICY,
    DESTINATION_RULE,
    ENVOY_FILTER,
    GATEWAY,
    PEER_AUTHENTICATION,
    PROXY_CONFIG,
    REQUEST_AUTHENTICATION,
    SERVICE_ENTRY,
    SIDECAR,
    TELEMETRY,
    VIRTUAL_SERVICE,
    WASM_PLUGIN,
    WORKLOAD_ENTRY,
    WORKLOAD_GROUP,
    KUBERNETES_GATEWAY,
    GATEWAY_CLASS,
    GRPC_ROUTE,
    HTTP_ROUTE,
    REFERENCE_GRANT,
    TLS_ROUTE,
];
