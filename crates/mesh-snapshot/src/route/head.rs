//! What decisions read of a request.

use http::{HeaderMap, Method};

/// The head of a request.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// The method.
    pub method: &'a Method,
    /// `http` or `https`.
    pub scheme: &'a str,
    /// `:authority`, or the `Host` header.
    pub authority: &'a str,
    /// The path, without its query.
    pub path: &'a str,
    /// The query, without `?`.
    pub query: Option<&'a str>,
    /// The other headers.
    pub headers: &'a HeaderMap,
}

impl<'a> Head<'a> {
    /// The authority without its port.
    pub fn host(&self) -> &'a str {
        without_port(self.authority)
    }

    /// Whether it is a gRPC request, by its content type.
    pub fn is_grpc(&self) -> bool {
        is_grpc(self.headers)
    }

    /// The value of a query parameter, not decoded.
    pub fn query_parameter(&self, name: &str) -> Option<&'a str> {
        let pairs = self.query?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        pairs.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<&'a str> {
        let cookies = self.headers.get_all(http::header::COOKIE).into_iter().filter_map(|v| v.to_str().ok());
        let mut pairs = cookies.flat_map(|v| v.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(key, _)| *key == name).map(|(_, value)| value.trim_matches('"'))
    }
}

/// Whether a message with these headers carries gRPC, by its content type; gRPC-Web is something else.
pub fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(http::header::CONTENT_TYPE).map(http::HeaderValue::as_bytes);
    let rest = content_type.and_then(|value| value.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(b"+") || rest.starts_with(b";"))
}

/// A host without a port behind it; an address of version 6 keeps its brackets.
pub(crate) fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) && !host.ends_with(':') => {
            host
        }
        _ => authority,
    }
}

/// The port behind an authority.
pub(crate) fn port_of(authority: &str) -> Option<u16> {
    authority.get(without_port(authority).len() + 1..)?.parse().ok()
}
