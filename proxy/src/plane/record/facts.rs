//! Answers to format strings: access logs, and values of headers that a route adds.

use std::{
    fmt::Write,
    net::SocketAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use http::{HeaderMap, Version};
use mesh_snapshot::{Fact, Facts, Field, Head, Refusal};

use super::{ConnectionRecord, Kept, Record};
use crate::plane::accept::Downstream;

/// A request that is over.
pub(super) struct FinishedFacts<'a> {
    pub(super) record: &'a Record,
    pub(super) kept: &'a Kept,
    pub(super) duration: Duration,
    pub(super) refusal: Option<Refusal>,
}

impl Facts for FinishedFacts<'_> {
    fn write(&self, fact: &Fact, out: &mut String) -> bool {
        let (record, kept) = (self.record, self.kept);
        match fact {
            Fact::StartTime => timestamp(kept.started, out),
            Fact::Request(main, other) => either(main, other.as_ref(), |field| self.request(field, out)),
            Fact::Response(main, other) => either(main, other.as_ref(), |field| match field {
                Field::Status => number(out, record.code),
                Field::Name(name) => header(&kept.response, name, out),
                _ => false,
            }),
            Fact::Trailer(Field::Name(name)) => kept.trailers.as_ref().is_some_and(|t| header(t, name, out)),
            Fact::Trailer(_) => false,
            Fact::Protocol => text(protocol(kept.version), out),
            Fact::ResponseCode => number(out, record.code),
            Fact::ResponseCodeDetails => details(record, out),
            Fact::ResponseFlags => text(&record.flags.to_string(), out),
            Fact::UpstreamTransportFailureReason => record.failure.as_deref().is_some_and(|why| text(why, out)),
            Fact::BytesReceived => number(out, record.progress.bytes()),
            Fact::BytesSent => number(out, record.sent),
            Fact::Duration => number(out, self.duration.as_millis()),
            Fact::RequestDuration => {
                let ended = record.progress.ended().map(|at| at.saturating_duration_since(record.began));
                ended.is_some_and(|d| number(out, d.as_millis()))
            }
            Fact::ResponseDuration => {
                let answered = record.answered.map(|at| at.saturating_duration_since(record.began));
                answered.is_some_and(|d| number(out, d.as_millis()))
            }
            Fact::UpstreamHost => record.upstream.is_some_and(|address| number(out, address)),
            Fact::UpstreamLocalAddress => record.upstream_local.is_some_and(|address| number(out, address)),
            Fact::UpstreamCluster => record.cluster.as_ref().is_some_and(|cluster| text(&cluster.name, out)),
            Fact::UpstreamRequestAttemptCount => number(out, record.attempts),
            Fact::RouteName => text(&kept.route, out),
            Fact::VirtualHostName => text(&kept.virtual_host, out),
            Fact::GrpcStatus => record.grpc_status.is_some_and(|status| number(out, status)),
            fact => of_connection(&record.downstream, fact, out),
        }
    }

    fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }
}

impl FinishedFacts<'_> {
    fn request(&self, field: &Field, out: &mut String) -> bool {
        match field {
            Field::Method => text(self.kept.method.as_str(), out),
            Field::Path => text(&self.kept.path, out),
            Field::Authority => text(&self.kept.authority, out),
            Field::Scheme => text(self.record.downstream.scheme(), out),
            Field::Status => false,
            Field::Name(name) => header(&self.kept.headers, name, out),
        }
    }
}

/// Why there was no answer: `...{remote_connection_failure|TLS_error:_...}` has what TLS said.
fn details(record: &Record, out: &mut String) -> bool {
    match (&record.failure, record.details.strip_suffix('}')) {
        (Some(why), Some(details)) if why.starts_with("TLS_error") => {
            number(out, format_args!("{details}|{}}}", why.replace(' ', "_")))
        }
        _ => text(record.details, out),
    }
}

/// A request that is under way, for headers that a route adds to it or to its answer.
pub(crate) struct RequestFacts<'a> {
    pub(crate) record: &'a Record,
    pub(crate) head: Head<'a>,
    /// The answer's headers, once there is one.
    pub(crate) response: Option<&'a HeaderMap>,
    /// The route's name.
    pub(crate) route: &'a str,
}

impl Facts for RequestFacts<'_> {
    fn write(&self, fact: &Fact, out: &mut String) -> bool {
        let record = self.record;
        match fact {
            Fact::StartTime => timestamp(SystemTime::now() - record.began.elapsed(), out),
            Fact::Request(main, other) => either(main, other.as_ref(), |field| self.request(field, out)),
            Fact::Response(main, other) => either(main, other.as_ref(), |field| match (field, self.response) {
                (Field::Status, Some(_)) => number(out, record.code),
                (Field::Name(name), Some(headers)) => header(headers, name, out),
                _ => false,
            }),
            Fact::ResponseCode if self.response.is_some() => number(out, record.code),
            Fact::ResponseFlags => text(&record.flags.to_string(), out),
            Fact::UpstreamHost => record.upstream.is_some_and(|address| number(out, address)),
            Fact::UpstreamCluster => record.cluster.as_ref().is_some_and(|cluster| text(&cluster.name, out)),
            Fact::RouteName => text(self.route, out),
            fact => of_connection(&record.downstream, fact, out),
        }
    }
}

