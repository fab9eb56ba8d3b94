//! Server-side apply: a manager states all the fields that it wants; the server keeps track of who wants what.
//!
//! What the manager stated before and states no more goes, unless another manager owns it; what it would change of
//! another manager's is a conflict, unless it insists.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Api, Caller, Part, WriteOptions,
    managed::{
        self, Entry, Operation,
        fields::{Changes, Fields, keyed_step, value_step},
    },
    patch::Patched,
    schema,
    shapes::{ListRule, Shape},
    verbs::{At, Ownership},
    warnings,
};
use crate::{kinds::Kind, object::Object, status::Status, store::Stored};

/// What a manager states, ready to be applied.
struct Statement<'a> {
    kind: &'a Kind,
    part: Part,
    config: Object,
    /// The manager's entry, with the fields that it states.
    entry: Entry,
    force: bool,
}

impl Api {
    /// Applies `config`, making the object when there is none.
    pub(super) async fn apply(
        &self,
        caller: &Caller,
        kind: &Kind,
        part: Part,
        at: At<'_>,
        config: &Value,
        options: &WriteOptions,
    ) -> Result<Patched, Status> {
        let statement = Statement::read(kind, part, at, config, options)?;
        if part == Part::Main && self.store().get(&kind.resource(), at.namespace, at.name).is_none() {
            let mut object = statement.config.clone();
            managed::write(&mut object, vec![statement.entry.clone()]);
            match self.create_owned(caller, kind, object, options, Ownership::Given).await {
                Err(error) if error.is_already_exists() => {}
                done => return done.map(|object| Patched { object, created: true }),
            }
        }
        let change = |old: &Object| statement.apply(old);
        let object: Arc<Stored> = self.change(caller, kind, part, at, options, Ownership::Given, change).await?;
        Ok(Patched { object, created: false })
    }
}

impl<'a> Statement<'a> {
    fn read(kind: &'a Kind, part: Part, at: At<'_>, config: &Value, options: &WriteOptions) -> Result<Self, Status> {
        let mut config = Object::new(config.clone())?;
        if config.at("/metadata/managedFields").is_some_and(|entries| !entries.is_null()) {
            return Err(Status::bad_request("metadata.managedFields must be nil"));
        }
        for (member, wanted) in [("name", at.name), ("namespace", at.namespace)] {
            let found = config.text(&format!("/metadata/{member}"));
            if found.is_empty() && !wanted.is_empty() {
                config.set_meta(member, wanted);
            } else if found != wanted {
                let why = format!("metadata.{member} ({found}) does not match the one in the request ({wanted})");
                return Err(Status::bad_request(why));
            }
        }
        let shape = Shape::of(kind);
        let stated = Fields::of(&managed::ownable(kind, part, &config), shape);
        // What the schema drops is not stated; what it adds as a default is not either.
        let mut typed = config.clone();
        schema::decode(kind, &mut typed, options.field_validation, &[])?.into_iter().for_each(warnings::add);
        let known = Fields::of(&managed::ownable(kind, part, &typed), shape);
        let mut entry = managed::entry(kind, part, &options.field_manager, Operation::Apply);
        entry.fields = stated.and(&known);
        Ok(Self { kind, part, config, entry, force: options.force })
    }

    /// The object as this statement changes it, with the owners noted.
    fn apply(&self, old: &Object) -> Result<Object, Status> {
        let shape = Shape::of(self.kind);
        let mut entries = managed::read(old);
        let at = entries.iter().position(|entry| entry.is_of(&self.entry));
        let before = at.map(|at| entries.remove(at));
        let others = entries.iter().fold(Fields::default(), |all, entry| all.or(&entry.fields));

        let mut merged = merge(old.value(), self.config.value(), shape);
        if let Some(before) = &before {
            let gone = before.fields.without(&self.entry.fields).without(&others);
            remove(&mut merged, &gone, &others, shape);
        }
        let mut merged = Object::new(merged)?;
        let version = self.config.value()["metadata"]["resourceVersion"].clone();
        merged.set_meta("resourceVersion", version);

        let ownable = |object: &Object| managed::ownable(self.kind, self.part, object);
        let changes = Changes::between(&ownable(old), &ownable(&merged), shape);
        let set = changes.set();
        self.check_conflicts(&entries, &set)?;
        for entry in &mut entries {
            entry.fields = entry.fields.without(&set).without(&changes.removed);
        }
        let unchanged = before.filter(|before| before.fields == self.entry.fields && changes == Changes::default());
        entries.push(unchanged.unwrap_or_else(|| self.entry.clone()));
        managed::write(&mut merged, entries);
        Ok(merged)
    }

