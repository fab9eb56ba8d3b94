//! `/lateen/scope`: which destinations the workload really called, those of its scope and those out of it.
//!
//! A page of our own; `lateenctl scope` reads it. Names of addresses are not known here: the control plane has them.

use std::time::UNIX_EPOCH;

use axum::{Json, extract::State};
use serde_json::{Value, json};

use super::Admin;

/// Clusters of the workload's calls have this before their ports.
const OUTBOUND: &str = "outbound|";

pub(super) async fn page(State(admin): State<Admin>) -> Json<Value> {
    let called = admin.shared.stats.calls().into_iter().filter(|(name, _)| name.starts_with(OUTBOUND));
    let missed = admin.shared.reasons.missed().into_iter().map(|call| {
        json!({
            "address": call.address,
            "host": call.host,
            "reason": call.reason.code(),
            "calls": call.calls,
            "lastSeen": call.last.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        })
    });
    Json(json!({
        "called": called.map(|(name, calls)| json!({ "cluster": name, "calls": calls })).collect::<Vec<_>>(),
        "missed": missed.collect::<Vec<_>>(),
        "misses": admin.shared.reasons.scope_misses(),
    }))
}
