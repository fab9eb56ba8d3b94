//! VirtualService: where requests for a host go.
//!
//! <https://istio.io/latest/docs/reference/config/networking/virtual-service/>

use std::collections::BTreeMap;

use crate::{
    common::{Destination, Headers, Percent, StringMatch},
    declare::message,
    duration::Duration,
};

mod http;

pub use http::{
    CorsPolicy, Delegate, FaultAbort, FaultDelay, HttpBody, HttpDirectResponse, HttpFaultInjection, HttpMirrorPolicy,
    HttpRedirect, HttpRetry, HttpRewrite, RedirectPortSelection, RegexRewrite, UnmatchedPreflights,
};

message! {
    /// Routing rules for hosts. The first rule that matches is the one that counts.
    pub struct VirtualService {
        /// The hosts that clients address: names, `*.` names, or addresses for TCP. Empty in a delegate only.
        pub hosts: Vec<String>,
        /// Where the rules apply: `namespace/name` of Gateways, `mesh` for every sidecar. Empty means `mesh`.
        pub gateways: Vec<String>,
        /// Rules for HTTP, HTTP/2 and gRPC, in order.
        pub http: Vec<HttpRoute>,
        /// Rules for TLS that is passed through unopened, in order.
        pub tls: Vec<TlsRoute>,
        /// Rules for every other TCP port, in order.
        pub tcp: Vec<TcpRoute>,
        /// The namespaces that see this object: `.` its own, `*` (also when empty) all.
        pub export_to: Vec<String>,
    }

    /// One rule: which requests, and what happens to them. Exactly one of `route`, `redirect`, `directResponse` and
    /// `delegate` says where they go.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRoute>
    pub struct HttpRoute {
        /// Shown in access logs, together with the name of the match.
        pub name: String,
        /// The rule applies when one of these matches; empty: always.
        pub r#match: Vec<HttpMatchRequest>,
        /// Destinations with their shares.
        pub route: Vec<HttpRouteDestination>,
        /// The client is sent elsewhere.
        pub redirect: Option<HttpRedirect>,
        /// The answer is given here.
        pub direct_response: Option<HttpDirectResponse>,
        /// Another VirtualService holds the rules.
        pub delegate: Option<Delegate>,
        /// Path and host are changed before the request is sent on.
        pub rewrite: Option<HttpRewrite>,
        /// How long the whole request may take, retries included; no limit when absent or zero.
        pub timeout: Option<Duration>,
        /// When a failed request is tried again; the mesh's own policy when absent.
        pub retries: Option<HttpRetry>,
        /// Failures made on purpose.
        pub fault: Option<HttpFaultInjection>,
        /// A copy of the request goes here, and its answer is dropped.
        pub mirror: Option<Destination>,
        /// Several copies; not together with `mirror`.
        pub mirrors: Vec<HttpMirrorPolicy>,
        /// Older form of `mirrorPercentage`, in whole percent.
        #[serde(alias = "mirror_percent")]
        #[schemars(extend("nullable" = true))]
        pub mirror_percent: Option<u32>,
        /// The share of requests that `mirror` copies; all when absent.
        pub mirror_percentage: Option<Percent>,
        /// Which other sites' pages may use the service.
        pub cors_policy: Option<CorsPolicy>,
        /// Changes of headers.
        pub headers: Option<Headers>,
    }

    /// Which requests: every field that is set must hold.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPMatchRequest>
    pub struct HttpMatchRequest {
        /// Added to the rule's name in access logs.
        pub name: String,
        /// The path, without the query.
        pub uri: Option<StringMatch>,
        /// The URI's scheme.
        pub scheme: Option<StringMatch>,
        /// The method.
        pub method: Option<StringMatch>,
        /// The host that was asked for.
        pub authority: Option<StringMatch>,
        /// Headers by lower-case name; an empty match asks for presence.
        pub headers: BTreeMap<String, StringMatch>,
        /// The port of the listener that took the request.
        pub port: u32,
        /// The client workload carries these labels. Not looked at when `gateways` is set.
        pub source_labels: BTreeMap<String, String>,
        /// Where the rule applies, instead of the VirtualService's own list.
        pub gateways: Vec<String>,
        /// Query parameters by name; an empty match asks for presence.
        pub query_params: BTreeMap<String, StringMatch>,
        /// `uri` is compared without regard to case (exact and prefix).
        pub ignore_uri_case: bool,
        /// None of these headers matches.
        pub without_headers: BTreeMap<String, StringMatch>,
        /// The client workload is in this namespace.
        pub source_namespace: String,
        /// Statistics of the rule are kept under this name.
        pub stat_prefix: String,
    }

    /// A destination, its share, and changes of headers for it alone.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRouteDestination>
    #[schemars(extend("required" = ["destination"]))]
    pub struct HttpRouteDestination {
        /// The service.
        pub destination: Option<Destination>,
        /// Its share is this divided by the sum of all. A single destination gets everything.
        pub weight: i32,
        /// Changes of headers.
        pub headers: Option<Headers>,
    }

    /// One rule for TLS connections, by the server name they ask for.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#TLSRoute>
    #[schemars(extend("required" = ["match"]))]
    pub struct TlsRoute {
        /// The rule applies when one of these matches.
        pub r#match: Vec<TlsMatchAttributes>,
        /// Destinations with their shares.
        pub route: Vec<RouteDestination>,
    }

    /// Which TLS connections: every field that is set must hold.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#TLSMatchAttributes>
    #[schemars(extend("required" = ["sniHosts"]))]
    pub struct TlsMatchAttributes {
        /// Server names that clients ask for; each must be covered by the VirtualService's `hosts`.
        pub sni_hosts: Vec<String>,
        /// The address that the client called is in one of these.
        pub destination_subnets: Vec<String>,
        /// The port of the listener.
        pub port: u32,
        /// The client workload carries these labels.
        pub source_labels: BTreeMap<String, String>,
        /// Where the rule applies, instead of the VirtualService's own list.
        pub gateways: Vec<String>,
        /// The client workload is in this namespace.
        pub source_namespace: String,
    }

    /// One rule for TCP connections.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#TCPRoute>
    pub struct TcpRoute {
        /// The rule applies when one of these matches; empty: always.
        pub r#match: Vec<L4MatchAttributes>,
        /// Destinations with their shares.
        pub route: Vec<RouteDestination>,
    }

    /// Which TCP connections: every field that is set must hold.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#L4MatchAttributes>
    pub struct L4MatchAttributes {
        /// The address that the client called is in one of these.
        pub destination_subnets: Vec<String>,
        /// The port of the listener.
        pub port: u32,
        /// The client's address is in this one.
        pub source_subnet: String,
        /// The client workload carries these labels.
        pub source_labels: BTreeMap<String, String>,
        /// Where the rule applies, instead of the VirtualService's own list.
        pub gateways: Vec<String>,
        /// The client workload is in this namespace.
        pub source_namespace: String,
    }

    /// A destination of connections, and its share.
    #[schemars(extend("required" = ["destination"]))]
    pub struct RouteDestination {
        /// The service.
        pub destination: Option<Destination>,
        /// Its share is this divided by the sum of all. A single destination gets everything.
        pub weight: i32,
    }
}
