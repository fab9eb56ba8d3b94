//! When a request is tried again.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use mesh_proto::envoy::envoy::config::route::v3 as pb;

use crate::{
    refusal::{At, Bad},
    take::{duration, ensure, limit, nothing_left, number, type_name},
};

/// A retry policy: a value; the request that runs under it counts its own tries.
///
/// <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many tries beside the first.
    pub retries: u32,
    /// How long one try may take; none leaves it to the route's timeout.
    pub per_try_timeout: Option<Duration>,
    /// How often to pick again when an endpoint was tried before; 0 does not avoid those.
    pub other_host_attempts: u32,
    on: Conditions,
    statuses: Vec<StatusCode>,
    base: Duration,
    max: Duration,
}

/// How a try ended.
#[derive(Clone, Copy, Debug)]
pub enum TryOutcome<'a> {
    /// No connection came about; nothing was sent.
    ConnectFailure,
    /// The connection broke.
    Reset {
        /// Whether any of the request may have been sent.
        request_sent: bool,
    },
    /// The upstream refused the stream unprocessed (HTTP/2 REFUSED_STREAM, GOAWAY).
    RefusedStream,
    /// The try took too long.
    PerTryTimeout,
    /// An answer came.
    Response(StatusCode, &'a HeaderMap),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Conditions(u32);

impl Conditions {
    const FIVE_XX: u32 = 1;
    const GATEWAY_ERROR: u32 = 1 << 1;
    const RESET: u32 = 1 << 2;
    const CONNECT_FAILURE: u32 = 1 << 3;
    const RETRIABLE_4XX: u32 = 1 << 4;
    const REFUSED_STREAM: u32 = 1 << 5;
    const STATUS_CODES: u32 = 1 << 6;
    const RESET_BEFORE_REQUEST: u32 = 1 << 7;
    const RATE_LIMITED: u32 = 1 << 8;
    /// The gRPC codes, shifted by 16.
    const GRPC: u32 = 16;

    const WORDS: &[(&str, u32)] = &[
        ("5xx", Self::FIVE_XX),
        ("gateway-error", Self::GATEWAY_ERROR),
        ("reset", Self::RESET),
        ("reset-before-request", Self::RESET_BEFORE_REQUEST),
        ("connect-failure", Self::CONNECT_FAILURE),
        ("envoy-ratelimited", Self::RATE_LIMITED),
        ("retriable-4xx", Self::RETRIABLE_4XX),
        ("refused-stream", Self::REFUSED_STREAM),
        ("retriable-status-codes", Self::STATUS_CODES),
        ("cancelled", 1 << (Self::GRPC + 1)),
        ("deadline-exceeded", 1 << (Self::GRPC + 4)),
        ("resource-exhausted", 1 << (Self::GRPC + 8)),
        ("internal", 1 << (Self::GRPC + 13)),
        ("unavailable", 1 << (Self::GRPC + 14)),
    ];

    fn parse(words: &str) -> Result<Self, Bad> {
        let mut all = 0;
        for word in words.split(',').map(str::trim).filter(|w| !w.is_empty()) {
            let found = Self::WORDS.iter().find(|(known, _)| *known == word);
            all |= found.ok_or_else(|| Bad::new("", format!("the condition `{word}` is not supported")))?.1;
        }
        Ok(Self(all))
    }

    fn any(self, of: u32) -> bool {
        self.0 & of != 0
    }
}

impl RetryPolicy {
    pub(super) fn parse(mut message: pb::RetryPolicy) -> Result<Self, Bad> {
        let on = Conditions::parse(&std::mem::take(&mut message.retry_on)).at("retry_on")?;
        let statuses = std::mem::take(&mut message.retriable_status_codes).into_iter();
        let statuses = statuses.map(|code| u16::try_from(code).ok().and_then(|code| StatusCode::from_u16(code).ok()));
        let statuses = statuses
            .collect::<Option<_>>()
            .ok_or_else(|| Bad::new("retriable_status_codes", "holds a number that is no status"))?;
        let avoid = Self::parse_predicates(std::mem::take(&mut message.retry_host_predicate))?;
        let attempts = std::mem::take(&mut message.host_selection_retry_max_attempts);
        let attempts = u32::try_from(attempts.max(1)).unwrap_or(u32::MAX);
        let mut back_off = message.retry_back_off.take().unwrap_or_default();
        let base = duration(back_off.base_interval.take()).at("retry_back_off.base_interval")?;
        let base = base.unwrap_or(Duration::from_millis(25));
        let max = duration(back_off.max_interval.take()).at("retry_back_off.max_interval")?.unwrap_or(base * 10);
        ensure(!base.is_zero() && base <= max, "retry_back_off", "must be above zero and not above its maximum")?;
        let policy = Self {
            retries: number(message.num_retries.take()).unwrap_or(1),
            per_try_timeout: limit(message.per_try_timeout.take()).at("per_try_timeout")?,
            other_host_attempts: if avoid { attempts } else { 0 },
            on,
            statuses,
            base,
            max,
        };
        nothing_left(&message)?;
        Ok(policy)
    }

    fn parse_predicates(predicates: Vec<pb::retry_policy::RetryHostPredicate>) -> Result<bool, Bad> {
        use pb::retry_policy::retry_host_predicate::ConfigType::TypedConfig;
        const PREVIOUS: &str = "envoy.retry_host_predicates.previous_hosts";
        const PREVIOUS_TYPE: &str = "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate";
        for (index, predicate) in predicates.iter().enumerate() {
            let known = match &predicate.config_type {
                None => predicate.name == PREVIOUS,
                Some(TypedConfig(any)) => type_name(any) == PREVIOUS_TYPE,
            };
            ensure(known, "", "only previous_hosts is supported").at_index("retry_host_predicate", index)?;
        }
        Ok(!predicates.is_empty())
    }

    /// After what it tries again, in the words of `x-envoy-retry-on`, status codes last.
    pub fn conditions(&self) -> String {
        let words = Conditions::WORDS.iter().filter(|(_, bit)| self.on.any(*bit)).map(|(word, _)| (*word).to_owned());
        words.chain(self.statuses.iter().map(|status| status.as_u16().to_string())).collect::<Vec<_>>().join(",")
    }

    /// Whether such an end may be followed by another try.
    pub fn retries_after(&self, outcome: &TryOutcome<'_>) -> bool {
        use Conditions as C;
        match outcome {
            TryOutcome::ConnectFailure => self.on.any(C::CONNECT_FAILURE | C::FIVE_XX | C::GATEWAY_ERROR | C::RESET),
            TryOutcome::Reset { request_sent: false } => {
                self.on.any(C::RESET_BEFORE_REQUEST | C::RESET | C::FIVE_XX | C::GATEWAY_ERROR)
            }
            TryOutcome::Reset { request_sent: true } => self.on.any(C::RESET | C::FIVE_XX | C::GATEWAY_ERROR),
            TryOutcome::RefusedStream => self.on.any(C::REFUSED_STREAM | C::RESET | C::FIVE_XX | C::GATEWAY_ERROR),
            TryOutcome::PerTryTimeout => self.on.any(C::FIVE_XX | C::GATEWAY_ERROR | C::RESET),
            TryOutcome::Response(status, headers) => self.retries_response(*status, headers),
        }
    }

    fn retries_response(&self, status: StatusCode, headers: &HeaderMap) -> bool {
        use Conditions as C;
        if headers.contains_key("x-envoy-ratelimited") {
            return self.on.any(C::RATE_LIMITED);
        }
        let grpc = headers.get("grpc-status").and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u32>().ok());
        let grpc = grpc.filter(|code| *code < 16).map_or(0, |code| 1 << (C::GRPC + code));
        self.on.any(grpc)
            || status.is_server_error() && self.on.any(C::FIVE_XX)
            || matches!(status.as_u16(), 502..=504) && self.on.any(C::GATEWAY_ERROR)
            || status == StatusCode::CONFLICT && self.on.any(C::RETRIABLE_4XX)
            || self.on.any(C::STATUS_CODES) && self.statuses.contains(&status)
    }

    /// How long to wait before retry number `retry` (from 1): somewhere below an interval that doubles each time.
    pub fn back_off(&self, retry: u32, random: u64) -> Duration {
        let factor = 2_u32.saturating_pow(retry.min(20)).saturating_sub(1);
        let limit = self.base.saturating_mul(factor).min(self.max);
        let micros = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX).max(1);
        Duration::from_micros(random % micros)
    }
}
