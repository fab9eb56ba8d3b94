//! Which HTTP a cluster speaks.

use mesh_model::config::{H2Upgrade, HttpPool, MeshConfig, TcpPool};
use mesh_types::Protocol;

use crate::{
    pb::{
        core::{Http1ProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions as Common},
        upstream_http::{
            HttpProtocolOptions,
            http_protocol_options::{
                ExplicitHttpConfig, UpstreamProtocolOptions, UseDownstreamHttpConfig,
                explicit_http_config::ProtocolConfig,
            },
        },
    },
    wire::{duration, number},
};

/// The version of HTTP towards the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Upstream {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
    /// What the client spoke.
    OfClient,
    /// Not HTTP.
    None,
}

impl Upstream {
    /// By the port's protocol and the destination's policy.
    pub(super) fn choose(protocol: Protocol, pool: Option<&HttpPool>, mesh: &MeshConfig) -> Self {
        if protocol.is_http2() {
            return Self::Http2;
        }
        if protocol == Protocol::Auto {
            return Self::OfClient;
        }
        if !protocol.is_http() {
            return Self::None;
        }
        if pool.is_some_and(|p| p.use_client_protocol) {
            return Self::OfClient;
        }
        // Only plain HTTP is upgraded: gRPC-Web is HTTP/1.1 by nature.
        let upgrade = pool.and_then(|p| p.h2_upgrade).unwrap_or(mesh.h2_upgrade);
        if protocol == Protocol::Http && upgrade == H2Upgrade::Always { Self::Http2 } else { Self::Http1 }
    }

    /// Towards the workload itself: HTTP/2 stays HTTP/2, HTTP/1.1 is all that plain HTTP ports are sure to speak.
    pub(super) fn choose_inbound(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Auto => Self::OfClient,
            p if p.is_http2() => Self::Http2,
            p if p.is_http() => Self::Http1,
            _ => Self::None,
        }
    }

    /// Settings that say no more than the version.
    pub(super) fn explicit(self) -> HttpProtocolOptions {
        let h1 = ExplicitHttpConfig {
            protocol_config: Some(ProtocolConfig::HttpProtocolOptions(Http1ProtocolOptions::default())),
        };
        self.options(None, None).unwrap_or(HttpProtocolOptions {
            upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(h1)),
            ..Default::default()
        })
    }

    /// The settings; `None` when they would say nothing.
    pub(super) fn options(self, http: Option<&HttpPool>, tcp: Option<&TcpPool>) -> Option<HttpProtocolOptions> {
        let common = Common {
            idle_timeout: http.and_then(|p| p.idle_timeout).map(duration),
            max_requests_per_connection: http.and_then(|p| p.max_requests_per_connection).and_then(|n| number(n.get())),
            max_connection_duration: tcp.and_then(|p| p.max_connection_duration).map(duration),
            ..Default::default()
        };
        let common = (common != Common::default()).then_some(common);
        let h1 = Http1ProtocolOptions::default();
        let h2 = Http2ProtocolOptions {
            max_concurrent_streams: http.and_then(|p| p.max_concurrent_streams).and_then(|n| number(n.get())),
            ..Default::default()
        };
        let explicit =
            |config| UpstreamProtocolOptions::ExplicitHttpConfig(ExplicitHttpConfig { protocol_config: Some(config) });
        let upstream = match self {
            Self::Http2 => explicit(ProtocolConfig::Http2ProtocolOptions(h2)),
            Self::OfClient => UpstreamProtocolOptions::UseDownstreamProtocolConfig(UseDownstreamHttpConfig {
                http_protocol_options: Some(h1),
                http2_protocol_options: Some(h2),
                ..Default::default()
            }),
            Self::Http1 | Self::None => {
                common.as_ref()?;
                explicit(ProtocolConfig::HttpProtocolOptions(h1))
            }
        };
        Some(HttpProtocolOptions {
            common_http_protocol_options: common,
            upstream_protocol_options: Some(upstream),
            ..Default::default()
        })
    }
}
