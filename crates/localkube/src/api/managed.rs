//! Who owns which field: `metadata.managedFields`.

use serde_json::{Map, Value, json};

use self::fields::{Changes, Fields};
use super::{Part, shapes::Shape, verbs::now};
use crate::{kinds::Kind, object::Object};

pub(super) mod fields;

/// `metadata` that no manager owns: identity, and what the server writes.
const UNOWNED: &[&str] = &[
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "selfLink",
    "managedFields",
];

/// How a manager came to its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Operation {
    /// By server-side apply: it states all that it wants.
    Apply,
    /// By any other write: it owns what it changed.
    Update,
}

/// One manager's entry.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) manager: String,
    pub(super) operation: Operation,
    pub(super) api_version: String,
    /// "" for the object itself.
    pub(super) subresource: String,
    pub(super) time: String,
    pub(super) fields: Fields,
}

impl Entry {
    /// Whether both are the same manager's. An applier is the same in every version.
    pub(super) fn is_of(&self, other: &Self) -> bool {
        self.manager == other.manager
            && self.operation == other.operation
            && self.subresource == other.subresource
            && (self.operation == Operation::Apply || self.api_version == other.api_version)
    }

    /// As a conflict names it.
    pub(super) fn shown(&self) -> String {
        let mut text = format!("\"{}\"", self.manager);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource \"{}\"", self.subresource));
        }
        if self.operation == Operation::Update {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }

    fn read(value: &Value) -> Option<Self> {
        let text = |member: &str| value[member].as_str().unwrap_or_default().to_owned();
        let operation = match value["operation"].as_str()? {
            "Apply" => Operation::Apply,
            "Update" => Operation::Update,
            _ => return None,
        };
        Some(Self {
            manager: text("manager"),
            operation,
            api_version: text("apiVersion"),
            subresource: text("subresource"),
            time: text("time"),
            fields: Fields::read(&value["fieldsV1"]),
        })
    }

    fn write(&self) -> Value {
        let operation = if self.operation == Operation::Apply { "Apply" } else { "Update" };
        let mut map = Map::from_iter([
            ("manager".to_owned(), json!(self.manager)),
            ("operation".to_owned(), json!(operation)),
            ("apiVersion".to_owned(), json!(self.api_version)),
            ("time".to_owned(), json!(self.time)),
            ("fieldsType".to_owned(), json!("FieldsV1")),
            ("fieldsV1".to_owned(), self.fields.write()),
        ]);
        if !self.subresource.is_empty() {
            map.insert("subresource".into(), json!(self.subresource));
        }
        Value::Object(map)
    }
}

/// The entries of an object.
pub(super) fn read(object: &Object) -> Vec<Entry> {
    let entries = object.at("/metadata/managedFields").and_then(Value::as_array);
    entries.into_iter().flatten().filter_map(Entry::read).collect()
}

/// Sets the entries of an object; those that own nothing are dropped.
pub(super) fn write(object: &mut Object, mut entries: Vec<Entry>) {
    entries.retain(|entry| !entry.fields.is_empty());
    entries.sort_by(|a, b| (a.operation, &a.time, &a.manager).cmp(&(b.operation, &b.time, &b.manager)));
    let entries: Vec<Value> = entries.iter().map(Entry::write).collect();
    object.set_meta("managedFields", if entries.is_empty() { Value::Null } else { json!(entries) });
}

/// An entry that owns nothing yet.
pub(super) fn entry(kind: &Kind, part: Part, manager: &str, operation: Operation) -> Entry {
    let subresource = match part {
        Part::Main => "",
        Part::Status => "status",
        Part::Finalize => "finalize",
    };
    Entry {
        manager: manager.to_owned(),
        operation,
        api_version: kind.api_version(),
        subresource: subresource.to_owned(),
        time: now(),
        fields: Fields::default(),
    }
}

/// The part of an object that managers can own by writing `part`.
pub(super) fn ownable(kind: &Kind, part: Part, object: &Object) -> Value {
    let mut value = object.value().clone();
    let Some(members) = value.as_object_mut() else { return value };
    members.retain(|member, _| match member.as_str() {
        "apiVersion" | "kind" => false,
        "status" => part == Part::Status || !kind.has_status,
        _ => part != Part::Status,
    });
    if let Some(metadata) = members.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.retain(|member, _| !UNOWNED.contains(&member.as_str()));
        if metadata.is_empty() {
            members.remove("metadata");
        }
    }
    value
}

/// Notes that `manager` made the difference between `old` and `new`.
pub(super) fn track(kind: &Kind, old: Option<&Object>, new: &mut Object, part: Part, manager: &str) {
    let given = new.at("/metadata/managedFields").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    let mut entries = match old {
        None => Vec::new(),
        // A client may take entries away, all by a list of one empty entry; an empty list says nothing.
        Some(_) if given => read(new),
        Some(old) => read(old),
    };
    let before = old.map_or_else(|| json!({}), |old| ownable(kind, part, old));
    let changes = Changes::between(&before, &ownable(kind, part, new), Shape::of(kind));
    let set = changes.set();
    let mut own = entry(kind, part, manager, Operation::Update);
    let at = entries.iter().position(|entry| entry.is_of(&own));
    let had = at.map(|at| entries.remove(at));
    for other in &mut entries {
        other.fields = other.fields.without(&changes.removed).without(&set);
    }
    let before = had.as_ref().map(|had| had.fields.clone()).unwrap_or_default();
    own.fields = before.or(&set).without(&changes.removed);
    match had {
        Some(had) if set.is_empty() && had.fields == own.fields => entries.push(had),
        _ => entries.push(own),
    }
    write(new, entries);
}

/// Whether two objects differ in nothing but the times at which fields were taken.
pub(super) fn same_but_for_times(a: &Object, b: &Object) -> bool {
    let plain = |object: &Object| {
        let mut object = object.clone();
        let entries = object.value_mut().pointer_mut("/metadata/managedFields").and_then(Value::as_array_mut);
        for entry in entries.into_iter().flatten().filter_map(Value::as_object_mut) {
            entry.remove("time");
        }
        object
    };
    plain(a) == plain(b)
}

#[cfg(test)]
mod tests;
