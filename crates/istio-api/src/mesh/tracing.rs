//! Tracing as ProxyConfig sets it (Telemetry and extension providers are the newer way).

use std::collections::BTreeMap;

use crate::{
    declare::{message, names},
    traffic_policy::ClientTlsSettings,
};

message! {
    /// Where spans are sent and what they carry. At most one tracer is set.
    ///
    /// <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/#Tracing>
    pub struct Tracing {
        /// Tracer: Zipkin.
        pub zipkin: Option<ZipkinTracer>,
        /// Tracer: Lightstep.
        pub lightstep: Option<LightstepTracer>,
        /// Tracer: Datadog.
        pub datadog: Option<DatadogTracer>,
        /// Tracer: Stackdriver.
        pub stackdriver: Option<StackdriverTracer>,
        /// Tracer: OpenCensus.
        pub open_census_agent: Option<OpenCensusTracer>,
        /// Tags of every span, by name.
        pub custom_tags: BTreeMap<String, CustomTag>,
        /// The longest path that the tag `http.url` shows; 256 when zero.
        pub max_path_tag_length: u32,
        /// The share of requests that are traced, in percent; 1 in the mesh's own defaults.
        pub sampling: Option<f64>,
        /// TLS towards the tracer.
        pub tls_settings: Option<ClientTlsSettings>,
        /// Whether spans carry the mesh's own tags; yes when absent.
        pub enable_istio_tags: Option<bool>,
    }

    /// Zipkin.
    pub struct ZipkinTracer {
        /// Its `host:port`.
        pub address: String,
    }

    /// Lightstep.
    pub struct LightstepTracer {
        /// Its `host:port`.
        pub address: String,
        /// The token.
        pub access_token: String,
    }

    /// Datadog.
    pub struct DatadogTracer {
        /// Its `host:port`.
        pub address: String,
    }

    /// Stackdriver.
    pub struct StackdriverTracer {
        /// Spans are printed too.
        pub debug: bool,
        /// Most attributes of a span.
        pub max_number_of_attributes: Option<i64>,
        /// Most annotations of a span.
        pub max_number_of_annotations: Option<i64>,
        /// Most events of a span.
        pub max_number_of_message_events: Option<i64>,
    }

    /// OpenCensus.
    pub struct OpenCensusTracer {
        /// Its `host:port`.
        pub address: String,
        /// The headers that carry the trace.
        pub context: Vec<TraceContext>,
    }

    /// Where a tag's value comes from; one field is set.
    pub struct CustomTag {
        /// A fixed value.
        pub literal: Option<LiteralTag>,
        /// The proxy's environment.
        pub environment: Option<EnvironmentTag>,
        /// A header of the request.
        pub header: Option<HeaderTag>,
    }

    /// A fixed value.
    pub struct LiteralTag {
        /// The value.
        pub value: String,
    }

    /// A variable of the proxy's environment.
    pub struct EnvironmentTag {
        /// The variable.
        pub name: String,
        /// The value when it is not set.
        pub default_value: String,
    }

    /// A header of the request.
    pub struct HeaderTag {
        /// The header.
        pub name: String,
        /// The value when it is not there.
        pub default_value: String,
    }
}

names! {
    /// Headers that carry a trace.
    pub enum TraceContext {
        /// None is said.
        Unspecified = 0 "UNSPECIFIED",
        /// `traceparent`.
        W3c = 1 "W3C_TRACE_CONTEXT",
        /// `grpc-trace-bin`.
        GrpcBin = 2 "GRPC_BIN",
        /// `X-Cloud-Trace-Context`.
        Cloud = 3 "CLOUD_TRACE_CONTEXT",
        /// `X-B3-*`.
        B3 = 4 "B3",
    }
}
