//! One schema engine for all kinds: built-in ones from `k8s-openapi`'s schemas, custom ones from their definitions.
//!
//! ```text
//!  bytes ─► decode: wrong types (built-in), unknown fields dropped, schema defaults (custom) ─► strategy defaults,
//!  mutating admission ─► validate: structural rules, then the kind's own ─► store
//! ```

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use regex::Regex;
use serde_json::{Number, Value};

use super::FieldValidation;
use crate::{kinds::Kind, object::Object, status::Status};

pub mod builtin;
mod decode;
mod duplicates;
mod prune;
mod validate;

pub use duplicates::duplicate_fields;

/// The JSON types of OpenAPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonType {
    /// `object`
    Object,
    /// `array`
    Array,
    /// `string`
    String,
    /// `integer`
    Integer,
    /// `number`
    Number,
    /// `boolean`
    Boolean,
}

impl JsonType {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "object" => Self::Object,
            "array" => Self::Array,
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            _ => return None,
        })
    }

    /// As OpenAPI writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
        }
    }

    fn admits(self, value: &Value) -> bool {
        match self {
            Self::Object => value.is_object(),
            Self::Array => value.is_array(),
            Self::String => value.is_string(),
            Self::Integer => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|f| f.fract() == 0.0),
            Self::Number => value.is_number(),
            Self::Boolean => value.is_boolean(),
        }
    }
}

/// The type of a value, as validation errors name it.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A compiled schema: what the engine reads of an OpenAPI v3 schema, without its prose.
#[derive(Debug, Default)]
pub struct Schema {
    /// The Go struct's name, for decoding errors: `DeploymentSpec`. Built-in kinds only.
    name: Option<Box<str>>,
    /// A definition elsewhere: an index into [`builtin::Definitions`].
    reference: Option<usize>,
    json_type: Option<JsonType>,
    format: Option<Box<str>>,
    nullable: bool,
    preserve_unknown: bool,
    int_or_string: bool,
    embedded: bool,
    properties: BTreeMap<Box<str>, Schema>,
    additional: Option<Box<Schema>>,
    items: Option<Box<Schema>>,
    required: Vec<Box<str>>,
    default: Option<Value>,
    rules: Option<Box<Rules>>,
}

/// The rarer rules of a schema.
#[derive(Debug, Default)]
struct Rules {
    one_of: Vec<Schema>,
    any_of: Vec<Schema>,
    all_of: Vec<Schema>,
    not: Option<Schema>,
    values: Option<Vec<Value>>,
    pattern: Option<Pattern>,
    minimum: Option<(Number, bool)>,
    maximum: Option<(Number, bool)>,
    multiple_of: Option<Number>,
    /// (characters, items, properties)
    at_least: [Option<u64>; 3],
    at_most: [Option<u64>; 3],
    unique_items: bool,
    /// `x-kubernetes-list-type: map`'s keys; empty with `set`.
    unique_by: Option<Vec<Box<str>>>,
}

/// A pattern, compiled when first used: definitions have many, and few are ever met.
#[derive(Debug)]
struct Pattern {
    text: Box<str>,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    fn matches(&self, text: &str) -> bool {
        let compiled = self.compiled.get_or_init(|| Regex::new(&self.text).ok());
        compiled.as_ref().is_none_or(|regex| regex.is_match(text))
    }
}

impl Schema {
    /// Compiles a custom kind's `openAPIV3Schema`.
    pub fn compile(source: &Value) -> Self {
        let flag = |key: &str| source.get(key).and_then(Value::as_bool).unwrap_or(false);
        let text = |key: &str| source.get(key).and_then(Value::as_str);
        let sub = |key: &str| source.get(key).filter(|v| v.is_object()).map(Self::compile);
        let properties = source.get("properties").and_then(Value::as_object);
        let anything = source.get("additionalProperties") == Some(&Value::Bool(true));
        Self {
            name: None,
            reference: None,
            json_type: text("type").and_then(JsonType::parse),
            format: text("format").map(Into::into),
            nullable: flag("nullable"),
            preserve_unknown: flag("x-kubernetes-preserve-unknown-fields") || anything,
            int_or_string: flag("x-kubernetes-int-or-string"),
            embedded: flag("x-kubernetes-embedded-resource"),
            properties: properties
                .into_iter()
                .flatten()
                .map(|(key, schema)| (key.as_str().into(), Self::compile(schema)))
                .collect(),
            additional: sub("additionalProperties").map(Box::new),
            items: sub("items").map(Box::new),
            required: texts(source.get("required")),
            default: source.get("default").cloned(),
            rules: Rules::compile(source).map(Box::new),
        }
    }

    /// The schema that this one refers to, or itself.
    fn resolved(&self) -> &Self {
        self.reference.and_then(|index| builtin::definitions().schema(index)).unwrap_or(self)
    }
}

