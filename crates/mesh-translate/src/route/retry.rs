//! Retries.

use mesh_model::config::{MeshConfig, Retries, RetryPolicy as Asked};

use crate::{
    pb::{
        previous_hosts::PreviousHostsPredicate,
        route::{
            RetryPolicy,
            retry_policy::{RetryHostPredicate, retry_host_predicate::ConfigType},
        },
    },
    wire::{any, duration, number},
};

/// Istio's conditions where nobody named any; no status codes are among them since 1.24.
const DEFAULT_CONDITIONS: &str = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";
/// Istio's count of retries where nobody named one.
const DEFAULT_ATTEMPTS: u32 = 2;

/// The policy of a route: its own, else the mesh's, else Istio's. With consistent hashing a retry keeps its endpoint.
pub(super) fn policy(asked: Option<&Retries>, mesh: &MeshConfig, hashed: bool) -> Option<RetryPolicy> {
    let mut policy = RetryPolicy {
        retry_on: DEFAULT_CONDITIONS.to_owned(),
        num_retries: number(DEFAULT_ATTEMPTS),
        host_selection_retry_max_attempts: 5,
        retry_host_predicate: vec![previous_hosts()],
        ..Default::default()
    };
    match asked.or(mesh.default_http_retry.as_ref()) {
        None => {}
        Some(Retries::Off) => return None,
        Some(Retries::On(asked)) => apply(&mut policy, asked),
    }
    if hashed {
        policy.retry_host_predicate.clear();
        policy.host_selection_retry_max_attempts = 0;
    }
    Some(policy)
}

fn apply(policy: &mut RetryPolicy, asked: &Asked) {
    policy.num_retries = number(asked.attempts.get());
    policy.per_try_timeout = asked.per_try_timeout.map(duration);
    if !asked.conditions.is_empty() || !asked.statuses.is_empty() {
        let mut conditions: Vec<&str> = asked.conditions.iter().map(String::as_str).collect();
        if !asked.statuses.is_empty() && !conditions.contains(&"retriable-status-codes") {
            conditions.push("retriable-status-codes");
        }
        policy.retry_on = conditions.join(",");
        policy.retriable_status_codes = asked.statuses.iter().map(|s| u32::from(*s)).collect();
    }
}

/// A retry goes to another endpoint.
fn previous_hosts() -> RetryHostPredicate {
    RetryHostPredicate {
        name: "envoy.retry_host_predicates.previous_hosts".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(&PreviousHostsPredicate::default()))),
    }
}

/// Towards the workload itself: only what cannot have reached it.
pub(super) fn inbound() -> RetryPolicy {
    RetryPolicy { retry_on: "reset-before-request".to_owned(), num_retries: number(2), ..Default::default() }
}
