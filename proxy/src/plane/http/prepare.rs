//! What is done to the head of every request before anything is decided about it.
//!
//! <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/header_sanitizing>

use std::borrow::Cow;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, Version, header, request::Parts, uri::PathAndQuery,
};
use mesh_snapshot::{Head, HttpManager, Reason};

use super::{edge, local::Reply};
use crate::plane::{accept::Downstream, flags::Flags, worker::Worker};

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Headers of one connection only (RFC 9110, 7.6.1).
const HOP_BY_HOP: &[&str] = &["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"];
/// Those, and what is looked at together with them; as names, most of which are compared by a number.
static OF_CONNECTION: [HeaderName; 7] = [
    header::CONNECTION,
    header::EXPECT,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// What only Envoy itself may say to an upstream: whoever calls is not believed.
const INTERNAL: &[&str] = &[
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "x-envoy-max-retries",
    "x-envoy-upstream-alt-stat-name",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "x-envoy-upstream-rq-timeout-alt-response",
    "x-envoy-expected-rq-timeout-ms",
    "x-envoy-force-trace",
    "x-envoy-ip-tags",
    "x-envoy-original-url",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-internal",
    "x-envoy-attempt-count",
];

/// The head in the form in which it is decided about.
pub(super) struct Prepared {
    pub(super) authority: HeaderValue,
    /// The path without its query, in its canonical form.
    path: Box<str>,
    query: Option<Box<str>>,
    /// `http` or `https`.
    pub(super) scheme: &'static str,
    /// The kind of upgrade that is asked for, in lower case.
    pub(super) upgrade: Option<Box<str>>,
}

impl Prepared {
    /// The head, as decisions read it.
    pub(super) fn head<'a>(&'a self, parts: &'a Parts) -> Head<'a> {
        Head {
            method: &parts.method,
            scheme: self.scheme,
            authority: self.authority.to_str().unwrap_or_default(),
            path: &self.path,
            query: self.query.as_deref(),
            headers: &parts.headers,
        }
    }

    /// Path and query as they are sent on, if no route changes them.
    pub(super) fn target(&self, uri: &Uri) -> Option<PathAndQuery> {
        match uri.path_and_query() {
            Some(same) if same.path() == &*self.path => Some(same.clone()),
            _ => self.path_and_query().parse().ok(),
        }
    }

    /// As the log has it.
    pub(super) fn path_and_query(&self) -> Cow<'_, str> {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path).into(),
            None => Cow::Borrowed(&self.path),
        }
    }
}

/// Reads the head and takes away what ends here.
pub(super) fn prepare(
    worker: &Worker,
    manager: &HttpManager,
    downstream: &Downstream,
    parts: &mut Parts,
) -> Result<Prepared, Box<Reply>> {
    if parts.version == Version::HTTP_10 && !manager.http10 {
        let reply = Reply::new(StatusCode::UPGRADE_REQUIRED, Flags::default(), "low_version");
        return Err(Box::new(reply.because(Reason::BadRequest)));
    }
    let bad = |details| {
        let reply = Reply::new(StatusCode::BAD_REQUEST, Flags::DOWNSTREAM_PROTOCOL, details);
        Box::new(reply.because(Reason::BadRequest))
    };
    let authority = authority(parts);
    if authority.is_none() && parts.version != Version::HTTP_10 {
        return Err(bad("missing_host_header"));
    }
    let authority = authority.unwrap_or(HeaderValue::from_static(""));
    if manager.path_form.redirects(parts.uri.path())
        && let Some(reply) = to_canonical(manager, &parts.uri)
    {
        return Err(Box::new(reply));
    }
    let path: Box<str> = match (&parts.method, parts.uri.path()) {
        (&Method::OPTIONS, "*") => "*".into(),
        (_, path) => manager.path_form.apply(path).ok_or_else(|| bad("path_normalization_failed"))?.into(),
    };
    let query = parts.uri.query().map(Into::into);
    let upgrade = requested_upgrade(&parts.headers);
    clean(&mut parts.headers);
    let headers = &mut parts.headers;
    if headers.keys().any(|name| name.as_str().starts_with("x-envoy-")) {
        INTERNAL.iter().for_each(|name| drop(headers.remove(*name)));
    }
    edge::tell_certificate(manager, downstream, headers);
    let is_external = manager.edge.is_first && edge::tell_address(manager, downstream, headers);
    let scheme = edge::tell_scheme(manager, downstream, headers);
    if manager.request_id && (is_external && !manager.edge.keeps_request_id || !headers.contains_key(REQUEST_ID)) {
        headers.insert(REQUEST_ID, uuid(worker.random(), worker.random()));
    }
    headers.remove(header::HOST);
    Ok(Prepared { authority, path, query, scheme, upgrade })
}

