//! Sidecar: what the proxies beside workloads take in and can reach.

use crate::{
    common::{Destination, WorkloadSelector},
    declare::{message, names},
    gateway::ServerTlsSettings,
    traffic_policy::ConnectionPoolSettings,
};

message! {
    /// The listeners of sidecars, and the part of the mesh that they know.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/sidecar/>
    pub struct Sidecar {
        /// The workloads of this namespace that it is for; all when absent.
        pub workload_selector: Option<WorkloadSelector>,
        /// What comes in. Empty: as the workload's services say.
        pub ingress: Vec<IstioIngressListener>,
        /// What goes out. Empty: everything that the namespace sees.
        pub egress: Vec<IstioEgressListener>,
        /// Limits of connections that come in.
        pub inbound_connection_pool: Option<ConnectionPoolSettings>,
        /// What happens to traffic for hosts that the mesh does not know; as the mesh says when absent.
        pub outbound_traffic_policy: Option<OutboundTrafficPolicy>,
    }

    /// A port for what comes in.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/sidecar/#IstioIngressListener>
    #[schemars(extend("required" = ["port"]))]
    pub struct IstioIngressListener {
        /// The port.
        pub port: Option<SidecarPort>,
        /// The address that is opened.
        pub bind: String,
        /// How traffic gets to the port.
        pub capture_mode: CaptureMode,
        /// Where it goes: `127.0.0.1:PORT`, `[::1]:PORT`, `0.0.0.0:PORT`, `[::]:PORT` or `unix:///path`.
        pub default_endpoint: String,
        /// TLS of clients that are not of the mesh.
        pub tls: Option<ServerTlsSettings>,
        /// Limits of connections to this port.
        pub connection_pool: Option<ConnectionPoolSettings>,
    }

    /// Hosts that can be reached, at one port or at all.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/sidecar/#IstioEgressListener>
    #[schemars(extend("required" = ["hosts"]))]
    pub struct IstioEgressListener {
        /// The port; every port of the hosts when absent, and then this entry must be the last.
        pub port: Option<SidecarPort>,
        /// The address or `unix://` path that is opened.
        pub bind: String,
        /// How traffic gets to the port.
        pub capture_mode: CaptureMode,
        /// Hosts, as `namespace/name`: the namespace may be `*`, `.` or `~` (none), the name `*` or `*.` and a name.
        pub hosts: Vec<String>,
    }

    /// A port of a sidecar.
    pub struct SidecarPort {
        /// The port's number, 1 to 65535.
        pub number: u32,
        /// HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP or TLS.
        pub protocol: String,
        /// The port's name.
        pub name: String,
        /// Must not be set here.
        pub target_port: u32,
    }

    /// What happens to traffic for hosts that the mesh does not know.
    pub struct OutboundTrafficPolicy {
        /// Whether it is let through.
        pub mode: OutboundTrafficPolicyMode,
        /// It is sent to this service instead.
        pub egress_proxy: Option<Destination>,
    }
}

names! {
    /// Whether traffic for unknown hosts is let through.
    pub enum OutboundTrafficPolicyMode {
        /// No.
        RegistryOnly = 0 "REGISTRY_ONLY",
        /// Yes.
        AllowAny = 1 "ALLOW_ANY",
    }

    /// How traffic gets to a listener.
    pub enum CaptureMode {
        /// As the proxy is set up.
        Default = 0 "DEFAULT",
        /// By redirection.
        Iptables = 1 "IPTABLES",
        /// By the application itself, which calls the proxy's port.
        None = 2 "NONE",
    }
}
