//! A pod that is being edited, as JSON: what is not touched stays as it was written, known to this build or not.

use serde_json::{Map, Value, json};

/// The pod.
pub(crate) struct Draft(Value);

impl Draft {
    pub(crate) fn new(pod: Value) -> Self {
        Self(pod)
    }

    pub(crate) fn into_value(self) -> Value {
        self.0
    }

    /// Sets a label or an annotation (`kind`).
    pub(crate) fn set(&mut self, kind: &str, key: &str, value: &str) {
        object(object(&mut self.0, "metadata"), kind).entry_map().insert(key.to_owned(), value.into());
    }

    /// The same, where there is none.
    pub(crate) fn set_if_absent(&mut self, kind: &str, key: &str, value: &str) {
        let values = object(object(&mut self.0, "metadata"), kind).entry_map();
        values.entry(key).or_insert_with(|| value.into());
    }

    /// Sets a kernel parameter of the pod's network, where the pod sets no value of its own.
    pub(crate) fn sysctl_if_absent(&mut self, name: &str, value: &str) {
        let sysctls = list(object(object(&mut self.0, "spec"), "securityContext"), "sysctls");
        if !sysctls.iter().any(|sysctl| sysctl.get("name").and_then(Value::as_str) == Some(name)) {
            sysctls.push(json!({ "name": name, "value": value }));
        }
    }

    /// The value of an annotation.
    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        self.0.get("metadata")?.get("annotations")?.get(key)?.as_str()
    }

    /// Puts something at the end of a list of the pod's specification.
    pub(crate) fn append(&mut self, list: &str, item: Value) {
        self.list(list).push(item);
    }

    /// Puts something at its start.
    pub(crate) fn prepend(&mut self, list: &str, item: Value) {
        self.list(list).insert(0, item);
    }

    /// Takes the item of that name out of a list.
    pub(crate) fn take(&mut self, list: &str, name: &str) -> Option<Value> {
        let items = self.0.get_mut("spec")?.get_mut(list)?.as_array_mut()?;
        let at = items.iter().position(|item| item.get("name").and_then(Value::as_str) == Some(name))?;
        Some(items.remove(at))
    }

    /// The item of that name in a list, for editing.
    pub(crate) fn item(&mut self, list: &str, name: &str) -> Option<&mut Value> {
        let items = self.0.get_mut("spec")?.get_mut(list)?.as_array_mut()?;
        items.iter_mut().find(|item| item.get("name").and_then(Value::as_str) == Some(name))
    }

    fn list(&mut self, name: &str) -> &mut Vec<Value> {
        list(object(&mut self.0, "spec"), name)
    }
}

/// The list under a key, made where there is none.
fn list<'a>(parent: &'a mut Value, key: &str) -> &'a mut Vec<Value> {
    let slot = parent.entry_map().entry(key).or_insert(Value::Null);
    if !slot.is_array() {
        *slot = Value::Array(Vec::new());
    }
    match slot {
        Value::Array(items) => items,
        _ => unreachable!("made an array above"),
    }
}

/// The object under a key, made where there is none.
fn object<'a>(parent: &'a mut Value, key: &str) -> &'a mut Value {
    let slot = parent.entry_map().entry(key).or_insert(Value::Null);
    slot.entry_map();
    slot
}

trait EntryMap {
    /// This value as an object; anything else (only `null`, in what parsed as a pod) becomes an empty one.
    fn entry_map(&mut self) -> &mut Map<String, Value>;
}

impl EntryMap for Value {
    fn entry_map(&mut self) -> &mut Map<String, Value> {
        if !self.is_object() {
            *self = Self::Object(Map::new());
        }
        match self {
            Self::Object(map) => map,
            _ => unreachable!("made an object above"),
        }
    }
}
