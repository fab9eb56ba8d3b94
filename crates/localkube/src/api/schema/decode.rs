//! Wrong types in objects of built-in kinds, told as Kubernetes' decoder tells them.

use jiff::Timestamp;
use serde_json::Value;

use super::{JsonType, Schema, builtin};

/// Where the walk is: the struct that the field is in, and the field's path without indexes.
struct Place<'a> {
    structure: &'a str,
    path: String,
}

impl Place<'_> {
    fn cannot(&self, found: &str, wanted: &str) -> String {
        if self.path.is_empty() {
            return format!("json: cannot unmarshal {found} into Go value of type {wanted}");
        }
        let Place { structure, path } = self;
        format!("json: cannot unmarshal {found} into Go struct field {structure}.{path} of type {wanted}")
    }
}

/// The first value in `value` that has the wrong type.
pub(super) fn check(schema: &Schema, value: &Value) -> Result<(), String> {
    walk(schema, value, &Place { structure: "", path: String::new() })
}

/// The same for the metadata of a custom object.
pub(super) fn check_metadata(value: &Value) -> Result<(), String> {
    match (builtin::definitions().metadata(), value.get("metadata")) {
        (Some(schema), Some(metadata)) => {
            walk(schema, metadata, &Place { structure: "ObjectMeta", path: "metadata".into() })
        }
        _ => Ok(()),
    }
}

fn walk(schema: &Schema, value: &Value, place: &Place<'_>) -> Result<(), String> {
    let schema = schema.resolved();
    if value.is_null() {
        return Ok(());
    }
    if schema.int_or_string {
        return int_or_string(schema, value, place);
    }
    let Some(wanted) = schema.json_type else { return Ok(()) };
    if !wanted.admits(value) {
        return Err(place.cannot(&found(value, wanted), &go_type(schema)));
    }
    match value {
        Value::Object(map) => {
            let structure = schema.name.as_deref().unwrap_or(place.structure);
            for (key, value) in map {
                let Some(property) = schema.properties.get(key.as_str()).or(schema.additional.as_deref()) else {
                    continue;
                };
                // A map's keys are no struct fields: errors below it name the map.
                let path = match (place.path.as_str(), schema.additional.is_some()) {
                    (path, true) => path.to_owned(),
                    ("", false) => key.clone(),
                    (path, false) => format!("{path}.{key}"),
                };
                walk(property, value, &Place { structure, path })?;
            }
            Ok(())
        }
        Value::Array(items) => {
            let Some(schema) = &schema.items else { return Ok(()) };
            items.iter().try_for_each(|item| walk(schema, item, place))
        }
        Value::String(text) => format(schema, text),
        Value::Number(number) => {
            let range = match schema.format.as_deref() {
                Some("int32") => i64::from(i32::MIN)..=i64::from(i32::MAX),
                _ => return Ok(()),
            };
            let fits = number.as_i64().is_some_and(|n| range.contains(&n));
            if fits { Ok(()) } else { Err(place.cannot(&format!("number {number}"), &go_type(schema))) }
        }
        _ => Ok(()),
    }
}

fn int_or_string(schema: &Schema, value: &Value, place: &Place<'_>) -> Result<(), String> {
    if schema.name.as_deref() == Some("Quantity") {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        return if is_quantity(&text) {
            Ok(())
        } else {
            Err("quantities must match the regular expression \
                 '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
                .into())
        };
    }
    match value {
        Value::String(_) => Ok(()),
        Value::Number(n) if n.as_i64().is_some_and(|n| i32::try_from(n).is_ok()) => Ok(()),
        _ => Err(place.cannot(&found(value, JsonType::Integer), "intstr.IntOrString")),
    }
}

/// Is `text` a quantity: a decimal number with an optional suffix or exponent?
pub(crate) fn is_quantity(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let number_good = number.chars().any(|c| c.is_ascii_digit()) && number.matches('.').count() <= 1;
    const SUFFIXES: &[&str] = &["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let exponent = suffix.strip_prefix(['e', 'E']).is_some_and(|e| e.parse::<i32>().is_ok());
    number_good && (SUFFIXES.contains(&suffix) || exponent)
}

fn format(schema: &Schema, text: &str) -> Result<(), String> {
    match schema.format.as_deref() {
        Some("date-time") if text.parse::<Timestamp>().is_err() => Err(format!(
            "parsing time \"{text}\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"{text}\" as \"2006\""
        )),
        Some("byte") => match base64_fault(text) {
            Some(at) => Err(format!("illegal base64 data at input byte {at}")),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

/// The first byte at which `text` is not padded base64 (line breaks are passed over).
fn base64_fault(text: &str) -> Option<usize> {
    use base64::{DecodeError, Engine, engine::general_purpose::STANDARD};
    let text: String = text.chars().filter(|c| !matches!(c, '\r' | '\n')).collect();
    match STANDARD.decode(&text).err()? {
        DecodeError::InvalidByte(at, _) | DecodeError::InvalidLastSymbol(at, _) => Some(at),
        DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => Some(text.len() / 4 * 4),
    }
}

/// A JSON value's type as Go's decoder names it; a number that does not fit is shown.
fn found(value: &Value, wanted: JsonType) -> String {
    match value {
        Value::Bool(_) => "bool".into(),
        Value::Number(n) if matches!(wanted, JsonType::Integer) => format!("number {n}"),
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
        Value::Array(_) => "array".into(),
        _ => "object".into(),
    }
}

fn go_type(schema: &Schema) -> String {
    let schema = schema.resolved();
    match (schema.json_type, schema.name.as_deref()) {
        (Some(JsonType::Object), Some(name)) => format!("v1.{name}"),
        (Some(JsonType::Object), None) => {
            format!("map[string]{}", schema.additional.as_deref().map_or_else(|| "interface {}".into(), go_type))
        }
        (Some(JsonType::Array), _) => {
            format!("[]{}", schema.items.as_deref().map_or_else(|| "interface {}".into(), go_type))
        }
        (Some(JsonType::Integer), _) => schema.format.as_deref().unwrap_or("int64").to_owned(),
        (Some(JsonType::Number), _) => "float64".into(),
        (Some(JsonType::Boolean), _) => "bool".into(),
        _ if schema.int_or_string => schema.name.as_deref().unwrap_or("string").to_owned(),
        _ if schema.format.as_deref() == Some("byte") => "[]uint8".into(),
        _ => "string".into(),
    }
}
