//! The HTTP connection manager: how requests are read from a connection, and what is added to them.

mod edge;

use std::{sync::Arc, time::Duration};

use http::HeaderValue;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3 as pb;

pub use self::edge::{Client, ClientCertHeader, Edge};
use crate::{
    log::AccessLog,
    path::{EscapedSlashes, PathForm},
    refusal::{At, Bad},
    route::RouteTable,
    take::{duration, ensure, flag, limit, nothing_left, number, type_name},
};

/// A validated HTTP connection manager.
#[derive(Debug)]
pub struct HttpManager {
    /// The name that its statistics stand under.
    pub stat_prefix: Arc<str>,
    /// Where its routes come from.
    pub routes: RouteSource,
    /// Which versions are read.
    pub codec: Codec,
    /// The value of `server` in responses.
    pub server_name: HeaderValue,
    /// What becomes of an upstream's own `server`.
    pub server_header: ServerHeader,
    /// The most that the headers of a request may take, in KiB.
    pub max_headers_kb: u32,
    /// How much is believed of what a request says of its client.
    pub edge: Edge,
    /// In which form paths are matched and passed on.
    pub path_form: PathForm,
    /// Whether a request without `x-request-id` gets one.
    pub request_id: bool,
    /// What becomes of `x-forwarded-client-cert`.
    pub client_cert: ClientCertHeader,
    /// Kinds of upgrades that are passed through, in lower case (`websocket`).
    pub upgrades: Vec<Box<str>>,
    /// Whether HTTP/1.0 is answered; 426 if not.
    pub http10: bool,
    /// How long a connection may wait for its next request (1 h); none is for ever.
    pub idle_timeout: Option<Duration>,
    /// How long a stream may be silent (5 min); none is for ever.
    pub stream_idle_timeout: Option<Duration>,
    /// How long all of a request may take to arrive; none is for ever.
    pub request_timeout: Option<Duration>,
    /// How old a connection may become.
    pub max_age: Option<Duration>,
    /// How many streams a connection may carry at once.
    pub max_streams: Option<u32>,
    /// Whether faults are injected.
    pub faults: bool,
    /// Whether cross-origin policies are heard.
    pub cors: bool,
    /// Whether callers may speak gRPC-Web.
    pub grpc_web: bool,
    /// Where requests are logged.
    pub access_log: Vec<AccessLog>,
}

/// Where routes come from.
#[derive(Clone, Debug)]
pub enum RouteSource {
    /// By name (RDS).
    Named(Arc<str>),
    /// They stand in the listener.
    Inline(Arc<RouteTable>),
}

/// Which versions of HTTP are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// The one that the first bytes show.
    Auto,
    /// HTTP/1 only.
    Http1,
    /// HTTP/2 only.
    Http2,
}

/// What becomes of `server` in a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerHeader {
    /// Ours replaces it.
    Overwrite,
    /// Ours is added where there is none.
    AppendIfAbsent,
    /// It stays as it is.
    PassThrough,
}

impl HttpManager {
    pub(crate) fn parse(mut message: pb::HttpConnectionManager) -> Result<Self, Bad> {
        let mut manager = Self {
            stat_prefix: std::mem::take(&mut message.stat_prefix).into(),
            routes: RouteSource::parse(message.route_specifier.take())?,
            codec: Codec::parse(std::mem::take(&mut message.codec_type))?,
            server_name: parse_server_name(&std::mem::take(&mut message.server_name))?,
            server_header: ServerHeader::parse(std::mem::take(&mut message.server_header_transformation))?,
            max_headers_kb: number(message.max_request_headers_kb.take()).unwrap_or(60),
            edge: Edge::parse(&mut message)?,
            path_form: parse_path_form(&mut message)?,
            request_id: flag(message.generate_request_id.take()).unwrap_or(true),
            client_cert: ClientCertHeader::parse(&mut message)?,
            upgrades: parse_upgrades(std::mem::take(&mut message.upgrade_configs))?,
            http10: false,
            idle_timeout: Some(Duration::from_secs(3600)),
            stream_idle_timeout: Some(
                duration(message.stream_idle_timeout.take())
                    .at("stream_idle_timeout")?
                    .unwrap_or(Duration::from_secs(300)),
            )
            .filter(|t| !t.is_zero()),
            request_timeout: limit(message.request_timeout.take()).at("request_timeout")?,
            max_age: None,
            max_streams: None,
            faults: false,
            cors: false,
            grpc_web: false,
            access_log: AccessLog::parse_all(std::mem::take(&mut message.access_log))?,
        };
        manager.read_filters(std::mem::take(&mut message.http_filters))?;
        manager.read_options(&mut message)?;
        refuse_unknown(message)?;
        Ok(manager)
    }

