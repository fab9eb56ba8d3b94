//! What is to be done with one request, worked out before its head is changed.

use std::{future::pending, time::Duration};

use http::{HeaderMap, HeaderValue, uri::PathAndQuery};
use mesh_snapshot::{Affinity, HashInput, Head, RewrittenHost};
use tokio::time::{sleep, sleep_until};

use super::forward::Exchange;
use crate::plane::body::Progress;

/// What becomes of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NewHost {
    /// It stays.
    Same,
    /// It is this.
    To(HeaderValue),
    /// It is the picked endpoint's name, if it has one.
    Upstream,
}

/// A request's plan.
#[derive(Debug)]
pub(super) struct Plan {
    /// Path and query, if the route changes them.
    pub(super) path: Option<PathAndQuery>,
    pub(super) host: NewHost,
    /// All tries together, from the end of the request.
    pub(super) timeout: Option<Duration>,
    /// One try.
    pub(super) per_try: Option<Duration>,
    /// How long the upstream may be silent.
    pub(super) idle: Option<Duration>,
    /// How long the request may take to arrive.
    pub(super) arrival: Option<Duration>,
    pub(super) affinity: Affinity,
}

impl Plan {
    /// Of a request whose route is known.
    pub(super) fn of(exchange: &Exchange<'_>, head: &Head<'_>) -> Self {
        let (to, connection) = (exchange.to, exchange.connection);
        let host = match to.rewritten_host(exchange.target, head) {
            RewrittenHost::Same => NewHost::Same,
            RewrittenHost::To(host) => HeaderValue::from_str(host).map_or(NewHost::Same, NewHost::To),
            RewrittenHost::Upstream => NewHost::Upstream,
        };
        let path = to.rewritten_path(head, exchange.routed.matched(head));
        let asked = to.grpc_timeout.and_then(|most| {
            let asked = grpc_timeout(head.headers)?;
            Some(most.map_or(asked, |most| asked.min(most)))
        });
        let affinity = if to.affinity.is_empty() {
            Affinity::default()
        } else {
            let (source, random) = (connection.downstream.source.ip(), connection.worker.random());
            Affinity::of(&to.affinity, &HashInput { head, source, random })
        };
        let timeout = asked.or(to.timeout);
        let per_try = to.retry.as_ref().and_then(|retry| retry.per_try_timeout);
        Self {
            path: path.and_then(|path| path.parse().ok()),
            host,
            timeout,
            // A try cannot take longer than all of them.
            per_try: per_try.filter(|one| timeout.is_none_or(|all| *one < all)),
            idle: to.idle_timeout.unwrap_or(exchange.manager.stream_idle_timeout),
            arrival: exchange.manager.request_timeout,
            affinity,
        }
    }

    /// What the upstream is told of the time that is left (`x-envoy-expected-rq-timeout-ms`).
    pub(super) fn expected(&self) -> Option<Duration> {
        self.per_try.or(self.timeout)
    }
}

/// What a request has run out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    /// The time for all tries together.
    Timeout,
    /// The time for the request to arrive.
    Arrival,
    /// The time that both sides may be silent; whether the request had come by then.
    Silence {
        /// Whether all of the request had come.
        arrived: bool,
    },
}

impl Plan {
    /// Waits until one of the request's limits is reached; for ever if it has none.
    pub(super) async fn limits(&self, progress: &Progress) -> Limit {
        tokio::select! {
            () = self.time_out(progress) => Limit::Timeout,
            () = self.arrival_is_late(progress) => Limit::Arrival,
            arrived = self.silence(progress) => Limit::Silence { arrived },
        }
    }

    async fn time_out(&self, progress: &Progress) {
        let Some(limit) = self.timeout else { return pending().await };
        let ended = progress.end().await;
        sleep_until((ended + limit).into()).await;
    }

    async fn arrival_is_late(&self, progress: &Progress) {
        let Some(limit) = self.arrival.filter(|_| progress.ended().is_none()) else { return pending().await };
        sleep(limit).await;
        if progress.ended().is_some() {
            pending::<()>().await;
        }
    }

    /// Looks after each interval whether anything has come since.
    async fn silence(&self, progress: &Progress) -> bool {
        let Some(limit) = self.idle else { return pending().await };
        loop {
            let before = (progress.bytes(), progress.ended());
            sleep(limit).await;
            if before == (progress.bytes(), progress.ended()) {
                return progress.ended().is_some();
            }
        }
    }
}

/// `grpc-timeout`: up to eight digits and a unit.
/// <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>
fn grpc_timeout(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    let number = digits.parse::<u64>().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests;
