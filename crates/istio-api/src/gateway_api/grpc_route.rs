//! GRPCRoute: where gRPC calls go.

use super::{
    Group, HeaderModifier, Host, KindName, LocalRef, Name, NamedMatch, NamespaceName, ParentRef, RequestMirror,
    TextMatchType,
};
use crate::declare::{message, names};

message! {
    /// Routing rules for gRPC.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#grpcroute>
    #[derive(Eq)]
    pub struct GrpcRoute {
        /// What it is attached to.
        #[schemars(length(max = 32))]
        pub parent_refs: Vec<ParentRef>,
        /// Hosts that calls are for; those of the listener when empty.
        #[schemars(length(max = 16))]
        pub hostnames: Vec<Host>,
        /// Its rules.
        #[schemars(length(max = 16))]
        pub rules: Vec<GrpcRule>,
    }

    /// Which calls, and what happens to them.
    ///
    /// <https://gateway-api.sigs.k8s.io/reference/spec/#grpcrouterule>
    #[derive(Eq)]
    pub struct GrpcRule {
        /// Any of them; every call when empty.
        #[schemars(length(max = 8))]
        pub matches: Vec<GrpcMatch>,
        /// What happens on the way.
        #[schemars(length(max = 16))]
        pub filters: Vec<GrpcFilter>,
        /// Where they go.
        #[schemars(length(max = 16))]
        pub backend_refs: Vec<GrpcBackendRef>,
    }

    /// Conditions that all hold.
    #[derive(Eq)]
    pub struct GrpcMatch {
        /// The method; every one when absent.
        pub method: Option<GrpcMethodMatch>,
        /// Headers.
        #[schemars(length(max = 16))]
        #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
        pub headers: Vec<NamedMatch>,
    }

    /// What is asked of the method.
    #[derive(Eq)]
    pub struct GrpcMethodMatch {
        /// How both are compared.
        pub r#type: TextMatchType,
        /// The service; every one when absent.
        #[schemars(length(max = 1024))]
        pub service: String,
        /// The method; every one when absent.
        #[schemars(length(max = 1024))]
        pub method: String,
    }

    /// What happens to calls; the field that `type` names is set.
    #[derive(Eq)]
    #[schemars(extend("required" = ["type"]))]
    pub struct GrpcFilter {
        /// Which.
        pub r#type: GrpcFilterType,
        /// Changes of the request's headers.
        pub request_header_modifier: Option<HeaderModifier>,
        /// Changes of the response's headers.
        pub response_header_modifier: Option<HeaderModifier>,
        /// A copy of the call.
        pub request_mirror: Option<RequestMirror>,
        /// Something that only single implementations know.
        pub extension_ref: Option<LocalRef>,
    }

    /// Where calls go, their share, and what happens to them on the way there.
    #[derive(Eq)]
    #[schemars(extend("required" = ["name"]))]
    pub struct GrpcBackendRef {
        /// Its API group; the core group when absent.
        pub group: Group,
        /// Its kind; `Service` when absent.
        pub kind: KindName,
        /// Its name.
        pub name: Name,
        /// Its namespace; the route's own when absent.
        pub namespace: NamespaceName,
        /// Its port; a Service needs one.
        #[schemars(range(min = 1, max = 65535))]
        pub port: Option<i32>,
        /// Its share of the sum of all; 1 when absent.
        #[schemars(range(min = 0, max = 1_000_000))]
        pub weight: Option<i32>,
        /// What happens on the way there.
        #[schemars(length(max = 16))]
        pub filters: Vec<GrpcFilter>,
    }
}

names! {
    /// What a filter of a GRPCRoute does.
    pub enum GrpcFilterType {
        /// Changes headers of the request.
        RequestHeaderModifier = 0 "RequestHeaderModifier",
        /// Changes headers of the response.
        ResponseHeaderModifier = 1 "ResponseHeaderModifier",
        /// Copies the call.
        RequestMirror = 2 "RequestMirror",
        /// What only single implementations know.
        ExtensionRef = 3 "ExtensionRef",
    }
}
