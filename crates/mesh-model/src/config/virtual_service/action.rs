//! What happens to a request that a route took.

use std::{collections::BTreeMap, num::NonZeroU32, sync::Arc, time::Duration};

use super::super::{Destination, Pattern, Percent, PortNumber, StringMatch};

/// An answer that names another address.
///
/// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRedirect>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Redirect {
    /// The whole path; absent: as it was.
    pub uri: Option<String>,
    /// A change of the path; excludes `uri`.
    pub rewrite: Option<UriRewrite>,
    /// The host; absent: as it was.
    pub authority: Option<String>,
    /// The port; absent: as Envoy does (the request's).
    pub port: Option<RedirectPort>,
    /// `http` or `https`; absent: as it was.
    pub scheme: Option<String>,
    /// The status.
    pub code: RedirectCode,
}

/// The port in a redirect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RedirectPort {
    /// This one.
    Number(PortNumber),
    /// 80 or 443 by the scheme.
    OfProtocol,
    /// That of the request.
    OfRequest,
}

/// The statuses that Envoy redirects with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RedirectCode {
    /// 301.
    #[default]
    MovedPermanently,
    /// 302.
    Found,
    /// 303.
    SeeOther,
    /// 307.
    TemporaryRedirect,
    /// 308.
    PermanentRedirect,
}

/// An answer without a server.
///
/// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPDirectResponse>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DirectResponse {
    /// The status, 200 to 599.
    pub status: u16,
    /// At most a megabyte; absent: empty.
    pub body: Option<Vec<u8>>,
}

/// The VirtualService that has the routes.
///
/// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#Delegate>
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Delegate {
    /// Its namespace; the root's own when none was written.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

/// Changes of the request line. At least one of them is there.
///
/// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRewrite>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rewrite {
    /// Of the path.
    pub uri: Option<UriRewrite>,
    /// The new host.
    pub authority: Option<String>,
}

/// How a path is rewritten.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UriRewrite {
    /// Instead of the part that matched: the prefix, or the whole path when the match was exact.
    Replace(String),
    /// Instead of what an expression finds.
    Regex {
        /// What is looked for.
        pattern: Pattern,
        /// What is put there; `\1` is the first group.
        substitution: String,
    },
}

/// Whether a request is tried again.
///
/// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPRetry>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Retries {
    /// Never.
    Off,
    /// So.
    On(RetryPolicy),
}

/// How a request is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RetryPolicy {
    /// How often, after the first time.
    pub attempts: NonZeroU32,
    /// Of each try. Absent: the route's.
    pub per_try_timeout: Option<Duration>,
    /// Envoy's words in the order written. Empty together with `statuses`: the mesh's default words.
    pub conditions: Vec<String>,
    /// Statuses that are tried again.
    pub statuses: Vec<u16>,
    /// Whether retries may leave the locality. Absent: the mesh's default.
    pub remote_localities: Option<bool>,
}

/// Delays and errors on purpose. At least one of them is there.
///
/// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPFaultInjection>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fault {
    /// Before forwarding.
    pub delay: Option<FaultDelay>,
    /// Instead of forwarding.
    pub abort: Option<FaultAbort>,
}

/// A delay of some requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FaultDelay {
    /// How long.
    pub fixed: Duration,
    /// How many.
    pub share: Percent,
}

/// An error for some requests.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FaultAbort {
    /// Which.
    pub status: AbortStatus,
    /// How many.
    pub share: Percent,
}

/// The status of an injected error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AbortStatus {
    /// 200 to 599.
    Http(u16),
    /// gRPC's number, 0 to 16.
    Grpc(u32),
}

/// Where copies of requests go; their responses are thrown away.
///
/// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#HTTPMirrorPolicy>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Mirror {
    /// Where to.
    pub destination: Destination,
    /// How many.
    pub share: Percent,
}

/// Who may ask from another origin.
///
/// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#CorsPolicy>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Cors {
    /// Any of them.
    pub allow_origins: Vec<StringMatch>,
    /// `Access-Control-Allow-Methods`.
    pub allow_methods: Vec<String>,
    /// `Access-Control-Allow-Headers`.
    pub allow_headers: Vec<String>,
    /// `Access-Control-Expose-Headers`.
    pub expose_headers: Vec<String>,
    /// Whole seconds.
    pub max_age: Option<Duration>,
    /// Absent: the header is not sent.
    pub allow_credentials: Option<bool>,
    /// Preflights of origins that are not allowed.
    pub unmatched_preflights: UnmatchedPreflights,
}

/// What happens to a preflight that no origin matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UnmatchedPreflights {
    /// To the server.
    #[default]
    Forward,
    /// Answered without the headers of permission.
    Ignore,
}

/// Changes of headers.
///
/// <https://istio.io/latest/docs/reference/config/networking/virtual-service/#Headers>
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HeaderChanges {
    /// The new host, when `host` or `:authority` of the request is set.
    pub host: Option<String>,
    /// Of the request; without `host` and pseudo headers.
    pub request: HeaderOps,
    /// Of the response; without pseudo headers.
    pub response: HeaderOps,
}

/// Changes of the headers of a message, by name as written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct HeaderOps {
    /// Replaced.
    pub set: BTreeMap<String, String>,
    /// Added to what is there.
    pub add: BTreeMap<String, String>,
    /// Taken away.
    pub remove: Vec<String>,
}

impl HeaderOps {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.add.is_empty() && self.remove.is_empty()
    }
}
