//! What HTTP filters do for single routes: faults and cross-origin rules.

use mesh_model::config::{AbortStatus, Cors, Fault, HttpRoute, Percent, UnmatchedPreflights};

use crate::{
    listener::{CORS, FAULT},
    pb::{
        self,
        cors::CorsPolicy,
        fault::{FaultAbort, HttpFault, fault_abort::ErrorType},
        fault_common::{FaultDelay, fault_delay::FaultDelaySecifier},
    },
    wire::{any, duration, flag, fraction, runtime_fraction, string_matcher},
};

/// Settings of filters, by filter.
pub(super) fn filter_configs(http: &HttpRoute) -> impl Iterator<Item = (String, pb::Any)> {
    let fault = http.fault.as_ref().map(|f| (FAULT.to_owned(), any(&fault(f))));
    let cors = http.cors.as_ref().map(|c| (CORS.to_owned(), any(&cors(c))));
    fault.into_iter().chain(cors)
}

fn fault(fault: &Fault) -> HttpFault {
    HttpFault {
        delay: fault.delay.as_ref().map(|delay| FaultDelay {
            percentage: Some(fraction(delay.share)),
            fault_delay_secifier: Some(FaultDelaySecifier::FixedDelay(duration(delay.fixed))),
        }),
        abort: fault.abort.as_ref().map(|abort| FaultAbort {
            percentage: Some(fraction(abort.share)),
            error_type: Some(match abort.status {
                AbortStatus::Http(status) => ErrorType::HttpStatus(u32::from(status)),
                AbortStatus::Grpc(status) => ErrorType::GrpcStatus(status),
            }),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn cors(cors: &Cors) -> CorsPolicy {
    CorsPolicy {
        allow_origin_string_match: cors.allow_origins.iter().map(string_matcher).collect(),
        allow_methods: cors.allow_methods.join(","),
        allow_headers: cors.allow_headers.join(","),
        expose_headers: cors.expose_headers.join(","),
        max_age: cors.max_age.map(|age| age.as_secs().to_string()).unwrap_or_default(),
        allow_credentials: cors.allow_credentials.and_then(flag),
        filter_enabled: Some(runtime_fraction(Percent::ALL)),
        forward_not_matching_preflights: flag(cors.unmatched_preflights == UnmatchedPreflights::Forward),
        ..Default::default()
    }
}
