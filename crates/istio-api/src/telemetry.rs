//! Telemetry: traces, metrics and access logs of workloads.

use std::collections::BTreeMap;

use crate::{
    common::{LabelSelector, PolicyTargetReference},
    declare::{message, names},
    duration::Duration,
};

mod tags;

pub use tags::{TracingCustomTag, TracingEnvironmentTag, TracingHeaderTag, TracingLiteralTag};

message! {
    /// What workloads tell about their traffic. The mesh's object, the namespace's and the workload's add up.
    ///
    /// <https://istio.io/latest/docs/reference/config/telemetry/>
    pub struct Telemetry {
        /// The workloads that it is for. Not together with `targetRefs`.
        pub selector: Option<LabelSelector>,
        /// Older form of `targetRefs`.
        pub target_ref: Option<PolicyTargetReference>,
        /// The objects that it is attached to.
        #[schemars(length(max = 16))]
        pub target_refs: Vec<PolicyTargetReference>,
        /// Traces.
        pub tracing: Vec<TelemetryTracing>,
        /// Metrics.
        pub metrics: Vec<TelemetryMetrics>,
        /// Access logs.
        pub access_logging: Vec<TelemetryAccessLogging>,
    }

    /// A provider of MeshConfig.
    #[schemars(extend("required" = ["name"]))]
    pub struct ProviderRef {
        /// Its name.
        #[schemars(length(min = 1))]
        pub name: String,
    }

    /// Which side of the traffic is meant.
    pub struct ModeSelector {
        /// The side.
        pub mode: WorkloadMode,
    }

    /// Traces.
    ///
    /// <https://istio.io/latest/docs/reference/config/telemetry/#Tracing>
    pub struct TelemetryTracing {
        /// Which side of the traffic is meant.
        pub r#match: Option<ModeSelector>,
        /// Who gets them; the mesh's defaults when empty.
        pub providers: Vec<ProviderRef>,
        /// The share of requests that are traced, in percent, where the request does not say it itself.
        #[schemars(range(min = 0.0, max = 100.0), extend("nullable" = true))]
        pub random_sampling_percentage: Option<f64>,
        /// Spans are not sent; headers are passed on all the same.
        #[schemars(extend("nullable" = true))]
        pub disable_span_reporting: Option<bool>,
        /// Tags, by name.
        pub custom_tags: BTreeMap<String, TracingCustomTag>,
        /// Whether the request's id decides about tracing; yes when absent.
        #[schemars(extend("nullable" = true))]
        pub use_request_id_for_trace_sampling: Option<bool>,
        /// Whether spans carry the mesh's own tags; yes when absent.
        #[schemars(extend("nullable" = true))]
        pub enable_istio_tags: Option<bool>,
    }

    /// Metrics.
    ///
    /// <https://istio.io/latest/docs/reference/config/telemetry/#Metrics>
    pub struct TelemetryMetrics {
        /// Who gets them; the mesh's defaults when empty.
        pub providers: Vec<ProviderRef>,
        /// Changes, in order.
        pub overrides: Vec<MetricsOverrides>,
        /// How often metrics of TCP are told; 5 s when absent.
        pub reporting_interval: Option<Duration>,
    }

    /// A change of metrics.
    pub struct MetricsOverrides {
        /// Which metrics; all when absent.
        pub r#match: Option<MetricSelector>,
        /// Whether they are off.
        #[schemars(extend("nullable" = true))]
        pub disabled: Option<bool>,
        /// Changes of tags, by name.
        pub tag_overrides: BTreeMap<String, TagOverride>,
    }

    /// Which metrics; at most one of `metric` and `customMetric` is set.
    pub struct MetricSelector {
        /// One of the mesh's own.
        pub metric: Option<IstioMetric>,
        /// Another, by name.
        #[schemars(length(min = 1))]
        pub custom_metric: Option<String>,
        /// Which side of the traffic is meant.
        pub mode: WorkloadMode,
    }

    /// A change of a tag.
    pub struct TagOverride {
        /// What is done.
        pub operation: TagOverrideOperation,
        /// `UPSERT`: its value, a CEL expression.
        pub value: String,
    }

    /// Access logs.
    ///
    /// <https://istio.io/latest/docs/reference/config/telemetry/#AccessLogging>
    pub struct TelemetryAccessLogging {
        /// Which side of the traffic is meant.
        pub r#match: Option<ModeSelector>,
        /// Who gets them; the mesh's defaults when empty.
        pub providers: Vec<ProviderRef>,
        /// Whether they are off.
        #[schemars(extend("nullable" = true))]
        pub disabled: Option<bool>,
        /// Which requests are logged.
        pub filter: Option<AccessLogFilter>,
    }

    /// Which requests are logged.
    pub struct AccessLogFilter {
        /// A CEL expression that is true for them.
        pub expression: String,
    }
}

names! {
    /// Sides of traffic.
    pub enum WorkloadMode {
        /// Both.
        ClientAndServer = 0 "CLIENT_AND_SERVER",
        /// What the workload sends.
        Client = 1 "CLIENT",
        /// What the workload gets.
        Server = 2 "SERVER",
    }

    /// The mesh's own metrics.
    pub enum IstioMetric {
        /// All of them.
        AllMetrics = 0 "ALL_METRICS",
        /// `istio_requests_total`.
        RequestCount = 1 "REQUEST_COUNT",
        /// `istio_request_duration_milliseconds`.
        RequestDuration = 2 "REQUEST_DURATION",
        /// `istio_request_bytes`.
        RequestSize = 3 "REQUEST_SIZE",
        /// `istio_response_bytes`.
        ResponseSize = 4 "RESPONSE_SIZE",
        /// `istio_tcp_connections_opened_total`.
        TcpOpenedConnections = 5 "TCP_OPENED_CONNECTIONS",
        /// `istio_tcp_connections_closed_total`.
        TcpClosedConnections = 6 "TCP_CLOSED_CONNECTIONS",
        /// `istio_tcp_sent_bytes_total`.
        TcpSentBytes = 7 "TCP_SENT_BYTES",
        /// `istio_tcp_received_bytes_total`.
        TcpReceivedBytes = 8 "TCP_RECEIVED_BYTES",
        /// `istio_request_messages_total`.
        GrpcRequestMessages = 9 "GRPC_REQUEST_MESSAGES",
        /// `istio_response_messages_total`.
        GrpcResponseMessages = 10 "GRPC_RESPONSE_MESSAGES",
    }

    /// What is done to a tag.
    pub enum TagOverrideOperation {
        /// It is set.
        Upsert = 0 "UPSERT",
        /// It is left out.
        Remove = 1 "REMOVE",
    }
}
