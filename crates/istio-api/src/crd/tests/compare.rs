//! What makes two definitions different.

use std::collections::BTreeSet;

use serde_json::Value;

/// What is compared of every part of a schema.
const KEYWORDS: &[&str] = &[
    "enum",
    "format",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "nullable",
    "pattern",
    "required",
    "type",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-preserve-unknown-fields",
];

/// What differs on purpose: the end of a path, the keyword, and why.
const ON_PURPOSE: &[(&str, &str, &str)] = &[
    (".apiVersion", "field", "every object has it"),
    (".kind", "field", "every object has it, and kinds of their own are fields"),
    (".metadata", "field", "every object has it"),
    (".requestRedirect.statusCode", "format", "our numbers have a size"),
    (".spec.resolution", "enum", "DYNAMIC_DNS came with a later Istio"),
];

/// The differences, one a line.
///
/// Not compared: descriptions (ours are our own), `oneOf` and CEL rules (galley's webhook checks what they say, and
/// says it better), labels.
pub(super) fn definitions(theirs: &Value, ours: &Value) -> Vec<String> {
    let name = theirs["metadata"]["name"].as_str().unwrap().to_owned();
    let mut out = Compared { path: name, found: Vec::new() };
    for field in ["group", "names", "scope"] {
        out.equal(field, &sorted(&theirs["spec"][field]), &sorted(&ours["spec"][field]));
    }
    let versions = |d: &Value| d["spec"]["versions"].as_array().unwrap().clone();
    let (theirs, ours) = (versions(theirs), versions(ours));
    let names = |all: &[Value]| all.iter().map(|v| v["name"].to_string()).collect::<BTreeSet<_>>();
    if names(&theirs) != names(&ours) {
        out.found.push(format!("{}: versions {:?} against {:?}", out.path, names(&theirs), names(&ours)));
    }
    for version in &theirs {
        if let Some(mine) = ours.iter().find(|v| v["name"] == version["name"]) {
            out.version(version, mine);
        }
    }
    out.found
}

struct Compared {
    path: String,
    found: Vec<String>,
}

impl Compared {
    fn version(&mut self, theirs: &Value, ours: &Value) {
        let base = self.path.clone();
        self.path = format!("{base}/{}", theirs["name"].as_str().unwrap());
        for field in ["served", "storage", "subresources"] {
            self.equal(field, &theirs[field], &ours[field]);
        }
        self.equal("columns", &columns(theirs), &columns(ours));
        self.schema(&theirs["schema"]["openAPIV3Schema"], &ours["schema"]["openAPIV3Schema"]);
        self.path = base;
    }

    fn schema(&mut self, theirs: &Value, ours: &Value) {
        for keyword in KEYWORDS {
            let (their, our) = (sorted(&theirs[*keyword]), sorted(&ours[*keyword]));
            if !on_purpose(&self.path, keyword) {
                self.equal(keyword, &their, &our);
            }
        }
        let empty = serde_json::Map::new();
        let properties = |schema: &Value| schema["properties"].as_object().unwrap_or(&empty).clone();
        let (their, our) = (properties(theirs), properties(ours));
        let names: BTreeSet<&String> = their.keys().chain(our.keys()).collect();
        for name in names {
            match (their.get(name), our.get(name)) {
                (Some(a), Some(b)) => self.below(name, a, b),
                (a, _) if !on_purpose(&format!("{}.{name}", self.path), "field") => {
                    let side = if a.is_some() { "only upstream" } else { "only ours" };
                    self.found.push(format!("{}.{name}: {side}", self.path));
                }
                _ => {}
            }
        }
        for below in ["items", "additionalProperties"] {
            match (&theirs[below], &ours[below]) {
                (Value::Null, Value::Null) => {}
                (a, b) => self.below(below, a, b),
            }
        }
    }

    fn below(&mut self, step: &str, theirs: &Value, ours: &Value) {
        let here = self.path.len();
        self.path = format!("{}.{step}", self.path);
        self.schema(theirs, ours);
        self.path.truncate(here);
    }

    fn equal(&mut self, what: &str, theirs: &Value, ours: &Value) {
        if theirs != ours {
            self.found.push(format!("{} {what}: {theirs} upstream, {ours} ours", self.path));
        }
    }
}

fn on_purpose(path: &str, keyword: &str) -> bool {
    ON_PURPOSE.iter().any(|(end, what, _)| path.ends_with(end) && *what == keyword)
}

/// Name, type and path of each column, in order.
fn columns(version: &Value) -> Value {
    let all = version["additionalPrinterColumns"].as_array().cloned().unwrap_or_default();
    all.iter().map(|c| Value::from(vec![c["name"].clone(), c["type"].clone(), c["jsonPath"].clone()])).collect()
}

/// Lists whose order says nothing are sorted; `1` and `1.0` are one number.
fn sorted(json: &Value) -> Value {
    match json {
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(sorted).collect();
            items.sort_by_key(Value::to_string);
            items.into()
        }
        Value::Object(fields) => fields.iter().map(|(name, value)| (name.clone(), sorted(value))).collect(),
        Value::Number(number) => number.as_f64().map_or_else(|| json.clone(), Value::from),
        other => other.clone(),
    }
}
