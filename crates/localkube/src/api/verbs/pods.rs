//! The subresources of pods that are writes: binding and eviction.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{At, DeleteOptions, Deleted, TRIES, now, rules};
use crate::{
    api::{Api, Caller},
    kinds::Kind,
    object::Object,
    status::Status,
    store::{Lost, Precondition, Stored},
};

impl Api {
    /// Puts a pod on a node, as `pods/binding` does: `spec.nodeName` and the condition PodScheduled in one write.
    /// 409 when it has a node already or is going. `uid` and annotations come from the Binding's metadata.
    pub async fn bind(&self, kind: &Kind, at: At<'_>, binding: &Value) -> Result<Arc<Stored>, Status> {
        let node = binding["target"]["name"].as_str().unwrap_or_default();
        if node.is_empty() {
            return Err(Status::bad_request("target.name: Required value: the node to bind the pod to"));
        }
        for _ in 0..TRIES {
            let old = self.get(kind, at.namespace, at.name)?;
            let uid = binding["metadata"]["uid"].as_str();
            rules::check_preconditions(kind, &old.object, uid, None)?;
            let bound = bound(&old.object, node, &binding["metadata"]["annotations"])
                .map_err(|why| Status::conflict("", "pods/binding", at.name, &why))?;
            match self.store().put(&kind.resource(), bound, Precondition::Revision(old.object.revision())) {
                Ok(stored) => return Ok(stored),
                Err(Lost(_)) => tokio::task::yield_now().await,
            }
        }
        Err(rules::outdated(kind, at.name))
    }

    /// Evicts a pod: deletes it with the options inside the Eviction.
    pub async fn evict(
        &self,
        caller: &Caller,
        kind: &Kind,
        at: At<'_>,
        options: DeleteOptions,
    ) -> Result<Deleted, Status> {
        self.delete(caller, kind, at.namespace, at.name, &options).await
    }
}

fn bound(old: &Object, node: &str, annotations: &Value) -> Result<Object, String> {
    let assigned = old.text("/spec/nodeName");
    if !assigned.is_empty() {
        return Err(format!("pod {} is already assigned to node \"{assigned}\"", old.name()));
    }
    if old.is_deleting() {
        return Err(format!("pod {} is being deleted, cannot be assigned to a host", old.name()));
    }
    let mut new = old.clone();
    let value = new.value_mut();
    value["spec"]["nodeName"] = node.into();
    for (key, text) in annotations.as_object().into_iter().flatten() {
        value["metadata"]["annotations"][key] = text.clone();
    }
    let condition =
        json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now()});
    match value["status"]["conditions"].as_array_mut() {
        Some(conditions) => {
            conditions.retain(|c| c["type"] != "PodScheduled");
            conditions.push(condition);
        }
        None => value["status"]["conditions"] = json!([condition]),
    }
    Ok(new)
}
