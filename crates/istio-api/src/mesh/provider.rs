//! Extension providers: named services that extend the mesh.
//!
//! <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#MeshConfig-ExtensionProvider>

use std::collections::BTreeMap;

use serde_json::Value;

use super::tracing::TraceContext;
use crate::{declare::message, duration::Duration};

mod ext_authz;
mod log;

pub use ext_authz::{EnvoyExtAuthzGrpcProvider, EnvoyExtAuthzHttpProvider, ExtAuthzRequestBody};
pub use log::{EnvoyFileAccessLogProvider, EnvoyHttpAlsProvider, EnvoyOtelAlsProvider, EnvoyTcpAlsProvider, LogFormat};

/// Free JSON under names, protobuf's `Struct`.
pub(super) type Struct = BTreeMap<String, Value>;

message! {
    /// A named provider; exactly one field besides `name` is set.
    pub struct ExtensionProvider {
        /// The name that policies call it by.
        pub name: String,
        /// Authorizer that is asked by HTTP.
        pub envoy_ext_authz_http: Option<EnvoyExtAuthzHttpProvider>,
        /// Authorizer that is asked by gRPC.
        pub envoy_ext_authz_grpc: Option<EnvoyExtAuthzGrpcProvider>,
        /// Tracer: Zipkin.
        pub zipkin: Option<ZipkinProvider>,
        /// Tracer: Lightstep (old; use `opentelemetry`).
        pub lightstep: Option<LightstepProvider>,
        /// Tracer: Datadog.
        pub datadog: Option<DatadogProvider>,
        /// Traces, metrics and logs: Stackdriver.
        pub stackdriver: Option<StackdriverProvider>,
        /// Tracer: OpenCensus (old; use `opentelemetry`).
        pub opencensus: Option<OpenCensusProvider>,
        /// Tracer: SkyWalking.
        pub skywalking: Option<SkyWalkingProvider>,
        /// Tracer: OpenTelemetry.
        pub opentelemetry: Option<OpenTelemetryProvider>,
        /// Metrics: Prometheus.
        pub prometheus: Option<PrometheusProvider>,
        /// Access log in a file.
        pub envoy_file_access_log: Option<EnvoyFileAccessLogProvider>,
        /// Access log of HTTP, by gRPC.
        pub envoy_http_als: Option<EnvoyHttpAlsProvider>,
        /// Access log of TCP, by gRPC.
        pub envoy_tcp_als: Option<EnvoyTcpAlsProvider>,
        /// Access log by OpenTelemetry.
        pub envoy_otel_als: Option<EnvoyOtelAlsProvider>,
    }

    /// Zipkin.
    pub struct ZipkinProvider {
        /// The service: `namespace/host` or host.
        pub service: String,
        /// Its port.
        pub port: u32,
        /// The longest path that the tag `http.url` shows; 256 when zero.
        pub max_tag_length: u32,
        /// Trace ids have 64 bits instead of 128.
        #[serde(rename = "enable64bitTraceId")]
        pub enable_64bit_trace_id: bool,
        /// The path that spans are posted to; `/api/v2/spans` when empty.
        pub path: String,
    }

    /// Lightstep.
    pub struct LightstepProvider {
        /// The service: `namespace/host` or host.
        pub service: String,
        /// Its port.
        pub port: u32,
        /// The token.
        pub access_token: String,
        /// The longest path that the tag `http.url` shows; 256 when zero.
        pub max_tag_length: u32,
    }

    /// Datadog.
    pub struct DatadogProvider {
        /// The service: `namespace/host` or host.
        pub service: String,
        /// Its port.
        pub port: u32,
        /// The longest path that the tag `http.url` shows; 256 when zero.
        pub max_tag_length: u32,
    }

    /// SkyWalking.
    pub struct SkyWalkingProvider {
        /// The service: `namespace/host` or host.
        pub service: String,
        /// Its port.
        pub port: u32,
        /// The token.
        pub access_token: String,
    }

    /// Stackdriver.
    pub struct StackdriverProvider {
        /// Not used any more.
        pub debug: bool,
        /// Not used any more.
        pub max_number_of_attributes: Option<i64>,
        /// Not used any more.
        pub max_number_of_annotations: Option<i64>,
        /// Not used any more.
        pub max_number_of_message_events: Option<i64>,
        /// The longest path that the tag `http.url` shows; 256 when zero.
        pub max_tag_length: u32,
        /// What its logs carry.
        pub logging: Option<StackdriverLogging>,
    }

    /// What Stackdriver's logs carry.
    pub struct StackdriverLogging {
        /// Labels, whose values are CEL expressions.
        pub labels: BTreeMap<String, String>,
    }

    /// OpenCensus.
    pub struct OpenCensusProvider {
        /// The service: `namespace/host` or host.
        pub service: String,
        /// Its port.
        pub port: u32,
        /// The headers that carry the trace.
        pub context: Vec<TraceContext>,
        /// The longest path that the tag `http.url` shows; 256 when zero.
        pub max_tag_length: u32,
    }

    /// Prometheus; there is nothing to set.
    pub struct PrometheusProvider {}

    /// OpenTelemetry.
    pub struct OpenTelemetryProvider {
        /// The service: `namespace/host` or host.
        pub service: String,
        /// Its port.
        pub port: u32,
        /// The longest path that the tag `http.url` shows; 256 when zero.
        pub max_tag_length: u32,
        /// Spans are sent by HTTP instead of gRPC.
        pub http: Option<HttpService>,
        /// Settings of gRPC.
        pub grpc: Option<GrpcService>,
        /// What is found out about the place that the proxy runs at.
        pub resource_detectors: Option<ResourceDetectors>,
        /// Dynatrace decides which requests are traced.
        pub dynatrace_sampler: Option<DynatraceSampler>,
    }

    /// A service by HTTP.
    pub struct HttpService {
        /// The path.
        pub path: String,
        /// How long an answer may take.
        pub timeout: Option<Duration>,
        /// Headers of the request.
        pub headers: Vec<HttpHeader>,
    }

    /// A service by gRPC.
    pub struct GrpcService {
        /// How long an answer may take.
        pub timeout: Option<Duration>,
        /// Metadata of the call.
        pub initial_metadata: Vec<HttpHeader>,
    }

    /// A header.
    pub struct HttpHeader {
        /// Its name.
        pub name: String,
        /// Its value.
        pub value: String,
    }

    /// What is found out about the place that a proxy runs at.
    pub struct ResourceDetectors {
        /// From the environment variable `OTEL_RESOURCE_ATTRIBUTES`.
        pub environment: Option<ResourceDetector>,
        /// From Dynatrace's files.
        pub dynatrace: Option<ResourceDetector>,
    }

    /// A detector that is on; there is nothing to set.
    pub struct ResourceDetector {}

    /// Dynatrace decides which requests are traced.
    pub struct DynatraceSampler {
        /// The tenant.
        pub tenant: String,
        /// The cluster's id.
        pub cluster_id: i32,
        /// Spans a minute before the first answer; 1000 when zero.
        pub root_spans_per_minute: u32,
        /// Who is asked; the exporter's own service when absent.
        pub http_service: Option<DynatraceApi>,
    }

    /// Dynatrace's API.
    pub struct DynatraceApi {
        /// The service: `namespace/host` or host.
        pub service: String,
        /// Its port.
        pub port: u32,
        /// The request.
        pub http: Option<HttpService>,
    }
}