impl Rules {
    fn compile(source: &Value) -> Option<Self> {
        const KEYS: &[&str] = &[
            "oneOf",
            "anyOf",
            "allOf",
            "not",
            "enum",
            "pattern",
            "minimum",
            "maximum",
            "multipleOf",
            "minLength",
            "minItems",
            "minProperties",
            "maxLength",
            "maxItems",
            "maxProperties",
            "uniqueItems",
            "x-kubernetes-list-type",
        ];
        KEYS.iter().find(|key| source.get(**key).is_some())?;
        let list = |key: &str| -> Vec<Schema> {
            source.get(key).and_then(Value::as_array).into_iter().flatten().map(Schema::compile).collect()
        };
        let bound = |key: &str, exclusive: &str| {
            let Some(Value::Number(number)) = source.get(key) else { return None };
            Some((number.clone(), source.get(exclusive) == Some(&Value::Bool(true))))
        };
        let sizes = |keys: [&str; 3]| keys.map(|key| source.get(key).and_then(Value::as_u64));
        let list_type = source.get("x-kubernetes-list-type").and_then(Value::as_str);
        Some(Self {
            one_of: list("oneOf"),
            any_of: list("anyOf"),
            all_of: list("allOf"),
            not: source.get("not").map(Schema::compile),
            values: source.get("enum").and_then(Value::as_array).cloned(),
            pattern: source
                .get("pattern")
                .and_then(Value::as_str)
                .map(|text| Pattern { text: text.into(), compiled: OnceLock::new() }),
            minimum: bound("minimum", "exclusiveMinimum"),
            maximum: bound("maximum", "exclusiveMaximum"),
            multiple_of: source.get("multipleOf").and_then(Value::as_number).cloned(),
            at_least: sizes(["minLength", "minItems", "minProperties"]),
            at_most: sizes(["maxLength", "maxItems", "maxProperties"]),
            unique_items: source.get("uniqueItems") == Some(&Value::Bool(true)),
            unique_by: match list_type {
                Some("map") => Some(texts(source.get("x-kubernetes-list-map-keys"))),
                Some("set") => Some(Vec::new()),
                _ => None,
            },
        })
    }
}

fn texts(list: Option<&Value>) -> Vec<Box<str>> {
    let list = list.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(Value::as_str).map(Into::into).collect()
}

/// A custom kind's schema, compiled when first used.
#[derive(Clone, Default)]
pub struct LazySchema(Arc<OnceLock<Schema>>);

impl LazySchema {
    fn get(&self, kind: &Kind) -> &Schema {
        self.0.get_or_init(|| {
            let source = kind.version_definition().and_then(|v| v.pointer("/schema/openAPIV3Schema"));
            source.map_or_else(|| Schema { preserve_unknown: true, ..Schema::default() }, Schema::compile)
        })
    }
}

/// Turns what a client sent into an object of `kind`: refuses what has the wrong type, drops unknown fields (or refuses
/// them, for `Strict`), and fills in a custom kind's schema defaults. `duplicates` are the fields that the text had
/// twice ([`duplicate_fields`]). Gives warnings.
pub fn decode(
    kind: &Kind,
    object: &mut Object,
    mode: FieldValidation,
    duplicates: &[String],
) -> Result<Vec<String>, Status> {
    let cannot = |why: String| {
        let Kind { kind: name, version, .. } = kind;
        Status::bad_request(format!("{name} in version \"{version}\" cannot be handled as a {name}: {why}"))
    };
    let value = object.value_mut();
    let mut found: Vec<String> = duplicates.iter().map(|path| format!("duplicate field \"{path}\"")).collect();
    let mut unknown = Vec::new();
    if kind.definition.is_none() {
        if let Some(schema) = builtin::definitions().kind(kind) {
            decode::check(schema, value).map_err(cannot)?;
            prune::prune(schema, value, &mut unknown);
            prune::drop_nulls(schema, value);
        }
    } else {
        decode::check_metadata(value).map_err(cannot)?;
        let schema = kind.schema.get(kind);
        prune::prune_custom(schema, value, &mut unknown);
        prune::fill(schema, value);
    }
    found.extend(unknown.into_iter().map(|path| format!("unknown field \"{path}\"")));
    match mode {
        _ if found.is_empty() => Ok(Vec::new()),
        FieldValidation::Ignore => Ok(Vec::new()),
        FieldValidation::Warn => Ok(found),
        FieldValidation::Strict => Err(cannot(format!("strict decoding error: {}", found.join(", ")))),
    }
}

/// Brings an object, as an admission webhook or an older version left it, into the form of `kind`: drops unknown
/// fields silently and fills in schema defaults.
pub fn normalize(kind: &Kind, object: &mut Object) -> Result<(), Status> {
    decode(kind, object, FieldValidation::Ignore, &[]).map(|_| ())
}

/// All rules of a kind: its schema's, those of names and metadata, and its own. `old` is the stored object on update.
pub fn validate(kind: &Kind, object: &Object, old: Option<&Object>) -> Result<(), Status> {
    let mut causes = crate::kinds::metadata::validate(kind, object, old);
    let own = (kind.strategy.validate)(object, old);
    let structural = if kind.definition.is_some() {
        validate::custom(kind.schema.get(kind), object.value())
    } else {
        builtin::definitions().kind(kind).map(|s| validate::required_texts(s, object.value())).unwrap_or_default()
    };
    let new: Vec<_> = structural.into_iter().filter(|c| own.iter().all(|o| o.field != c.field)).collect();
    causes.extend(new);
    causes.extend(own);
    if causes.is_empty() {
        return Ok(());
    }
    let name = if object.name().is_empty() { object.text("/metadata/generateName") } else { object.name() };
    Err(Status::invalid(&kind.group, &kind.kind, name, &causes))
}

#[cfg(test)]
mod tests;
