//! Walks a document and its schema side by side.

use std::fmt;

use serde_json::{Map, Value};

use super::schema::{DURATION, KEEP_UNKNOWN};
use crate::duration::{BadDuration, Duration};

/// Something about a document, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Where: `spec.http[0].route[1].weight`. A map's key stands in brackets, like an index.
    pub path: String,
    /// What.
    pub problem: Problem,
}

/// What can be found.
#[derive(Clone, Debug, PartialEq)]
pub enum Problem {
    /// The type has no such field. Its value is lost.
    UnknownField,
    /// The value has another type than the field.
    WrongType {
        /// What the field takes.
        expected: &'static str,
        /// What is there.
        found: &'static str,
    },
    /// The value is none of the names that the field takes.
    UnknownName {
        /// What is there.
        found: String,
        /// The names that the field takes.
        allowed: Vec<String>,
    },
    /// The number does not fit into the field.
    OutOfRange {
        /// What is there.
        found: String,
    },
    /// The text is no duration.
    BadDuration(BadDuration),
    /// Something else keeps the document from being read.
    Unreadable(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownField => write!(f, "unknown field"),
            Self::WrongType { expected, found } => write!(f, "expected {expected}, found {found}"),
            Self::UnknownName { found, allowed } => write!(f, "`{found}` is none of {}", allowed.join(", ")),
            Self::OutOfRange { found } => write!(f, "the number {found} does not fit"),
            Self::BadDuration(why) => why.fmt(f),
            Self::Unreadable(why) => f.write_str(why),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.problem)
    }
}

pub(super) fn inspect(schema: &Value, json: &Value, at: &str) -> Vec<Finding> {
    let mut walk = Walk { path: at.to_owned(), found: Vec::new() };
    walk.value(schema, json);
    walk.found
}

struct Walk {
    path: String,
    found: Vec<Finding>,
}

impl Walk {
    fn value(&mut self, schema: &Value, json: &Value) {
        // `null` is the absent field.
        if json.is_null() {
            return;
        }
        let Some(expected) = schema.get("type").and_then(Value::as_str) else { return };
        match (expected, json) {
            ("object", Value::Object(fields)) => self.object(schema, fields),
            ("array", Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.below(&format!("[{index}]"), &schema["items"], item);
                }
            }
            ("string", Value::String(text)) => self.text(schema, text),
            ("boolean", Value::Bool(_)) | ("number", Value::Number(_)) => {}
            ("integer", Value::Number(number)) => self.integer(schema, number),
            _ => self.note(Problem::WrongType { expected: takes(schema, expected), found: kind_of(json) }),
        }
    }

    fn object(&mut self, schema: &Value, fields: &Map<String, Value>) {
        let keeps = schema.get(KEEP_UNKNOWN).is_some();
        for (name, value) in fields {
            if let Some(property) = schema.get("properties").and_then(|p| p.get(name)) {
                let dot = if self.path.is_empty() { "" } else { "." };
                self.below(&format!("{dot}{name}"), property, value);
            } else if let Some(values) = schema.get("additionalProperties") {
                self.below(&format!("[{name}]"), values, value);
            } else if !keeps {
                let dot = if self.path.is_empty() { "" } else { "." };
                let path = format!("{}{dot}{name}", self.path);
                self.found.push(Finding { path, problem: Problem::UnknownField });
            }
        }
    }

    fn text(&mut self, schema: &Value, text: &str) {
        if let Some(Value::Array(names)) = schema.get("enum") {
            if !names.iter().any(|name| name == text) {
                let allowed = names.iter().filter_map(Value::as_str).map(str::to_owned).collect();
                self.note(Problem::UnknownName { found: text.to_owned(), allowed });
            }
        } else if schema.get(DURATION).is_some()
            && let Err(why) = Duration::parse(text)
        {
            self.note(Problem::BadDuration(why));
        }
    }

    fn integer(&mut self, schema: &Value, number: &serde_json::Number) {
        let (low, high) = match schema.get("format").and_then(Value::as_str) {
            Some("int32") => (i128::from(i32::MIN), i128::from(i32::MAX)),
            Some(_) => (i128::from(i64::MIN), i128::from(i64::MAX)),
            None if schema.get("maximum").is_some() => (0, i128::from(u32::MAX)),
            None => (0, i128::from(u64::MAX)),
        };
        match number.as_i128() {
            None => self.note(Problem::WrongType { expected: "a whole number", found: "a fraction" }),
            Some(n) if n < low || n > high => self.note(Problem::OutOfRange { found: n.to_string() }),
            Some(_) => {}
        }
    }

    fn below(&mut self, step: &str, schema: &Value, json: &Value) {
        let here = self.path.len();
        self.path.push_str(step);
        self.value(schema, json);
        self.path.truncate(here);
    }

    fn note(&mut self, problem: Problem) {
        self.found.push(Finding { path: self.path.clone(), problem });
    }
}

fn takes(schema: &Value, expected: &str) -> &'static str {
    match expected {
        "object" if schema.get("additionalProperties").is_some() => "a map",
        "object" => "an object",
        "array" => "a list",
        "string" if schema.get("enum").is_some() => "a name",
        "string" if schema.get(DURATION).is_some() => "a duration such as 5s",
        "string" => "a text (put it in quotes)",
        "boolean" => "true or false",
        "integer" => "a whole number",
        _ => "a number",
    }
}

fn kind_of(json: &Value) -> &'static str {
    match json {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
