//! Trees of settings: what stands at a path, and one tree over another.

use serde_json::{Map, Value, json};

use super::BadOptions;

/// A step of a path: into a field, or to an item of a list.
enum Step {
    Field(String),
    /// `[0]`; the number of items stands for a new one.
    At(usize),
    /// `[name:web]`; made where there is none.
    With(String, String),
}

/// A value as `--set` means it.
pub(super) fn scalar(text: &str) -> Value {
    match text {
        "true" => json!(true),
        "false" => json!(false),
        _ => text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number)),
    }
}

/// Sets what stands at a path such as `components.ingressGateways[0].enabled`. A dot within a name is written `\.`.
pub(super) fn put(tree: &mut Value, path: &str, value: Value) -> Result<(), BadOptions> {
    let steps = steps(path).ok_or_else(|| BadOptions::Set(path.to_owned()))?;
    let mut at = tree;
    let mut parent = "the whole";
    for step in &steps {
        let through = || BadOptions::Through { path: path.to_owned(), parent: parent.to_owned() };
        at = slot(at, step).ok_or_else(through)?;
        parent = match step {
            Step::Field(name) | Step::With(_, name) => name,
            Step::At(_) => "the item",
        };
    }
    *at = value;
    Ok(())
}

fn steps(path: &str) -> Option<Vec<Step>> {
    let marked = path.replace("\\.", "\u{0}");
    let mut steps = Vec::new();
    for part in marked.split('.') {
        let (name, items) = part.split_at(part.find('[').unwrap_or(part.len()));
        if part.is_empty() || name.is_empty() && steps.is_empty() {
            return None;
        }
        if !name.is_empty() {
            steps.push(Step::Field(name.replace('\u{0}', ".")));
        }
        for item in items.split_inclusive(']') {
            let item = item.strip_prefix('[')?.strip_suffix(']')?;
            steps.push(match item.split_once(':') {
                Some((field, text)) => Step::With(field.to_owned(), text.replace('\u{0}', ".")),
                None => Step::At(item.parse().ok()?),
            });
        }
    }
    Some(steps)
}

/// The place that a step leads to; none when there is a value of another form in the way.
fn slot<'t>(at: &'t mut Value, step: &Step) -> Option<&'t mut Value> {
    if at.is_null() {
        *at = if matches!(step, Step::Field(_)) { json!({}) } else { json!([]) };
    }
    match step {
        Step::Field(name) => Some(at.as_object_mut()?.entry(name.clone()).or_insert(Value::Null)),
        Step::At(number) => {
            let items = at.as_array_mut()?;
            if *number == items.len() {
                items.push(Value::Null);
            }
            items.get_mut(*number)
        }
        Step::With(field, text) => {
            let items = at.as_array_mut()?;
            let known = items.iter().position(|item| item[field.as_str()] == text.as_str());
            let number = known.unwrap_or(items.len());
            if known.is_none() {
                items.push(json!({ field.as_str(): text }));
            }
            items.get_mut(number)
        }
    }
}

/// A later tree over an earlier one, group by group; anything else is replaced as a whole.
pub(super) fn lay_over(target: &mut Value, layer: &Value) {
    match (target, layer) {
        (Value::Object(target), Value::Object(layer)) => {
            for (name, value) in layer {
                lay_over(target.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (target, layer) => *target = layer.clone(),
    }
}

/// A list of named things over another one: those of one name are laid over each other, others are added.
pub(super) fn lay_over_by_name(target: &mut Vec<Value>, layer: Vec<Value>) {
    for item in layer {
        match target.iter_mut().find(|known| item["name"].is_string() && known["name"] == item["name"]) {
            Some(known) => lay_over(known, &item),
            None => target.push(item),
        }
    }
}

/// The paths of all values in a tree.
pub(super) fn leaves(tree: &Map<String, Value>) -> Vec<String> {
    let below = |(name, value): (&String, &Value)| match value {
        Value::Object(inner) => leaves(inner).into_iter().map(|path| format!("{name}.{path}")).collect(),
        _ => vec![name.clone()],
    };
    tree.iter().flat_map(below).collect()
}

/// The paths of what was told and is not in what was understood of it. What says nothing (`false`, `""`, `{}`) may be absent.
pub(super) fn unknown(told: &Value, understood: &Value, path: &str) -> Vec<String> {
    match (told, understood) {
        (Value::Object(told), Value::Object(understood)) => {
            let below = |(name, value): (&String, &Value)| {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match understood.get(name) {
                    Some(understood) => unknown(value, understood, &path),
                    None if says_nothing(value) => Vec::new(),
                    None => vec![path],
                }
            };
            told.iter().flat_map(below).collect()
        }
        (Value::Array(told), Value::Array(understood)) => {
            let pairs = told.iter().zip(understood).enumerate();
            pairs.flat_map(|(at, (told, understood))| unknown(told, understood, &format!("{path}[{at}]"))).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a value is what absence would mean as well.
pub(super) fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}
