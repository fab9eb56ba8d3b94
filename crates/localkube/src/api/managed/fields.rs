//! Sets of field paths, in memory and as `FieldsV1`.
//!
//! A path's steps are written as `FieldsV1` writes them: `f:spec` a member, `k:{"name":"x"}` an item of a keyed list,
//! `v:"x"` a value of a set.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::api::shapes::{KEY_DEFAULTS, ListRule, Shape};

/// A set of paths, as a tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::api) struct Fields {
    /// Whether the path that ends here is in the set.
    pub(in crate::api) here: bool,
    /// The paths that go on from here.
    pub(in crate::api) below: BTreeMap<String, Fields>,
}

impl Fields {
    /// Every field that `value` sets.
    pub(in crate::api) fn of(value: &Value, shape: Shape<'_>) -> Self {
        let mut all = Changes::default();
        all.compare(&mut Vec::new(), None, Some(value), shape);
        all.added
    }

    /// Reads `FieldsV1`.
    pub(in crate::api) fn read(value: &Value) -> Self {
        let mut fields = Self::default();
        for (step, below) in value.as_object().into_iter().flatten() {
            if step == "." {
                fields.here = true;
                continue;
            }
            let mut below = Self::read(below);
            below.here |= below.below.is_empty();
            fields.below.insert(step.clone(), below);
        }
        fields
    }

    /// Writes `FieldsV1`.
    pub(in crate::api) fn write(&self) -> Value {
        let mut map: Map<String, Value> =
            self.below.iter().map(|(step, below)| (step.clone(), below.write())).collect();
        if self.here && !self.below.is_empty() {
            map.insert(".".into(), json!({}));
        }
        Value::Object(map)
    }

    /// True when no path is in the set.
    pub(in crate::api) fn is_empty(&self) -> bool {
        !self.here && self.below.values().all(Self::is_empty)
    }

    fn insert(&mut self, path: &[String]) {
        let mut place = self;
        for step in path {
            place = place.below.entry(step.clone()).or_default();
        }
        place.here = true;
    }

    /// The paths in both.
    pub(in crate::api) fn and(&self, other: &Self) -> Self {
        let both =
            self.below.iter().filter_map(|(step, below)| Some((step.clone(), below.and(other.below.get(step)?))));
        Self { here: self.here && other.here, below: both.filter(|(_, below)| !below.is_empty()).collect() }
    }

    /// The paths in either.
    pub(in crate::api) fn or(&self, other: &Self) -> Self {
        let mut either = self.clone();
        either.here |= other.here;
        for (step, below) in &other.below {
            let place = either.below.entry(step.clone()).or_default();
            *place = place.or(below);
        }
        either
    }

    /// The paths in this and not in the other.
    pub(in crate::api) fn without(&self, other: &Self) -> Self {
        let left = self.below.iter().map(|(step, below)| {
            (step.clone(), other.below.get(step).map_or_else(|| below.clone(), |gone| below.without(gone)))
        });
        Self { here: self.here && !other.here, below: left.filter(|(_, below)| !below.is_empty()).collect() }
    }

    /// The paths as people read them: `.spec.containers[name="x"].image`.
    pub(in crate::api) fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.collect(String::new(), &mut paths);
        paths
    }

    fn collect(&self, path: String, paths: &mut Vec<String>) {
        for (step, below) in &self.below {
            below.collect(format!("{path}{}", shown(step)), paths);
        }
        if self.here {
            paths.push(path);
        }
    }
}

fn shown(step: &str) -> String {
    match step.split_once(':') {
        Some(("f", name)) => format!(".{name}"),
        Some(("v", value)) => format!("[={value}]"),
        Some(("k", key)) => {
            let key: Map<String, Value> = serde_json::from_str(key).unwrap_or_default();
            let fields: Vec<String> = key.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("[{}]", fields.join(","))
        }
        _ => format!("[{step}]"),
    }
}

/// The step to an item of a keyed list; None when it lacks a key that has no default.
pub(in crate::api) fn keyed_step(item: &Value, keys: &[String]) -> Option<String> {
    let key = keys.iter().map(|key| {
        let default = || KEY_DEFAULTS.iter().find(|(name, _)| name == key).map(|(_, value)| json!(value));
        let value = item.get(key).filter(|value| !value.is_null()).cloned().or_else(default)?;
        Some((key.clone(), value))
    });
    Some(format!("k:{}", Value::Object(key.collect::<Option<Map<String, Value>>>()?)))
}

