//! What a rule of `spec.http` does to its requests.

use std::num::NonZeroU32;

use base64::Engine as _;
use istio_api::virtual_service as api;

use super::{
    at::At,
    headers::header_name,
    words::{destination, optional_port, pattern, percent, said, string_match, time},
};
use crate::config::{
    AbortStatus, Cors, DirectResponse, Fault, FaultAbort, FaultDelay, Mirror, Percent, Redirect, RedirectCode,
    RedirectPort, Retries, RetryPolicy, Rewrite, StringMatch, UnmatchedPreflights, UriRewrite,
};

/// The longest body of a direct response, and the length from which one is remarked upon. Bytes.
const BODY_MAX: usize = 1024 * 1024;
const BODY_LARGE: usize = 100 * 1024;

/// Conditions of Envoy's router, by which it retries.
/// <https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on>
const RETRY_ON: &[&str] = &[
    "5xx",
    "gateway-error",
    "reset",
    "reset-before-request",
    "connect-failure",
    "retriable-4xx",
    "refused-stream",
    "retriable-status-codes",
    "retriable-headers",
    "envoy-ratelimited",
    "http3-post-connect-failure",
    "cancelled",
    "deadline-exceeded",
    "internal",
    "resource-exhausted",
    "unavailable",
];

/// gRPC's statuses in the order of their numbers. <https://github.com/grpc/grpc/blob/master/doc/statuscodes.md>
const GRPC: &[&str] = &[
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

const METHODS: &[&str] = &["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "CONNECT", "OPTIONS", "TRACE"];

/// A status that Envoy can answer with.
fn status(number: i64, at: &At<'_>) -> Option<u16> {
    let status = u16::try_from(number).ok().filter(|s| (200..600).contains(s));
    if status.is_none() {
        at.error(format!("{number} is not a status to answer with"), "write a number from 200 to 599");
    }
    status
}

pub(super) fn redirect(given: &api::HttpRedirect, at: &At<'_>) -> Option<Redirect> {
    let fixed = given.port.and_then(|p| optional_port(p, &at.field("port")));
    let port = match (fixed, given.derive_port) {
        (Some(_), Some(_)) => {
            at.error("both port and derivePort are set", "keep one of them");
            None
        }
        (Some(port), None) => Some(RedirectPort::Number(port)),
        (None, Some(api::RedirectPortSelection::FromProtocolDefault)) => Some(RedirectPort::OfProtocol),
        (None, Some(api::RedirectPortSelection::FromRequestPort)) => Some(RedirectPort::OfRequest),
        (None, None) => None,
    };
    let silent = given.uri.is_empty() && given.authority.is_empty() && given.scheme.is_empty();
    if silent && given.port.is_none() && given.derive_port.is_none() {
        at.error("the redirect leads to where the request came", "set uri, authority, scheme or port");
    }
    if !["", "http", "https"].contains(&given.scheme.as_str()) {
        at.field("scheme").error(format!("`{}` is no scheme of a redirect", given.scheme), "write http or https");
    }
    let code = match given.redirect_code {
        0 | 301 => RedirectCode::MovedPermanently,
        302 => RedirectCode::Found,
        303 => RedirectCode::SeeOther,
        307 => RedirectCode::TemporaryRedirect,
        308 => RedirectCode::PermanentRedirect,
        other => {
            at.field("redirectCode").error(format!("{other} does not redirect"), "write 301, 302, 303, 307 or 308");
            return None;
        }
    };
    let (uri, authority, scheme) = (said(&given.uri), said(&given.authority), said(&given.scheme));
    Some(Redirect { uri, rewrite: None, authority, port, scheme, code })
}

pub(super) fn direct_response(given: &api::HttpDirectResponse, at: &At<'_>) -> DirectResponse {
    let body_at = &at.field("body");
    let body = given.body.as_ref().and_then(|b| body(b, body_at));
    match body.as_ref().map_or(0, Vec::len) {
        n if n > BODY_MAX => body_at.error(format!("the body has {n} bytes"), "keep it below 1 MiB, or serve it"),
        n if n > BODY_LARGE => {
            body_at.warn(format!("the body has {n} bytes, which every proxy keeps"), "serve it from a workload");
        }
        _ => {}
    }
    DirectResponse { status: status(given.status.into(), &at.field("status")).unwrap_or(200), body }
}

fn body(given: &api::HttpBody, at: &At<'_>) -> Option<Vec<u8>> {
    match (&given.string, &given.bytes) {
        (Some(_), Some(_)) => {
            at.error("both string and bytes are set", "keep one of them");
            None
        }
        (Some(text), None) => Some(text.clone().into_bytes()),
        (None, Some(text)) => base64::engine::general_purpose::STANDARD
            .decode(text)
            .map_err(|e| {
                at.field("bytes").error(
                    format!("the bytes are no base64: {}", e.to_string().trim_end_matches('.')),
                    "encode them, or use string",
                )
            })
            .ok(),
        (None, None) => None,
    }
}

pub(super) fn rewrite(given: &api::HttpRewrite, at: &At<'_>) -> Option<Rewrite> {
    let uri = match (&given.uri_regex_rewrite, said(&given.uri)) {
        (Some(_), Some(_)) => {
            at.error("both uri and uriRegexRewrite are set", "keep one of them");
            None
        }
        (Some(by), None) => {
            let at = &at.field("uriRegexRewrite");
            if by.rewrite.is_empty() {
                at.field("rewrite").error("what takes the place of the match is missing", "write it, `/` for the root");
            }
            let substitution = by.rewrite.clone();
            pattern(&by.r#match, &at.field("match")).map(|pattern| UriRewrite::Regex { pattern, substitution })
        }
        (None, uri) => uri.map(UriRewrite::Replace),
    };
    let authority = said(&given.authority);
    if given.uri.is_empty() && given.uri_regex_rewrite.is_none() && authority.is_none() {
        at.error("the rewrite changes nothing", "set uri, uriRegexRewrite or authority");
        return None;
    }
    Some(Rewrite { uri, authority })
}

pub(super) fn retries(given: &api::HttpRetry, at: &At<'_>) -> Retries {
    let mut conditions = Vec::new();
    let mut statuses = Vec::new();
    for word in given.retry_on.split(',').map(str::trim).filter(|w| !w.is_empty()) {
        match word.parse::<u16>() {
            Ok(code) if (100..600).contains(&code) => statuses.push(code),
            _ if RETRY_ON.contains(&word) => conditions.push(word.to_owned()),
            _ => at.field("retryOn").error(
                format!("`{word}` is no reason to retry"),
                "write Envoy's conditions (5xx, gateway-error, connect-failure, ...), gRPC's, or a status",
            ),
        }
    }
    let per_try_timeout = time(given.per_try_timeout, &at.field("perTryTimeout"));
    let Ok(attempts) = u32::try_from(given.attempts) else {
        at.field("attempts").error(format!("{} is no number of attempts", given.attempts), "write 0 or more");
        return Retries::Off;
    };
    let Some(attempts) = NonZeroU32::new(attempts) else {
        let says_more =
            given.per_try_timeout.is_some() || !given.retry_on.is_empty() || given.retry_remote_localities.is_some();
        if says_more {
            at.field("attempts").error(
                "there are no attempts, so the other fields mean nothing",
                "set attempts to 1 or more, or remove the other fields",
            );
        }
        return Retries::Off;
    };
    let remote_localities = given.retry_remote_localities;
    Retries::On(RetryPolicy { attempts, per_try_timeout, conditions, statuses, remote_localities })
}

pub(super) fn fault(given: &api::HttpFaultInjection, at: &At<'_>) -> Option<Fault> {
    if given.delay.is_none() && given.abort.is_none() {
        at.error("the fault neither delays nor aborts", "set delay or abort");
    }
    let delay = given.delay.as_ref().and_then(|d| fault_delay(d, &at.field("delay")));
    let abort = given.abort.as_ref().and_then(|a| fault_abort(a, &at.field("abort")));
    (delay.is_some() || abort.is_some()).then_some(Fault { delay, abort })
}

fn fault_delay(given: &api::FaultDelay, at: &At<'_>) -> Option<FaultDelay> {
    if given.exponential_delay.is_some() {
        at.field("exponentialDelay").error("exponential delays are not supported", "use fixedDelay");
    }
    if given.percent != 0 {
        at.field("percent").warn("percent is the old form of percentage", "write percentage.value");
    }
    let share = match &given.percentage {
        Some(p) => percent(p.value, &at.field("percentage").field("value")),
        None => percent(given.percent.into(), &at.field("percent")),
    };
    warn_never(share, at);
    let Some(fixed) = time(given.fixed_delay, &at.field("fixedDelay")) else {
        at.field("fixedDelay").error("the delay has no length", "write for example 5s");
        return None;
    };
    Some(FaultDelay { fixed, share })
}

fn fault_abort(given: &api::FaultAbort, at: &At<'_>) -> Option<FaultAbort> {
    if given.http2_error.is_some() {
        at.field("http2Error").error("errors of HTTP/2 are not supported", "use httpStatus or grpcStatus");
    }
    let share =
        given.percentage.as_ref().map_or(Percent::ZERO, |p| percent(p.value, &at.field("percentage").field("value")));
    warn_never(share, at);
    let status = match (given.http_status, &given.grpc_status) {
        (Some(_), Some(_)) => {
            at.error("both httpStatus and grpcStatus are set", "keep one of them");
            None
        }
        (Some(number), None) => status(number.into(), &at.field("httpStatus")).map(AbortStatus::Http),
        (None, Some(name)) => {
            let number = (0u32..).zip(GRPC).find(|(_, known)| *known == name).map(|(number, _)| number);
            if number.is_none() {
                at.field("grpcStatus").error(format!("`{name}` is no status of gRPC"), "write for example UNAVAILABLE");
            }
            number.map(AbortStatus::Grpc)
        }
        (None, None) => {
            at.warn("the abort has no status and does nothing", "set httpStatus or grpcStatus");
            None
        }
    };
    status.map(|status| FaultAbort { status, share })
}

fn warn_never(share: Percent, at: &At<'_>) {
    if share == Percent::ZERO {
        at.warn("the fault happens to no request", "set percentage.value to the share that is meant, 100 for all");
    }
}

pub(super) fn mirrors(route: &api::HttpRoute, at: &At<'_>) -> Vec<Mirror> {
    let share_at = &at.field("mirrorPercentage");
    if route.mirror.is_some() && !route.mirrors.is_empty() {
        at.field("mirrors").error("both mirror and mirrors are set", "put all of them into mirrors");
    }
    if route.mirror_percent.is_some() {
        at.field("mirrorPercent")
            .warn("mirrorPercent is the old form of mirrorPercentage", "write mirrorPercentage.value");
    }
    let share = match (&route.mirror_percentage, route.mirror_percent) {
        (Some(p), _) => percent(p.value, &share_at.field("value")),
        (None, Some(whole)) => percent(whole.into(), &at.field("mirrorPercent")),
        (None, None) => Percent::ALL,
    };
    let single = route.mirror.as_ref().and_then(|m| destination(Some(m), &at.field("mirror")));
    let listed = at.field("mirrors").each(&route.mirrors, |m, at| {
        let share =
            m.percentage.as_ref().map_or(Percent::ALL, |p| percent(p.value, &at.field("percentage").field("value")));
        Some(Mirror { destination: destination(m.destination.as_ref(), &at.field("destination"))?, share })
    });
    single.map(|destination| Mirror { destination, share }).into_iter().chain(listed).collect()
}

pub(super) fn cors(given: &api::CorsPolicy, at: &At<'_>) -> Cors {
    let old = at.field("allowOrigin").each(&given.allow_origin, |origin, at| {
        at.warn("allowOrigin is the old form of allowOrigins", "write allowOrigins with exact");
        Some(StringMatch::Exact(origin.clone()))
    });
    let origins = at.field("allowOrigins").each(&given.allow_origins, |m, at| {
        let origin = string_match(m, at);
        if m.exact.as_deref() == Some("") || *m == istio_api::common::StringMatch::default() {
            at.error("the origin is empty", "set exact, prefix or regex");
        }
        origin
    });
    let methods_at = &at.field("allowMethods");
    for (index, method) in given.allow_methods.iter().enumerate().filter(|(_, m)| !METHODS.contains(&m.as_str())) {
        methods_at.index(index).error(format!("`{method}` is no method of HTTP"), "write for example GET, in capitals");
    }
    for (field, names) in [("allowHeaders", &given.allow_headers), ("exposeHeaders", &given.expose_headers)] {
        let at = &at.field(field);
        for (index, name) in names.iter().enumerate().filter(|(_, name)| *name != "*") {
            header_name(name, &at.index(index));
        }
    }
    let max_age = time(given.max_age, &at.field("maxAge"));
    if max_age.is_some_and(|age| age.subsec_nanos() != 0) {
        at.field("maxAge").error("browsers count in whole seconds", "round it to seconds");
    }
    Cors {
        allow_origins: origins.into_iter().chain(old).collect(),
        allow_methods: given.allow_methods.clone(),
        allow_headers: given.allow_headers.clone(),
        expose_headers: given.expose_headers.clone(),
        max_age,
        allow_credentials: given.allow_credentials,
        unmatched_preflights: match given.unmatched_preflights {
            api::UnmatchedPreflights::Unspecified | api::UnmatchedPreflights::Forward => UnmatchedPreflights::Forward,
            api::UnmatchedPreflights::Ignore => UnmatchedPreflights::Ignore,
        },
    }
}
