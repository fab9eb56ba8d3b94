//! The kinds of the Kubernetes Gateway API, v1.2.1: standard channel, and TLSRoute of the experimental one.
//!
//! <https://gateway-api.sigs.k8s.io/reference/spec/>
//!
//! `Gateway` is a word of two groups: this one is [`gateway_api::Gateway`](Gateway), Istio's is [`crate::Gateway`].

mod filter;
mod gateway;
mod grpc_route;
mod http_route;
mod reference;
mod status;
mod text;
mod tls_route;

pub use filter::{
    Filter, FilterType, Header, HeaderModifier, PathModifier, PathModifierType, RequestMirror, RequestRedirect,
    RouteFilterType, UrlRewrite,
};
pub use gateway::{
    Address, AllowedRoutes, AnnotationValue, Gateway, GatewayClass, GatewayTls, Infrastructure, LabelValue, Listener,
    ListenerTlsMode, NamespaceSelector, NamespacesFrom, Requirement, RouteGroupKind, RouteNamespaces,
};
pub use grpc_route::{GrpcBackendRef, GrpcFilter, GrpcFilterType, GrpcMatch, GrpcMethodMatch, GrpcRoute, GrpcRule};
pub use http_route::{
    HttpBackendRef, HttpMatch, HttpMethod, HttpPathMatch, HttpRoute, HttpRule, NamedMatch, PathMatchType, QueryMatch,
    TextMatchType, Timeouts,
};
pub use reference::{BackendRef, LocalRef, ObjectRef, ParametersRef, ParentRef, ReferenceGrant};
pub use reference::{ReferenceGrantFrom, ReferenceGrantTo, SecretRef};
pub use status::{ClassStatus, Condition, GatewayStatus, ListenerStatus, RouteParentStatus, RouteStatus};
pub use text::{
    AddressType, ControllerName, GoDuration, Group, HeaderName, Host, KindName, LongText, Name, NamespaceName, Path,
    PreciseHost, Protocol, Section,
};
pub use tls_route::{TlsRoute, TlsRule};

/// The API group of all of them.
pub const GROUP: &str = "gateway.networking.k8s.io";
/// The release of the Gateway API that these types say.
pub const BUNDLE_VERSION: &str = "v1.2.1";
