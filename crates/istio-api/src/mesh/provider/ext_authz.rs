//! External authorizers.

use std::collections::BTreeMap;

use crate::{declare::message, duration::Duration};

message! {
    /// An authorizer that is asked by HTTP.
    ///
    /// <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig-ExtensionProvider-EnvoyExternalAuthorizationHttpProvider>
    pub struct EnvoyExtAuthzHttpProvider {
        /// The service: `namespace/host` or host.
        pub service: String,
        /// Its port.
        pub port: u32,
        /// How long an answer may take; 600 s when absent.
        pub timeout: Option<Duration>,
        /// Put before the request's path.
        pub path_prefix: String,
        /// Requests pass when the authorizer fails.
        pub fail_open: bool,
        /// The route is chosen anew after the answer.
        pub clear_route_cache: bool,
        /// The status when the authorizer fails; 403 when empty.
        pub status_on_error: String,
        /// Older form of `includeRequestHeadersInCheck`.
        pub include_headers_in_check: Vec<String>,
        /// Headers of the request that the authorizer sees; `*` before or after a part of a name.
        pub include_request_headers_in_check: Vec<String>,
        /// Headers that it sees besides.
        pub include_additional_headers_in_check: BTreeMap<String, String>,
        /// How much of the body it sees; none when absent.
        pub include_request_body_in_check: Option<ExtAuthzRequestBody>,
        /// Headers of its answer that the service gets when it allows.
        pub headers_to_upstream_on_allow: Vec<String>,
        /// Headers of its answer that the client gets when it denies.
        pub headers_to_downstream_on_deny: Vec<String>,
        /// Headers of its answer that the client gets when it allows.
        pub headers_to_downstream_on_allow: Vec<String>,
    }

    /// An authorizer that is asked by gRPC.
    ///
    /// <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig-ExtensionProvider-EnvoyExternalAuthorizationGrpcProvider>
    pub struct EnvoyExtAuthzGrpcProvider {
        /// The service: `namespace/host` or host.
        pub service: String,
        /// Its port.
        pub port: u32,
        /// How long an answer may take; 600 s when absent.
        pub timeout: Option<Duration>,
        /// Requests pass when the authorizer fails.
        pub fail_open: bool,
        /// The route is chosen anew after the answer.
        pub clear_route_cache: bool,
        /// The status when the authorizer fails; 403 when empty.
        pub status_on_error: String,
        /// How much of the body it sees; none when absent.
        pub include_request_body_in_check: Option<ExtAuthzRequestBody>,
    }

    /// How much of the body an authorizer sees.
    pub struct ExtAuthzRequestBody {
        /// Most bytes.
        pub max_request_bytes: u32,
        /// A longer body is cut off; otherwise it is refused with 413.
        pub allow_partial_message: bool,
        /// It is sent as bytes instead of UTF-8.
        pub pack_as_bytes: bool,
    }
}