    fn read_filters(&mut self, filters: Vec<pb::HttpFilter>) -> Result<(), Bad> {
        let mut router = false;
        for (i, filter) in filters.into_iter().enumerate() {
            ensure(!router, "", "stands behind the router").at_index("http_filters", i)?;
            router = self.read_filter(&filter).at_index("http_filters", i)?;
        }
        ensure(router, "http_filters", "has no router")
    }

    /// Whether the filter is the router.
    fn read_filter(&mut self, filter: &pb::HttpFilter) -> Result<bool, Bad> {
        ensure(!filter.disabled, "disabled", "is not supported")?;
        let Some(pb::http_filter::ConfigType::TypedConfig(any)) = &filter.config_type else {
            return Err(Bad::new("typed_config", "is missing"));
        };
        match type_name(any) {
            "envoy.extensions.filters.http.router.v3.Router" => return Ok(true),
            "envoy.extensions.filters.http.fault.v3.HTTPFault" => self.faults = true,
            "envoy.extensions.filters.http.cors.v3.Cors" => self.cors = true,
            "envoy.extensions.filters.http.grpc_web.v3.GrpcWeb" => self.grpc_web = true,
            // What these do, this proxy does without being asked: metrics of gRPC, Istio's metrics, the exchange of
            // peers, protocols in TLS (there is none), names of clusters that go where they are asked to.
            "envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig"
            | "envoy.extensions.filters.http.grpc_stats.v3.FilterConfig"
            | "stats.PluginConfig"
            | "io.istio.http.peer_metadata.Config"
            | "istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig" => {}
            other => return Err(Bad::new("typed_config", format!("`{other}` is not supported"))),
        }
        Ok(false)
    }

    fn read_options(&mut self, message: &mut pb::HttpConnectionManager) -> Result<(), Bad> {
        if let Some(mut common) = message.common_http_protocol_options.take() {
            if let Some(idle) = common.idle_timeout.take() {
                self.idle_timeout = limit(Some(idle)).at("common_http_protocol_options.idle_timeout")?;
            }
            let age = limit(common.max_connection_duration.take());
            self.max_age = age.at("common_http_protocol_options.max_connection_duration")?;
            nothing_left(&common).at("common_http_protocol_options")?;
        }
        if let Some(mut http1) = message.http_protocol_options.take() {
            self.http10 = std::mem::take(&mut http1.accept_http_10);
            // Trailers are always passed on; the case of header names is kept wherever it can be.
            http1.enable_trailers = false;
            http1.header_key_format = None;
            nothing_left(&http1).at("http_protocol_options")?;
        }
        if let Some(mut http2) = message.http2_protocol_options.take() {
            self.max_streams = number(http2.max_concurrent_streams.take());
            // Sizes of buffers, which the proxy chooses by itself.
            http2.initial_stream_window_size = None;
            http2.initial_connection_window_size = None;
            nothing_left(&http2).at("http2_protocol_options")?;
        }
        Ok(())
    }
}

fn parse_server_name(name: &str) -> Result<HeaderValue, Bad> {
    let name = if name.is_empty() { "envoy" } else { name };
    HeaderValue::from_str(name).map_err(|_| Bad::new("server_name", "is no value of a header"))
}