/// The step to a value of a set.
pub(in crate::api) fn value_step(value: &Value) -> String {
    format!("v:{value}")
}

/// What is different between two objects.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::api) struct Changes {
    /// In the second alone.
    pub(in crate::api) added: Fields,
    /// In both, with other values.
    pub(in crate::api) modified: Fields,
    /// In the first alone.
    pub(in crate::api) removed: Fields,
}

impl Changes {
    /// Compares two objects.
    pub(in crate::api) fn between(old: &Value, new: &Value, shape: Shape<'_>) -> Self {
        let mut changes = Self::default();
        changes.compare(&mut Vec::new(), Some(old), Some(new), shape);
        changes
    }

    /// The fields that the second object sets, and the first did not so.
    pub(in crate::api) fn set(&self) -> Fields {
        self.added.or(&self.modified)
    }

    fn compare(&mut self, path: &mut Vec<String>, old: Option<&Value>, new: Option<&Value>, shape: Shape<'_>) {
        let (old, new) = (old.filter(|v| !v.is_null()), new.filter(|v| !v.is_null()));
        if old == new && old.is_some() {
            return;
        }
        let is =
            |test: fn(&Value) -> bool| old.is_none_or(test) && new.is_none_or(test) && (old.is_some() || new.is_some());
        let some = |value: Option<&Value>| match value {
            Some(Value::Object(map)) => !map.is_empty(),
            Some(Value::Array(list)) => !list.is_empty(),
            _ => false,
        };
        if is(Value::is_object) && !shape.is_atomic_map() && (some(old) || some(new)) {
            return self.compare_maps(path, old, new, shape);
        }
        if is(Value::is_array) {
            match shape.list() {
                ListRule::Atomic => {}
                ListRule::Set => return self.compare_items(path, old, new, shape, &|value| Some(value_step(value))),
                ListRule::Keyed(keys) => {
                    return self.compare_items(path, old, new, shape, &|item| keyed_step(item, &keys));
                }
            }
        }
        self.note(path, old.is_some(), new.is_some());
    }

    fn note(&mut self, path: &[String], old: bool, new: bool) {
        match (old, new) {
            (false, true) => self.added.insert(path),
            (true, true) => self.modified.insert(path),
            (true, false) => self.removed.insert(path),
            (false, false) => {}
        }
    }

    fn compare_maps(&mut self, path: &mut Vec<String>, old: Option<&Value>, new: Option<&Value>, shape: Shape<'_>) {
        fn member<'v>(value: Option<&'v Value>, name: &str) -> Option<&'v Value> {
            value?.get(name)
        }
        let keys = |value: Option<&Value>| -> Vec<String> {
            value.and_then(Value::as_object).map(|map| map.keys().cloned().collect()).unwrap_or_default()
        };
        let names: BTreeSet<String> = keys(old).into_iter().chain(keys(new)).collect();
        for name in names {
            path.push(format!("f:{name}"));
            self.compare(path, member(old, &name), member(new, &name), shape.member(&name));
            path.pop();
        }
    }

    fn compare_items(
        &mut self,
        path: &mut Vec<String>,
        old: Option<&Value>,
        new: Option<&Value>,
        shape: Shape<'_>,
        step: &dyn Fn(&Value) -> Option<String>,
    ) {
        fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
            value.and_then(Value::as_array).into_iter().flatten()
        }
        let find = |value, wanted: &str| items(value).find(|item| step(item).as_deref() == Some(wanted));
        let steps: BTreeSet<String> = items(old).chain(items(new)).filter_map(step).collect();
        for name in steps {
            let (before, after) = (find(old, &name), find(new, &name));
            path.push(name);
            if before.is_some() != after.is_some() {
                self.note(path, before.is_some(), after.is_some());
            }
            if before.or(after).is_some_and(Value::is_object) {
                self.compare(path, before, after, shape.item());
            }
            path.pop();
        }
    }
}