impl RequestFacts<'_> {
    fn request(&self, field: &Field, out: &mut String) -> bool {
        match field {
            Field::Method => text(self.head.method.as_str(), out),
            Field::Path => match self.head.query {
                Some(query) => number(out, format_args!("{}?{query}", self.head.path)),
                None => text(self.head.path, out),
            },
            Field::Authority => text(self.head.authority, out),
            Field::Scheme => text(self.head.scheme, out),
            Field::Status => false,
            Field::Name(name) => header(self.head.headers, name, out),
        }
    }
}

/// A connection that is over.
pub(super) struct ConnectionFacts<'a> {
    pub(super) record: &'a ConnectionRecord,
    pub(super) duration: Duration,
    pub(super) refusal: Option<Refusal>,
}

impl Facts for ConnectionFacts<'_> {
    fn write(&self, fact: &Fact, out: &mut String) -> bool {
        let record = self.record;
        match fact {
            Fact::StartTime => timestamp(record.started, out),
            Fact::ResponseCode => number(out, 0),
            Fact::ResponseFlags => text(&record.flags.to_string(), out),
            Fact::ResponseCodeDetails => false,
            Fact::ConnectionTerminationDetails => text(record.details, out),
            Fact::UpstreamTransportFailureReason => record.failure.as_deref().is_some_and(|why| text(why, out)),
            Fact::DownstreamTransportFailureReason => record.refusal.as_deref().is_some_and(|why| text(why, out)),
            Fact::BytesReceived => number(out, record.received),
            Fact::BytesSent => number(out, record.sent),
            Fact::Duration => number(out, self.duration.as_millis()),
            Fact::UpstreamHost => record.upstream.is_some_and(|address| number(out, address)),
            Fact::UpstreamLocalAddress => record.upstream_local.is_some_and(|address| number(out, address)),
            Fact::UpstreamCluster => record.cluster.as_ref().is_some_and(|cluster| text(cluster, out)),
            fact => of_connection(&record.downstream, fact, out),
        }
    }

    fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }
}

/// Facts of the client's connection.
fn of_connection(downstream: &Downstream, fact: &Fact, out: &mut String) -> bool {
    let (source, destination): (SocketAddr, SocketAddr) = (downstream.source, downstream.destination);
    match fact {
        Fact::DownstreamLocalAddress => number(out, destination),
        Fact::DownstreamLocalAddressWithoutPort => number(out, destination.ip()),
        Fact::DownstreamLocalPort => number(out, destination.port()),
        Fact::DownstreamRemoteAddress | Fact::DownstreamDirectRemoteAddress => number(out, source),
        Fact::DownstreamRemoteAddressWithoutPort | Fact::DownstreamDirectRemoteAddressWithoutPort => {
            number(out, source.ip())
        }
        Fact::DownstreamTlsVersion => downstream.secured.as_ref().is_some_and(|tls| text(tls.version, out)),
        Fact::DownstreamPeerUriSan => {
            let peer = downstream.secured.as_ref().and_then(|tls| tls.peer.as_ref());
            peer.is_some_and(|peer| text(&peer.uris.join(","), out))
        }
        Fact::DownstreamPeerSubject => {
            let peer = downstream.secured.as_ref().and_then(|tls| tls.peer.as_ref());
            peer.is_some_and(|peer| text(&peer.subject, out))
        }
        Fact::RequestedServerName => downstream.server_name.as_deref().is_some_and(|name| text(name, out)),
        Fact::Hostname => nix::unistd::gethostname().ok().is_some_and(|name| text(&name.to_string_lossy(), out)),
        _ => false,
    }
}

fn either(main: &Field, other: Option<&Field>, mut write: impl FnMut(&Field) -> bool) -> bool {
    write(main) || other.is_some_and(write)
}

fn text(value: &str, out: &mut String) -> bool {
    out.push_str(value);
    !value.is_empty()
}

fn number(out: &mut String, value: impl std::fmt::Display) -> bool {
    // Writing to a String cannot fail.
    write!(out, "{value}").is_ok()
}

fn header(headers: &HeaderMap, name: &http::HeaderName, out: &mut String) -> bool {
    let mut values = headers.get_all(name).iter().peekable();
    let found = values.peek().is_some();
    while let Some(value) = values.next() {
        out.push_str(&String::from_utf8_lossy(value.as_bytes()));
        if values.peek().is_some() {
            out.push(',');
        }
    }
    found
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

/// `2026-11-21T09:30:00.125Z`.
fn timestamp(time: SystemTime, out: &mut String) -> bool {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let (days, second) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = civil(days);
    let (hour, minute, second, milli) = (second / 3600, second / 60 % 60, second % 60, since.subsec_millis());
    number(out, format_args!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"))
}

/// Year, month and day of so many days after 1970-01-01, counted in eras of 400 years that begin in March.
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests;
