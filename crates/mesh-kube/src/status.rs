//! Conditions in an object's status: what they should be, compared with what they are, written only when they differ.
//!
//! <https://github.com/kubernetes/community/blob/master/contributors/devel/sig-architecture/api-conventions.md#typical-status-properties>

use k8s_openapi::jiff::Timestamp;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// One condition as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its type, such as `Accepted`.
    pub kind: &'static str,
    /// `True` or `False`.
    pub is_true: bool,
    /// One word in CamelCase.
    pub reason: &'static str,
    /// For people.
    pub message: String,
    /// metadata.generation of the object that this was said of.
    pub observed_generation: i64,
}

impl Condition {
    fn status(&self) -> &'static str {
        if self.is_true { "True" } else { "False" }
    }

    fn holds_in(&self, present: &Value) -> bool {
        present["status"] == self.status()
            && present["reason"] == self.reason
            && present["message"] == self.message.as_str()
            && present["observedGeneration"] == self.observed_generation
    }
}

/// The conditions that a status should have, or none when it has them. Conditions of others stay.
pub fn merged(status: Option<&Value>, wanted: &[Condition], now: Timestamp) -> Option<Vec<Value>> {
    let present: &[Value] = status.and_then(|s| s["conditions"].as_array()).map_or(&[], Vec::as_slice);
    let conditions = conditions(present, wanted, now);
    (conditions != present).then_some(conditions)
}

/// The conditions that should stand in a list; the list itself when it has them. Conditions of others stay, and one that
/// keeps its status keeps its time.
pub fn conditions(present: &[Value], wanted: &[Condition], now: Timestamp) -> Vec<Value> {
    let find = |kind: &str| present.iter().find(|condition| condition["type"] == kind);
    if wanted.iter().all(|condition| find(condition.kind).is_some_and(|present| condition.holds_in(present))) {
        return present.to_vec();
    }
    let others = present.iter().filter(|p| wanted.iter().all(|w| p["type"] != w.kind)).cloned();
    // Whole seconds: that is all that Kubernetes' `Time` keeps.
    let now = json!(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(now));
    let ours = wanted.iter().map(|condition| {
        let before = find(condition.kind).filter(|present| present["status"] == condition.status());
        let since = before.map(|present| &present["lastTransitionTime"]).filter(|time| time.is_string());
        json!({
            "type": condition.kind,
            "status": condition.status(),
            "reason": condition.reason,
            "message": condition.message,
            "observedGeneration": condition.observed_generation,
            "lastTransitionTime": since.unwrap_or(&now),
        })
    });
    others.chain(ours).collect()
}

/// Writes fields of a status, if the object still is the one that was read.
///
/// # Errors
/// The API server refuses: 409 when the object changed meanwhile (the next change of it will ask again), 404 when it went.
pub async fn write<K>(
    api: &Api<K>,
    name: &str,
    resource_version: &str,
    fields: Map<String, Value>,
) -> Result<(), kube::Error>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let patch = json!({
        "metadata": { "resourceVersion": resource_version },
        "status": fields,
    });
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
}

#[cfg(test)]
mod tests;
