//! Access logs.

use super::Struct;
use crate::declare::message;

message! {
    /// An access log in a file.
    ///
    /// <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig-ExtensionProvider-EnvoyFileAccessLogProvider>
    pub struct EnvoyFileAccessLogProvider {
        /// The file; `/dev/stdout` when empty.
        pub path: String,
        /// The format; the default one when absent.
        pub log_format: Option<LogFormat>,
    }

    /// The format of an access log. In a file's, at most one field is set; OpenTelemetry's may have both.
    pub struct LogFormat {
        /// A line of text with Envoy's commands.
        pub text: Option<String>,
        /// JSON, whose values may hold Envoy's commands.
        pub labels: Option<Struct>,
    }

    /// An access log of HTTP, by gRPC.
    ///
    /// <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig-ExtensionProvider-EnvoyHttpGrpcV3LogProvider>
    pub struct EnvoyHttpAlsProvider {
        /// The service: `namespace/host` or host.
        pub service: String,
        /// Its port.
        pub port: u32,
        /// The log's name; `http_envoy_accesslog` when empty.
        pub log_name: String,
        /// Filter state that is logged too.
        pub filter_state_objects_to_log: Vec<String>,
        /// Request headers that are logged too.
        pub additional_request_headers_to_log: Vec<String>,
        /// Response headers that are logged too.
        pub additional_response_headers_to_log: Vec<String>,
        /// Response trailers that are logged too.
        pub additional_response_trailers_to_log: Vec<String>,
    }

    /// An access log of TCP, by gRPC.
    ///
    /// <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig-ExtensionProvider-EnvoyTcpGrpcV3LogProvider>
    pub struct EnvoyTcpAlsProvider {
        /// The service: `namespace/host` or host.
        pub service: String,
        /// Its port.
        pub port: u32,
        /// The log's name; `tcp_envoy_accesslog` when empty.
        pub log_name: String,
        /// Filter state that is logged too.
        pub filter_state_objects_to_log: Vec<String>,
    }

    /// An access log by OpenTelemetry.
    ///
    /// <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig-ExtensionProvider-EnvoyOpenTelemetryLogProvider>
    pub struct EnvoyOtelAlsProvider {
        /// The service: `namespace/host` or host.
        pub service: String,
        /// Its port.
        pub port: u32,
        /// The log's name; `otel_envoy_accesslog` when empty.
        pub log_name: String,
        /// Body and attributes of an entry.
        pub log_format: Option<LogFormat>,
    }
}
