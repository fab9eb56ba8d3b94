//! What a port speaks.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The protocol of a port as Istio selects it.
///
/// <https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    /// HTTP/1.1, or what a client negotiates.
    Http,
    /// HTTP/2.
    Http2,
    /// gRPC.
    Grpc,
    /// gRPC-Web.
    GrpcWeb,
    /// Opaque bytes.
    Tcp,
    /// TLS that is not ours to open, routed by SNI.
    Tls,
    /// HTTP in TLS that is not ours to open; a gateway may terminate it.
    Https,
    /// MongoDB: opaque bytes, server speaks first.
    Mongo,
    /// MySQL: opaque bytes, server speaks first.
    MySql,
    /// Redis: opaque bytes.
    Redis,
    /// Not handled by proxies.
    Udp,
    /// To be found out from the first bytes.
    Auto,
}

impl Protocol {
    /// Ports that are opaque bytes when nothing else is said, because a server speaks first there.
    const WELL_KNOWN_TCP: [u16; 4] = [25, 53, 3306, 27017];

    /// A word of a Gateway's or ServiceEntry's `protocol`, in any case.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "http" => Self::Http,
            "http2" => Self::Http2,
            "grpc" => Self::Grpc,
            "grpc-web" => Self::GrpcWeb,
            "tcp" => Self::Tcp,
            "tls" => Self::Tls,
            "https" => Self::Https,
            "mongo" => Self::Mongo,
            "mysql" => Self::MySql,
            "redis" => Self::Redis,
            "udp" => Self::Udp,
            _ => return None,
        })
    }

    /// Of a Kubernetes service port: by its transport, `appProtocol`, the first word of its name, its number.
    pub fn of_service_port(transport: &str, app_protocol: Option<&str>, name: &str, number: u16) -> Self {
        if transport == "UDP" {
            return Self::Udp;
        }
        let word = app_protocol.unwrap_or(name);
        let by_kubernetes = match app_protocol {
            Some("kubernetes.io/h2c") => Some(Self::Http2),
            Some("kubernetes.io/ws") => Some(Self::Http),
            Some("kubernetes.io/wss") => Some(Self::Https),
            _ => None,
        };
        let by_word = || {
            let word = word.to_ascii_lowercase();
            if word.starts_with("grpc-web") {
                return Some(Self::GrpcWeb);
            }
            Self::parse(word.split('-').next().unwrap_or_default()).filter(|p| *p != Self::Udp)
        };
        by_kubernetes.or_else(by_word).unwrap_or(if Self::WELL_KNOWN_TCP.contains(&number) {
            Self::Tcp
        } else {
            Self::Auto
        })
    }

    /// Whether requests are seen: HTTP in some version, in the clear.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Http2 | Self::Grpc | Self::GrpcWeb)
    }

    /// Whether the server is spoken to in HTTP/2.
    pub fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Grpc)
    }

    /// Whether it is TLS that the client opened.
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Tls | Self::Https)
    }

    /// Whether it is opaque bytes.
    pub fn is_tcp(self) -> bool {
        matches!(self, Self::Tcp | Self::Mongo | Self::MySql | Self::Redis)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "HTTP",
            Self::Http2 => "HTTP2",
            Self::Grpc => "GRPC",
            Self::GrpcWeb => "GRPC-Web",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::Https => "HTTPS",
            Self::Mongo => "Mongo",
            Self::MySql => "MySQL",
            Self::Redis => "Redis",
            Self::Udp => "UDP",
            Self::Auto => "auto",
        })
    }
}

#[cfg(test)]
mod tests;
