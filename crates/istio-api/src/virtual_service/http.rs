//! What a rule of a VirtualService does to HTTP requests, besides forwarding them.

use crate::{
    common::{Destination, Percent, StringMatch},
    declare::{message, names},
    duration::Duration,
};

message! {
    /// Another VirtualService holds the rules; only for one without `hosts`.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#Delegate>
    pub struct Delegate {
        /// Its name.
        pub name: String,
        /// Its namespace; that of the root when empty.
        pub namespace: String,
    }

    /// The client is sent elsewhere. At most one of `port` and `derivePort` is set.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRedirect>
    pub struct HttpRedirect {
        /// The whole new path; empty keeps it.
        pub uri: String,
        /// The new host; empty keeps it.
        pub authority: String,
        /// The new port.
        pub port: Option<u32>,
        /// Where the new port comes from.
        pub derive_port: Option<RedirectPortSelection>,
        /// The new scheme; empty keeps it.
        pub scheme: String,
        /// The status: 301 (also when zero), 302, 303, 307 or 308.
        pub redirect_code: u32,
    }

    /// The answer is given here, without any service.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPDirectResponse>
    #[schemars(extend("required" = ["status"]))]
    pub struct HttpDirectResponse {
        /// The status.
        pub status: u32,
        /// The body; none when absent.
        pub body: Option<HttpBody>,
    }

    /// A body; one field is set.
    pub struct HttpBody {
        /// As text.
        pub string: Option<String>,
        /// As bytes, in base64.
        #[schemars(extend("format" = "binary"))]
        pub bytes: Option<String>,
    }

    /// Path and host are changed before the request is sent on.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRewrite>
    pub struct HttpRewrite {
        /// Replaces what the match's prefix matched, or else the whole path.
        pub uri: String,
        /// Replaces the host.
        pub authority: String,
        /// Replaces by an expression; not together with `uri`.
        pub uri_regex_rewrite: Option<RegexRewrite>,
    }

    /// A replacement by an RE2 expression.
    pub struct RegexRewrite {
        /// What is looked for in the path.
        pub r#match: String,
        /// What takes its place; `\1` stands for the first group.
        pub rewrite: String,
    }

    /// When a failed request is tried again.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRetry>
    pub struct HttpRetry {
        /// How often at most, besides the first try; zero turns retries off.
        pub attempts: i32,
        /// How long one try may take; the whole request's limit when absent.
        pub per_try_timeout: Option<Duration>,
        /// Failures that count, with commas: names of Envoy's conditions, gRPC codes, or status codes.
        pub retry_on: String,
        /// Whether a try may go to another place.
        #[schemars(extend("nullable" = true))]
        pub retry_remote_localities: Option<bool>,
    }

    /// Failures made on purpose, on the client's side.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPFaultInjection>
    pub struct HttpFaultInjection {
        /// Requests wait.
        pub delay: Option<FaultDelay>,
        /// Requests fail.
        pub abort: Option<FaultAbort>,
    }

    /// Requests wait before they are sent on.
    pub struct FaultDelay {
        /// Old form of `percentage`, in whole percent.
        pub percent: i32,
        /// How long.
        pub fixed_delay: Option<Duration>,
        /// Not supported by Istio.
        pub exponential_delay: Option<Duration>,
        /// The share of requests; all when absent.
        pub percentage: Option<Percent>,
    }

    /// Requests fail with a status. Exactly one status is set.
    pub struct FaultAbort {
        /// An HTTP status.
        pub http_status: Option<i32>,
        /// A gRPC status by its name.
        pub grpc_status: Option<String>,
        /// Not supported by Istio.
        #[serde(rename = "http2Error")]
        pub http2_error: Option<String>,
        /// The share of requests; all when absent.
        pub percentage: Option<Percent>,
    }

    /// A copy of requests.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPMirrorPolicy>
    #[schemars(extend("required" = ["destination"]))]
    pub struct HttpMirrorPolicy {
        /// Where copies go.
        pub destination: Option<Destination>,
        /// The share of requests; all when absent.
        pub percentage: Option<Percent>,
    }

    /// Which other sites' pages may use the service.
    ///
    /// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#CorsPolicy>
    pub struct CorsPolicy {
        /// Old form of `allowOrigins`: exact origins or `*`.
        pub allow_origin: Vec<String>,
        /// Origins that may.
        pub allow_origins: Vec<StringMatch>,
        /// Methods that may be used.
        pub allow_methods: Vec<String>,
        /// Request headers that may be used.
        pub allow_headers: Vec<String>,
        /// Response headers that pages may read.
        pub expose_headers: Vec<String>,
        /// How long a browser may remember the answer.
        pub max_age: Option<Duration>,
        /// Whether cookies may be sent along.
        #[schemars(extend("nullable" = true))]
        pub allow_credentials: Option<bool>,
        /// What happens to preflights of other origins.
        pub unmatched_preflights: UnmatchedPreflights,
    }
}

names! {
    /// Where a redirect's port comes from.
    pub enum RedirectPortSelection {
        /// The scheme's own port, 80 or 443.
        FromProtocolDefault = 0 "FROM_PROTOCOL_DEFAULT",
        /// The port that the request came to.
        FromRequestPort = 1 "FROM_REQUEST_PORT",
    }

    /// What happens to preflights of origins that are not allowed.
    pub enum UnmatchedPreflights {
        /// As `FORWARD`.
        Unspecified = 0 "UNSPECIFIED",
        /// They are sent to the service.
        Forward = 1 "FORWARD",
        /// They are answered with 200 and without permission.
        Ignore = 2 "IGNORE",
    }
}
