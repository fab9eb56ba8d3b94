//! One Kubernetes object as JSON, with names for the metadata that every kind shares.

use k8s_openapi::serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use crate::status::Status;

/// A Kubernetes object of any kind: a JSON object with `apiVersion`, `kind` and `metadata`.
#[derive(Clone, Debug, PartialEq)]
pub struct Object(Value);

impl Object {
    /// Wraps `value`; anything but a JSON object is refused with 400.
    pub fn new(mut value: Value) -> Result<Self, Status> {
        let Some(map) = value.as_object_mut() else {
            return Err(Status::bad_request("the body must be a JSON object"));
        };
        match map.get("metadata") {
            None | Some(Value::Null) => {
                map.insert("metadata".into(), json!({}));
            }
            Some(Value::Object(_)) => {}
            Some(_) => return Err(Status::bad_request("metadata must be an object")),
        }
        Ok(Self(value))
    }

    /// Encodes a typed value.
    pub fn from_typed<T: Serialize>(typed: &T) -> Result<Self, Status> {
        Self::new(serde_json::to_value(typed).map_err(|e| Status::bad_request(e.to_string()))?)
    }

    /// Decodes into a typed value, such as a `k8s_openapi` struct.
    pub fn to_typed<T: DeserializeOwned>(&self) -> Result<T, Status> {
        T::deserialize(&self.0).map_err(|e| Status::bad_request(e.to_string()))
    }

    /// The whole JSON.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// The whole JSON, for change. `metadata` must stay an object.
    pub fn value_mut(&mut self) -> &mut Value {
        &mut self.0
    }

    /// Gives the JSON back.
    pub fn into_value(self) -> Value {
        self.0
    }

    /// The value at a JSON pointer such as `/spec/replicas`.
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        self.0.pointer(pointer)
    }

    /// The string at a JSON pointer, or "".
    pub fn text(&self, pointer: &str) -> &str {
        self.at(pointer).and_then(Value::as_str).unwrap_or("")
    }

    /// The integer at a JSON pointer.
    pub fn int(&self, pointer: &str) -> Option<i64> {
        self.at(pointer).and_then(Value::as_i64)
    }

    /// Sets a member of the top level (`spec`, `status`, `data`, ...); `Null` removes it.
    pub fn set(&mut self, member: &str, value: Value) {
        if let Some(map) = self.0.as_object_mut() {
            if value.is_null() {
                map.remove(member);
            } else {
                map.insert(member.into(), value);
            }
        }
    }

    /// `metadata` as a map.
    pub fn metadata(&self) -> Option<&Map<String, Value>> {
        self.0.get("metadata").and_then(Value::as_object)
    }

    /// Sets a member of `metadata`; `Null` removes it.
    pub fn set_meta(&mut self, member: &str, value: impl Into<Value>) {
        let value = value.into();
        if let Some(map) = self.0.get_mut("metadata").and_then(Value::as_object_mut) {
            if value.is_null() {
                map.remove(member);
            } else {
                map.insert(member.into(), value);
            }
        }
    }

    /// `apiVersion`, or "".
    pub fn api_version(&self) -> &str {
        self.text("/apiVersion")
    }

    /// `kind`, or "".
    pub fn kind(&self) -> &str {
        self.text("/kind")
    }

    /// `metadata.name`, or "".
    pub fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    /// `metadata.namespace`, or "" for a cluster-scoped object.
    pub fn namespace(&self) -> &str {
        self.text("/metadata/namespace")
    }

    /// `metadata.uid`, or "".
    pub fn uid(&self) -> &str {
        self.text("/metadata/uid")
    }

    /// `metadata.resourceVersion` as a number; 0 when absent or not a number.
    pub fn revision(&self) -> u64 {
        self.text("/metadata/resourceVersion").parse().unwrap_or(0)
    }

    /// `metadata.generation`, or 0.
    pub fn generation(&self) -> i64 {
        self.int("/metadata/generation").unwrap_or(0)
    }

    /// One label's value.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.metadata()?.get("labels")?.get(key)?.as_str()
    }

    /// One annotation's value.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.metadata()?.get("annotations")?.get(key)?.as_str()
    }

    /// True once deletion was asked for (`metadata.deletionTimestamp` is set).
    pub fn is_deleting(&self) -> bool {
        self.metadata().is_some_and(|m| m.contains_key("deletionTimestamp"))
    }

    /// `metadata.finalizers`.
    pub fn finalizers(&self) -> Vec<&str> {
        self.at("/metadata/finalizers")
            .and_then(Value::as_array)
            .map(|list| list.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default()
    }

    /// `metadata.ownerReferences`.
    pub fn owners(&self) -> &[Value] {
        self.at("/metadata/ownerReferences").and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }
}