fn parse_upgrades(configs: Vec<pb::http_connection_manager::UpgradeConfig>) -> Result<Vec<Box<str>>, Bad> {
    let mut kinds = Vec::new();
    for (i, mut config) in configs.into_iter().enumerate() {
        let kind = std::mem::take(&mut config.upgrade_type).to_ascii_lowercase();
        let enabled = flag(config.enabled.take()).unwrap_or(true);
        nothing_left(&config).at_index("upgrade_configs", i)?;
        ensure(kind != "connect", "upgrade_type", "CONNECT is not supported").at_index("upgrade_configs", i)?;
        if enabled {
            kinds.push(kind.into());
        }
    }
    Ok(kinds)
}

fn parse_path_form(message: &mut pb::HttpConnectionManager) -> Result<PathForm, Bad> {
    use pb::http_connection_manager::PathWithEscapedSlashesAction as P;
    let escaped_slashes = match P::try_from(std::mem::take(&mut message.path_with_escaped_slashes_action)) {
        Ok(P::ImplementationSpecificDefault | P::KeepUnchanged) => EscapedSlashes::Keep,
        Ok(P::RejectRequest) => EscapedSlashes::Reject,
        Ok(P::UnescapeAndRedirect) => EscapedSlashes::Redirect,
        Ok(P::UnescapeAndForward) => EscapedSlashes::Undo,
        Err(_) => return Err(Bad::new("path_with_escaped_slashes_action", "is unknown")),
    };
    Ok(PathForm {
        normalize: flag(message.normalize_path.take()).unwrap_or(false),
        merge_slashes: std::mem::take(&mut message.merge_slashes),
        escaped_slashes,
    })
}

fn refuse_unknown(mut message: pb::HttpConnectionManager) -> Result<(), Bad> {
    // Spans: without a provider nobody would receive them.
    if message.tracing.as_ref().is_some_and(|tracing| tracing.provider.is_none()) {
        message.tracing = None;
    }
    // `Expect: 100-continue` is answered by the proxy itself in any case; with this, Envoy would leave it to the upstream.
    message.proxy_100_continue = false;
    // How long a connection lives on after its last response is the proxy's own choice.
    message.delayed_close_timeout = None;
    nothing_left(&message)
}

impl RouteSource {
    fn parse(specifier: Option<pb::http_connection_manager::RouteSpecifier>) -> Result<Self, Bad> {
        use pb::http_connection_manager::RouteSpecifier as R;
        match specifier {
            Some(R::Rds(rds)) => Ok(Self::Named(rds.route_config_name.into())),
            Some(R::RouteConfig(config)) => {
                RouteTable::parse(config).map(|table| Self::Inline(Arc::new(table))).at("route_config")
            }
            Some(R::ScopedRoutes(_)) => Err(Bad::new("scoped_routes", "is not supported")),
            None => Err(Bad::new("route_specifier", "is missing")),
        }
    }
}

impl Codec {
    fn parse(value: i32) -> Result<Self, Bad> {
        use pb::http_connection_manager::CodecType as C;
        match C::try_from(value) {
            Ok(C::Auto) => Ok(Self::Auto),
            Ok(C::Http1) => Ok(Self::Http1),
            Ok(C::Http2) => Ok(Self::Http2),
            _ => Err(Bad::new("codec_type", "is not supported")),
        }
    }
}

impl ServerHeader {
    fn parse(value: i32) -> Result<Self, Bad> {
        use pb::http_connection_manager::ServerHeaderTransformation as S;
        match S::try_from(value) {
            Ok(S::Overwrite) => Ok(Self::Overwrite),
            Ok(S::AppendIfAbsent) => Ok(Self::AppendIfAbsent),
            Ok(S::PassThrough) => Ok(Self::PassThrough),
            Err(_) => Err(Bad::new("server_header_transformation", "is unknown")),
        }
    }
}

#[cfg(test)]
mod tests;
