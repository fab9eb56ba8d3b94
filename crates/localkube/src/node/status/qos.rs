//! The quality-of-service class of a pod.

use k8s_openapi::{api::core::v1::PodSpec, apimachinery::pkg::api::resource::Quantity};

use crate::node::fields::nanos;

/// `Guaranteed`, `Burstable` or `BestEffort`, by the cpu and memory of all containers.
pub fn class(spec: &PodSpec) -> &'static str {
    let amount = |quantity: Option<&Quantity>| quantity.and_then(|q| nanos(&q.0)).filter(|n| *n > 0);
    let (mut any, mut guaranteed) = (false, true);
    for container in spec.init_containers.iter().flatten().chain(&spec.containers) {
        let resources = container.resources.clone().unwrap_or_default();
        for name in ["cpu", "memory"] {
            let limit = amount(resources.limits.as_ref().and_then(|l| l.get(name)));
            let request = amount(resources.requests.as_ref().and_then(|r| r.get(name)));
            any |= limit.is_some() || request.is_some();
            guaranteed &= limit.is_some() && request.is_none_or(|r| Some(r) == limit);
        }
    }
    match (any, guaranteed) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}
