//! Envoy's format strings, compiled: `%REQ(USER-AGENT)%` in an access log or in the value of a header.
//!
//! A template knows only which facts it wants; whoever renders it answers for each ([`Facts`]).
//! <https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage#command-operators>

use http::HeaderName;

use crate::{reason::Refusal, refusal::Bad};

/// A fact about a request or a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is named as Envoy's operator is, and documented there")]
pub enum Fact {
    /// When it began, in UTC with milliseconds.
    StartTime,
    /// A request header, else another one; `:method`, `:path`, `:authority` and `:scheme` are headers here.
    Request(Field, Option<Field>),
    /// A response header, else another one.
    Response(Field, Option<Field>),
    /// A trailer of the response.
    Trailer(Field),
    Protocol,
    ResponseCode,
    ResponseCodeDetails,
    ResponseFlags,
    ConnectionTerminationDetails,
    UpstreamTransportFailureReason,
    BytesReceived,
    BytesSent,
    Duration,
    RequestDuration,
    ResponseDuration,
    UpstreamHost,
    UpstreamCluster,
    UpstreamLocalAddress,
    UpstreamRequestAttemptCount,
    DownstreamLocalAddress,
    DownstreamLocalAddressWithoutPort,
    DownstreamLocalPort,
    DownstreamRemoteAddress,
    DownstreamRemoteAddressWithoutPort,
    DownstreamDirectRemoteAddress,
    DownstreamDirectRemoteAddressWithoutPort,
    DownstreamPeerUriSan,
    DownstreamPeerSubject,
    DownstreamTlsVersion,
    DownstreamTransportFailureReason,
    RequestedServerName,
    RouteName,
    VirtualHostName,
    Hostname,
    GrpcStatus,
}

/// The name of a header as an operator spells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Field {
    /// `:method`.
    Method,
    /// `:path`, with its query.
    Path,
    /// `:authority`.
    Authority,
    /// `:scheme`.
    Scheme,
    /// `:status`.
    Status,
    /// Any other.
    Name(HeaderName),
}

impl Field {
    pub(crate) fn parse(text: &str) -> Result<Self, Bad> {
        let lower = text.to_ascii_lowercase();
        Ok(match lower.as_str() {
            ":method" => Self::Method,
            ":path" => Self::Path,
            ":authority" => Self::Authority,
            ":scheme" => Self::Scheme,
            ":status" => Self::Status,
            // HTTP/2 has no `host`; here each request has one `:authority`.
            "host" => Self::Authority,
            _ => Self::Name(lower.parse().map_err(|_| Bad::new("", format!("`{text}` is no header name")))?),
        })
    }
}

/// To be read by people: "the method", "header `end-user`".
impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Method => f.write_str("the method"),
            Self::Path => f.write_str("the path"),
            Self::Authority => f.write_str("the authority"),
            Self::Scheme => f.write_str("the scheme"),
            Self::Status => f.write_str("the status"),
            Self::Name(name) => write!(f, "header `{name}`"),
        }
    }
}

/// Who answers for facts.
pub trait Facts {
    /// Appends the value of a fact; `false` (and nothing written) if there is none.
    fn write(&self, fact: &Fact, out: &mut String) -> bool;

    /// Why the call was refused, or left the mesh, if it did.
    fn refusal(&self) -> Option<&Refusal> {
        None
    }
}

/// A compiled format string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<str>),
    Fact { fact: Fact, max: Option<usize> },
}

/// What stands where a fact has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// `-`, as logs have it.
    Dash,
    /// Nothing, as headers have it.
    Empty,
}