/// The answer that sends a client to the canonical form of its path.
fn to_canonical(manager: &HttpManager, uri: &Uri) -> Option<Reply> {
    let path = manager.path_form.apply(uri.path())?;
    let location = uri.query().map_or(path.to_string(), |query| format!("{path}?{query}"));
    let reply = Reply::new(StatusCode::TEMPORARY_REDIRECT, Flags::default(), "path_normalization_redirect");
    Some(reply.header("location", HeaderValue::from_str(&location).ok()?))
}

/// `:authority`, or `Host`; an absolute target has its own (RFC 9112, 3.2.2).
fn authority(parts: &Parts) -> Option<HeaderValue> {
    match parts.uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => {
            let mut hosts = parts.headers.get_all(header::HOST).iter();
            let host = hosts.next().filter(|host| host.to_str().is_ok()).cloned();
            // Two hosts would be understood in two ways (RFC 9112, 3.2).
            host.filter(|_| hosts.next().is_none())
        }
    }
}

/// Takes away the headers of one connection. `Expect` is answered here, when the body is first asked for.
pub(super) fn clean(headers: &mut HeaderMap) {
    // Most heads have none of them; one look at each name is cheaper than a search for each of these.
    if !headers.keys().any(|name| OF_CONNECTION.contains(name)) {
        return;
    }
    // Headers that `Connection` names belong to the connection, too.
    if let Some(value) = headers.get(header::CONNECTION).cloned() {
        let named = value.to_str().unwrap_or_default().split(',').map(str::trim);
        for name in named.filter(|name| !name.eq_ignore_ascii_case("te")) {
            headers.remove(name);
        }
    }
    // The length of a body that came in chunks is what its chunks say (RFC 9112, 6.3).
    if headers.contains_key(header::TRANSFER_ENCODING) {
        headers.remove(header::CONTENT_LENGTH);
    }
    for name in HOP_BY_HOP {
        headers.remove(*name);
    }
    let trailers = headers.get(header::TE).is_some_and(|te| {
        te.to_str().unwrap_or_default().split(',').any(|part| part.trim().eq_ignore_ascii_case("trailers"))
    });
    if headers.remove(header::TE).is_some() && trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    headers.remove(header::EXPECT);
}

fn requested_upgrade(headers: &HeaderMap) -> Option<Box<str>> {
    let connection = headers.get(header::CONNECTION)?.to_str().ok()?;
    let asked = connection.split(',').any(|part| part.trim().eq_ignore_ascii_case("upgrade"));
    let kind = headers.get(header::UPGRADE)?.to_str().ok()?.trim().to_ascii_lowercase();
    // An offer of HTTP/2 in the clear is passed over: whoever wants it begins with it.
    (asked && !kind.is_empty() && kind != "h2c").then(|| kind.into())
}

/// A random UUID (RFC 9562, version 4).
fn uuid(high: u64, low: u64) -> HeaderValue {
    let high = high & !0xF000 | 0x4000;
    let low = low & !(0xC << 60) | 0x8 << 60;
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let both = u128::from(high) << 64 | u128::from(low);
    let mut text = [b'-'; 36];
    let places = (0..36).filter(|place| !matches!(place, 8 | 13 | 18 | 23));
    for (number, place) in places.enumerate() {
        text[place] = DIGITS[(both >> (124 - 4 * number)) as usize & 0xF];
    }
    HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests;
