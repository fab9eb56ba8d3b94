//! The scale subresource: an `autoscaling/v1` Scale over any kind that has one.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{At, Ownership};
use crate::{
    api::{Api, Caller, Part, WriteOptions, selector::Labels},
    kinds::{Kind, ScalePaths},
    object::Object,
    status::{Cause, Status},
    store::Stored,
};

/// The Scale of an object.
pub fn of(paths: &ScalePaths, object: &Object) -> Value {
    let metadata = object.metadata();
    let copied = |member: &str| metadata.and_then(|m| m.get(member)).cloned().unwrap_or(Value::Null);
    let selector = match paths.selector.as_ref().and_then(|pointer| object.at(pointer)) {
        Some(Value::String(text)) => text.clone(),
        Some(selector) => Labels::from_value(selector).unwrap_or_default().to_string(),
        None => String::new(),
    };
    let mut status = json!({"replicas": object.int(&paths.status).unwrap_or(0)});
    if !selector.is_empty() {
        status["selector"] = selector.into();
    }
    let mut scale = json!({
        "apiVersion": "autoscaling/v1", "kind": "Scale",
        "metadata": {
            "name": object.name(), "uid": object.uid(), "resourceVersion": copied("resourceVersion"),
            "creationTimestamp": copied("creationTimestamp"),
        },
        "spec": {"replicas": object.int(&paths.spec).unwrap_or(0)},
        "status": status,
    });
    if !object.namespace().is_empty() {
        scale["metadata"]["namespace"] = object.namespace().into();
    }
    scale
}

impl Api {
    /// Changes the number of replicas by a change to the object's Scale.
    pub async fn change_scale(
        &self,
        caller: &Caller,
        kind: &Kind,
        at: At<'_>,
        options: &WriteOptions,
        change: impl Fn(Value) -> Result<Value, Status>,
    ) -> Result<Arc<Stored>, Status> {
        let Some(paths) = &kind.scale else {
            return Err(Status::not_found(&kind.group, &kind.plural, at.name));
        };
        let write = |old: &Object| {
            let scale = change(of(paths, old))?;
            let replicas = scale.pointer("/spec/replicas").cloned().unwrap_or_else(|| json!(0));
            let valid = replicas.as_i64().is_some_and(|n| (0..=i64::from(i32::MAX)).contains(&n));
            if !valid {
                let cause = Cause::invalid("spec.replicas", &replicas, "must be greater than or equal to 0");
                return Err(Status::invalid("autoscaling", "Scale", at.name, &[cause]));
            }
            let mut new = old.clone();
            let version = scale.pointer("/metadata/resourceVersion").cloned().unwrap_or(Value::Null);
            new.set_meta("resourceVersion", version);
            set_at(new.value_mut(), &paths.spec, replicas);
            Ok(new)
        };
        self.change(caller, kind, Part::Main, at, options, Ownership::Tracked, write).await
    }
}

/// Sets the value at a JSON pointer, making objects on the way.
fn set_at(value: &mut Value, pointer: &str, new: Value) {
    let mut place = value;
    for step in pointer.split('/').skip(1) {
        if !place.is_object() {
            *place = json!({});
        }
        place = &mut place[step];
    }
    *place = new;
}