const PLAIN: &[(&str, Fact)] = &[
    ("START_TIME", Fact::StartTime),
    ("PROTOCOL", Fact::Protocol),
    ("RESPONSE_CODE", Fact::ResponseCode),
    ("RESPONSE_CODE_DETAILS", Fact::ResponseCodeDetails),
    ("RESPONSE_FLAGS", Fact::ResponseFlags),
    ("CONNECTION_TERMINATION_DETAILS", Fact::ConnectionTerminationDetails),
    ("UPSTREAM_TRANSPORT_FAILURE_REASON", Fact::UpstreamTransportFailureReason),
    ("BYTES_RECEIVED", Fact::BytesReceived),
    ("BYTES_SENT", Fact::BytesSent),
    ("DURATION", Fact::Duration),
    ("REQUEST_DURATION", Fact::RequestDuration),
    ("RESPONSE_DURATION", Fact::ResponseDuration),
    ("UPSTREAM_HOST", Fact::UpstreamHost),
    ("UPSTREAM_REMOTE_ADDRESS", Fact::UpstreamHost),
    ("UPSTREAM_CLUSTER", Fact::UpstreamCluster),
    ("UPSTREAM_CLUSTER_RAW", Fact::UpstreamCluster),
    ("UPSTREAM_LOCAL_ADDRESS", Fact::UpstreamLocalAddress),
    ("UPSTREAM_REQUEST_ATTEMPT_COUNT", Fact::UpstreamRequestAttemptCount),
    ("DOWNSTREAM_LOCAL_ADDRESS", Fact::DownstreamLocalAddress),
    ("DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Fact::DownstreamLocalAddressWithoutPort),
    ("DOWNSTREAM_LOCAL_PORT", Fact::DownstreamLocalPort),
    ("DOWNSTREAM_REMOTE_ADDRESS", Fact::DownstreamRemoteAddress),
    ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Fact::DownstreamRemoteAddressWithoutPort),
    ("DOWNSTREAM_DIRECT_REMOTE_ADDRESS", Fact::DownstreamDirectRemoteAddress),
    ("DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", Fact::DownstreamDirectRemoteAddressWithoutPort),
    ("DOWNSTREAM_PEER_URI_SAN", Fact::DownstreamPeerUriSan),
    ("DOWNSTREAM_PEER_SUBJECT", Fact::DownstreamPeerSubject),
    ("DOWNSTREAM_TLS_VERSION", Fact::DownstreamTlsVersion),
    ("DOWNSTREAM_TRANSPORT_FAILURE_REASON", Fact::DownstreamTransportFailureReason),
    ("REQUESTED_SERVER_NAME", Fact::RequestedServerName),
    ("ROUTE_NAME", Fact::RouteName),
    ("VIRTUAL_CLUSTER_NAME", Fact::VirtualHostName),
    ("HOSTNAME", Fact::Hostname),
    ("GRPC_STATUS", Fact::GrpcStatus),
];

impl Template {
    /// Compiles a format string.
    ///
    /// # Errors
    /// An operator is unknown, or a `%` stands alone.
    pub fn parse(text: &str) -> Result<Self, Bad> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(start) = rest.find('%') {
            plain.push_str(&rest[..start]);
            rest = &rest[start + 1..];
            if let Some(after) = rest.strip_prefix('%') {
                plain.push('%');
                rest = after;
                continue;
            }
            let (operator, after) = Self::operator(rest)?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain).into()));
            }
            parts.push(operator);
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain.into()));
        }
        Ok(Self { parts })
    }

    /// Reads `NAME(ARGUMENTS):LENGTH%`, from behind the first `%`.
    fn operator(text: &str) -> Result<(Part, &str), Bad> {
        let bad = |why: &str| Bad::new("", format!("`%{text}`: {why}"));
        let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).ok_or_else(|| bad("lacks its end"))?;
        let (name, mut rest) = text.split_at(end);
        let mut arguments = None;
        if let Some(inner) = rest.strip_prefix('(') {
            let close = inner.find(')').ok_or_else(|| bad("lacks `)`"))?;
            arguments = Some(&inner[..close]);
            rest = &inner[close + 1..];
        }
        let close = rest.find('%').ok_or_else(|| bad("lacks its final `%`"))?;
        let max = match rest[..close].strip_prefix(':') {
            Some(length) => Some(length.parse().map_err(|_| bad("its length is no number"))?),
            None if close == 0 => None,
            None => return Err(bad("is not understood")),
        };
        Ok((Part::Fact { fact: Self::fact(name, arguments)?, max }, &rest[close + 1..]))
    }

    fn fact(name: &str, arguments: Option<&str>) -> Result<Fact, Bad> {
        let unknown = || Bad::new("", format!("the operator `%{name}({})%` is not supported", arguments.unwrap_or("")));
        let fields = || -> Result<(Field, Option<Field>), Bad> {
            let text = arguments.ok_or_else(unknown)?;
            let (main, other) = text.split_once('?').map_or((text, None), |(main, other)| (main, Some(other)));
            Ok((Field::parse(main)?, other.map(Field::parse).transpose()?))
        };
        match name {
            "REQ" => fields().map(|(main, other)| Fact::Request(main, other)),
            "RESP" => fields().map(|(main, other)| Fact::Response(main, other)),
            "TRAILER" => fields().map(|(main, _)| Fact::Trailer(main)),
            _ if arguments.is_some() => Err(unknown()),
            _ => PLAIN.iter().find(|(n, _)| *n == name).map(|(_, fact)| fact.clone()).ok_or_else(unknown),
        }
    }

    /// Appends the text with its facts.
    pub fn render(&self, facts: &dyn Facts, missing: Missing, out: &mut String) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Fact { fact, max } => {
                    let start = out.len();
                    if !facts.write(fact, out) && missing == Missing::Dash {
                        out.push('-');
                    }
                    if let Some(max) = max {
                        let end = (start..=out.len()).rev().find(|i| i - start <= *max && out.is_char_boundary(*i));
                        out.truncate(end.unwrap_or(start));
                    }
                }
            }
        }
    }

    /// The text, if it holds no fact.
    pub fn constant(&self) -> Option<&str> {
        match &self.parts[..] {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The fact, if it is nothing but one.
    pub fn single(&self) -> Option<&Fact> {
        match &self.parts[..] {
            [Part::Fact { fact, max: None }] => Some(fact),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