    fn check_conflicts(&self, others: &[Entry], set: &Fields) -> Result<(), Status> {
        if self.force {
            return Ok(());
        }
        let conflicts: Vec<(String, Vec<String>)> = others
            .iter()
            .map(|entry| (entry.shown(), entry.fields.and(set).paths()))
            .filter(|(_, paths)| !paths.is_empty())
            .collect();
        let count: usize = conflicts.iter().map(|(_, paths)| paths.len()).sum();
        let message = match conflicts.as_slice() {
            [] => return Ok(()),
            [(manager, paths)] if count == 1 => {
                format!("Apply failed with 1 conflict: conflict with {manager}: {}", paths.concat())
            }
            _ => {
                let texts: Vec<String> = conflicts
                    .iter()
                    .map(|(manager, paths)| format!("conflicts with {manager}:\n- {}", paths.join("\n- ")))
                    .collect();
                format!("Apply failed with {count} conflicts: {}", texts.join("\n"))
            }
        };
        let causes: Vec<Value> = conflicts
            .iter()
            .flat_map(|(manager, paths)| paths.iter().map(move |path| (manager, path)))
            .map(|(manager, path)| {
                json!({"reason": "FieldManagerConflict", "message": format!("conflict with {manager}"), "field": path})
            })
            .collect();
        Err(Status { details: json!({"causes": causes}), ..Status::new(409, "Conflict", message) })
    }
}

/// `live` with all that `config` states.
fn merge(live: &Value, config: &Value, shape: Shape<'_>) -> Value {
    match (live, config) {
        (Value::Object(live), Value::Object(config)) if !shape.is_atomic_map() => {
            let mut merged = live.clone();
            for (name, stated) in config {
                let value = match live.get(name) {
                    Some(live) if !stated.is_null() => merge(live, stated, shape.member(name)),
                    _ => stated.clone(),
                };
                merged.insert(name.clone(), value);
            }
            merged.retain(|_, value| !value.is_null());
            Value::Object(merged)
        }
        (Value::Array(live), Value::Array(config)) => match shape.list() {
            ListRule::Atomic => Value::Array(config.clone()),
            ListRule::Set => merge_items(live, config, shape, &|value| Some(value_step(value))),
            ListRule::Keyed(keys) => merge_items(live, config, shape, &|item| keyed_step(item, &keys)),
        },
        _ => config.clone(),
    }
}

/// The items of both, those that `config` states in its order, the others before those that they preceded.
fn merge_items(live: &[Value], config: &[Value], shape: Shape<'_>, step: &dyn Fn(&Value) -> Option<String>) -> Value {
    let find = |list: &[Value], item: &Value| list.iter().position(|other| step(other) == step(item));
    let mut stated = config
        .iter()
        .map(|item| find(live, item).map_or_else(|| item.clone(), |at| merge(&live[at], item, shape.item())))
        .peekable();
    let mut merged = Vec::new();
    for (at, item) in live.iter().enumerate().filter(|(_, item)| find(config, item).is_none()) {
        while let Some(next) = stated.next_if(|next| find(live, next).is_some_and(|place| place < at)) {
            merged.push(next);
        }
        merged.push(item.clone());
    }
    merged.extend(stated);
    Value::Array(merged)
}

/// Takes the fields `gone` out of a value; an item of a list goes only when nobody else owns anything in it.
fn remove(value: &mut Value, gone: &Fields, others: &Fields, shape: Shape<'_>) {
    let none = Fields::default();
    match value {
        Value::Object(map) => {
            for (step, below) in &gone.below {
                let Some(name) = step.strip_prefix("f:") else { continue };
                let Some(member) = map.get_mut(name) else { continue };
                let kept = others.below.get(step).unwrap_or(&none);
                if below.here && kept.is_empty() && below.below.is_empty() {
                    map.remove(name);
                    continue;
                }
                remove(member, below, kept, shape.member(name));
                let empty = member.as_object().is_some_and(serde_json::Map::is_empty)
                    || member.as_array().is_some_and(Vec::is_empty);
                if empty && kept.is_empty() {
                    map.remove(name);
                }
            }
        }
        Value::Array(items) => {
            let rule = shape.list();
            items.retain_mut(|item| {
                let step = match &rule {
                    ListRule::Atomic => None,
                    ListRule::Set => Some(value_step(item)),
                    ListRule::Keyed(keys) => keyed_step(item, keys),
                };
                let Some((below, kept)) =
                    step.and_then(|step| Some((gone.below.get(&step)?, others.below.get(&step).unwrap_or(&none))))
                else {
                    return true;
                };
                if below.here && kept.is_empty() {
                    return false;
                }
                remove(item, below, kept, shape.item());
                true
            });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
