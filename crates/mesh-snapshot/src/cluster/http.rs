//! How HTTP is spoken to a cluster.

use std::time::Duration;

use mesh_proto::envoy::envoy::{
    config::{cluster::v3 as pb, core::v3 as core},
    extensions::upstreams::http::v3 as options,
};

use crate::{
    refusal::{At, Bad},
    take::{ensure, limit, nothing_left, number, typed},
};

/// Options of HTTP connections to a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HttpOptions {
    /// Which version.
    pub protocol: UpstreamProtocol,
    /// How long a connection may wait for its next request (1 h); none is without limit.
    pub idle_timeout: Option<Duration>,
    /// How many requests one connection carries.
    pub max_requests: Option<u32>,
    /// How old a connection may become.
    pub max_age: Option<Duration>,
    /// How many streams one HTTP/2 connection carries at once.
    pub max_streams: Option<u32>,
    /// Whether TLS calls the server by the host of the request.
    pub names_server: bool,
    /// Whether its certificate has to have that name.
    pub checks_server: bool,
}

/// Which version of HTTP is spoken to a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 without TLS, by prior knowledge.
    Http2,
    /// The version in which the request came.
    Downstream,
}

const OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

impl HttpOptions {
    pub(crate) fn parse(message: &mut pb::Cluster) -> Result<Self, Bad> {
        let mut found = Self {
            protocol: UpstreamProtocol::Http1,
            idle_timeout: Some(Duration::from_secs(3600)),
            max_requests: None,
            max_age: None,
            max_streams: None,
            names_server: false,
            checks_server: false,
        };
        for (key, any) in std::mem::take(&mut message.typed_extension_protocol_options) {
            ensure(key == OPTIONS, &format!("typed_extension_protocol_options[{key}]"), "is not supported")?;
            let options: options::HttpProtocolOptions = typed(&any).at("typed_extension_protocol_options")?;
            found.read(options).at(&format!("typed_extension_protocol_options[{key}]"))?;
        }
        if let Some(http2) = message.http2_protocol_options.take() {
            found.protocol = UpstreamProtocol::Http2;
            found.read_http2(http2).at("http2_protocol_options")?;
        }
        Ok(found)
    }

    fn read(&mut self, mut message: options::HttpProtocolOptions) -> Result<(), Bad> {
        use options::http_protocol_options::{UpstreamProtocolOptions as U, explicit_http_config::ProtocolConfig as P};
        if let Some(mut common) = message.common_http_protocol_options.take() {
            if let Some(idle) = common.idle_timeout.take() {
                self.idle_timeout = limit(Some(idle)).at("common_http_protocol_options.idle_timeout")?;
            }
            let age = limit(common.max_connection_duration.take());
            self.max_age = age.at("common_http_protocol_options.max_connection_duration")?;
            self.max_requests = number(common.max_requests_per_connection.take()).filter(|n| *n != 0);
            nothing_left(&common).at("common_http_protocol_options")?;
        }
        if let Some(mut names) = message.upstream_http_protocol_options.take() {
            self.names_server = std::mem::take(&mut names.auto_sni);
            self.checks_server = std::mem::take(&mut names.auto_san_validation);
            nothing_left(&names).at("upstream_http_protocol_options")?;
            let fits = self.names_server || !self.checks_server;
            ensure(fits, "upstream_http_protocol_options.auto_san_validation", "is not supported without `auto_sni`")?;
        }
        let (protocol, http1, http2) = match message.upstream_protocol_options.take() {
            Some(U::ExplicitHttpConfig(config)) => match config.protocol_config {
                Some(P::HttpProtocolOptions(http1)) => (UpstreamProtocol::Http1, Some(http1), None),
                Some(P::Http2ProtocolOptions(http2)) => (UpstreamProtocol::Http2, None, Some(http2)),
                _ => return Err(Bad::new("explicit_http_config", "names no supported protocol")),
            },
            Some(U::UseDownstreamProtocolConfig(mut config)) => {
                let parts = (config.http_protocol_options.take(), config.http2_protocol_options.take());
                nothing_left(&config).at("use_downstream_protocol_config")?;
                (UpstreamProtocol::Downstream, parts.0, parts.1)
            }
            Some(U::AutoConfig(_)) => return Err(Bad::new("auto_config", "is not supported")),
            None => return Err(Bad::new("upstream_protocol_options", "is missing")),
        };
        self.protocol = protocol;
        if let Some(http1) = http1 {
            self.read_http1(http1).at("http_protocol_options")?;
        }
        if let Some(http2) = http2 {
            self.read_http2(http2).at("http2_protocol_options")?;
        }
        nothing_left(&message)
    }

    fn read_http1(&mut self, mut message: core::Http1ProtocolOptions) -> Result<(), Bad> {
        // Trailers are always passed on.
        message.enable_trailers = false;
        // The case of header names is kept wherever it can be.
        message.header_key_format = None;
        nothing_left(&message)
    }

    fn read_http2(&mut self, mut message: core::Http2ProtocolOptions) -> Result<(), Bad> {
        self.max_streams = number(message.max_concurrent_streams.take());
        // Sizes of buffers, which the proxy chooses by itself.
        message.initial_stream_window_size = None;
        message.initial_connection_window_size = None;
        nothing_left(&message)
    }
}
