//! WorkloadGroup: what workloads outside Kubernetes have in common, so that they can register themselves.

use std::collections::BTreeMap;

use crate::{declare::message, workload_entry::WorkloadEntry};

message! {
    /// A template of WorkloadEntries.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/workload-group/>
    #[schemars(extend("required" = ["template"]))]
    pub struct WorkloadGroup {
        /// Labels and annotations of the entries.
        pub metadata: Option<WorkloadGroupMetadata>,
        /// The entries themselves; an entry's address comes with its registration.
        pub template: Option<WorkloadEntry>,
        /// How such a workload is probed.
        pub probe: Option<ReadinessProbe>,
    }

    /// Labels and annotations of the entries.
    pub struct WorkloadGroupMetadata {
        /// Labels.
        #[schemars(extend("maxProperties" = 256))]
        pub labels: BTreeMap<String, String>,
        /// Annotations.
        #[schemars(extend("maxProperties" = 256))]
        pub annotations: BTreeMap<String, String>,
    }

    /// How a workload is probed; one of `httpGet`, `tcpSocket`, `exec` and `grpc` is set.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/workload-group/#ReadinessProbe>
    pub struct ReadinessProbe {
        /// Seconds before the first probe.
        #[schemars(range(min = 0))]
        pub initial_delay_seconds: i32,
        /// Seconds that an answer may take; 1 when zero.
        #[schemars(range(min = 0))]
        pub timeout_seconds: i32,
        /// Seconds between probes; 10 when zero.
        #[schemars(range(min = 0))]
        pub period_seconds: i32,
        /// So many good answers in a row make it ready again; 1 when zero.
        #[schemars(range(min = 0))]
        pub success_threshold: i32,
        /// So many bad answers in a row make it not ready; 3 when zero.
        #[schemars(range(min = 0))]
        pub failure_threshold: i32,
        /// An HTTP request is answered with 200 to 399.
        pub http_get: Option<HttpHealthCheck>,
        /// A TCP connection is taken.
        pub tcp_socket: Option<TcpHealthCheck>,
        /// A command ends with 0.
        pub exec: Option<ExecHealthCheck>,
        /// The gRPC health service says that it serves.
        pub grpc: Option<GrpcHealthCheck>,
    }

    /// An HTTP request.
    #[schemars(extend("required" = ["port"]))]
    pub struct HttpHealthCheck {
        /// Its path.
        pub path: String,
        /// Its port.
        pub port: u32,
        /// Its host; the workload's own address when empty.
        pub host: String,
        /// `HTTP` (also when empty) or `HTTPS`.
        pub scheme: String,
        /// Its headers.
        pub http_headers: Vec<HttpHealthCheckHeader>,
    }

    /// A header.
    pub struct HttpHealthCheckHeader {
        /// Its name.
        #[schemars(regex(pattern = "^[-_A-Za-z0-9]+$"))]
        pub name: String,
        /// Its value.
        pub value: String,
    }

    /// A TCP connection.
    #[schemars(extend("required" = ["port"]))]
    pub struct TcpHealthCheck {
        /// Its host; the workload's own address when empty.
        pub host: String,
        /// Its port.
        pub port: u32,
    }

    /// A command.
    #[schemars(extend("required" = ["command"]))]
    pub struct ExecHealthCheck {
        /// The program and its arguments; no shell.
        #[schemars(inner(length(min = 1)))]
        pub command: Vec<String>,
    }

    /// gRPC's health service.
    pub struct GrpcHealthCheck {
        /// Its port.
        pub port: u32,
        /// The service that is asked for.
        pub service: String,
    }
}
