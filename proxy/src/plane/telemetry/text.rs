//! Series as text, family by family.
//!
//! <https://prometheus.io/docs/instrumenting/exposition_formats/>

use std::{fmt::Write, sync::Arc};

use super::series::{BOUNDS, Histogram, HttpSeries, MessageCounts, TcpCounts};
use crate::plane::stats::Counter;

type Series<S> = [(Arc<str>, Arc<S>)];

pub(super) fn requests(series: &Series<HttpSeries>, out: &mut String) {
    if series.is_empty() {
        return;
    }
    head("istio_requests_total", "counter", "Requests, with what came of them.", out);
    for (labels, series) in series {
        let [.., count] = series.duration.cumulated();
        let _infallible = writeln!(out, "istio_requests_total{{{labels}}} {count}");
    }
    let name = "istio_request_duration_milliseconds";
    histogram(name, "How long requests took.", series, |series| &series.duration, out);
    histogram("istio_request_bytes", "Bytes of requests.", series, |series| &series.request_bytes, out);
    histogram("istio_response_bytes", "Bytes of responses.", series, |series| &series.response_bytes, out);
}

pub(super) fn messages(series: &Series<MessageCounts>, out: &mut String) {
    let clients = "Messages of gRPC that clients sent.";
    counters("istio_request_messages_total", clients, series, |series| &series.request, out);
    let servers = "Messages of gRPC that servers sent.";
    counters("istio_response_messages_total", servers, series, |series| &series.response, out);
}

pub(super) fn connections(series: &Series<TcpCounts>, out: &mut String) {
    let mut all = |name, help, of| counters(name, help, series, of, out);
    all("istio_tcp_connections_opened_total", "TCP connections that came about.", |series| &series.opened);
    all("istio_tcp_connections_closed_total", "TCP connections that ended.", |series| &series.closed);
    all("istio_tcp_sent_bytes_total", "Bytes sent to clients of TCP connections.", |series| &series.sent);
    all("istio_tcp_received_bytes_total", "Bytes received from clients of TCP connections.", |series| &series.received);
}

/// What the proxy says of itself.
pub(super) fn proxy(peers_overflow: u64, out: &mut String) {
    head("istio_build", "gauge", "Which version this is.", out);
    let _infallible = writeln!(out, "istio_build{{component=\"proxy\",tag=\"{}\"}} 1", env!("CARGO_PKG_VERSION"));
    let name = "istio_proxy_peers_overflow_total";
    head(name, "counter", "Messages of workloads that metrics call unknown, because they know too many others.", out);
    let _infallible = writeln!(out, "{name} {peers_overflow}");
}

fn head(name: &str, kind: &str, help: &str, out: &mut String) {
    let _infallible = write!(out, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
}

fn counters<S>(name: &str, help: &str, series: &Series<S>, of: fn(&S) -> &Counter, out: &mut String) {
    if series.is_empty() {
        return;
    }
    head(name, "counter", help, out);
    for (labels, series) in series {
        let _infallible = writeln!(out, "{name}{{{labels}}} {}", of(series).get());
    }
}

fn histogram(name: &str, help: &str, series: &Series<HttpSeries>, of: fn(&HttpSeries) -> &Histogram, out: &mut String) {
    head(name, "histogram", help, out);
    for (labels, series) in series {
        let histogram = of(series);
        let [below @ .., count] = histogram.cumulated();
        for ((_, bound), below) in BOUNDS.iter().zip(below) {
            let _infallible = writeln!(out, "{name}_bucket{{{labels},le=\"{bound}\"}} {below}");
        }
        let _infallible = writeln!(out, "{name}_bucket{{{labels},le=\"+Inf\"}} {count}");
        let (whole, rest) = (histogram.sum() / 1_000, histogram.sum() % 1_000);
        let _infallible = writeln!(out, "{name}_sum{{{labels}}} {whole}.{rest:03}\n{name}_count{{{labels}}} {count}");
    }
}
