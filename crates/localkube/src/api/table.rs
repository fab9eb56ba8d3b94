//! Server-side printing: the columns that `kubectl get` shows, computed here.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{kinds::Kind, object::Object, store::Stored};

mod age;
mod kinds;
mod path;
mod pods;

pub use age::human_duration;
pub use path::find;

/// How much of its object a row carries (`includeObject`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Include {
    /// Nothing.
    None,
    /// `PartialObjectMetadata`.
    #[default]
    Metadata,
    /// The object.
    Object,
}

impl Include {
    /// Reads the query parameter; the default for anything else.
    pub fn parse(text: &str) -> Self {
        match text {
            "None" => Self::None,
            "Object" => Self::Object,
            _ => Self::Metadata,
        }
    }
}

/// A column: name, OpenAPI type, format, priority (0 is always shown, 1 with `-o wide`).
#[derive(Clone, Debug, PartialEq, Eq)]
struct Column {
    name: String,
    kind: String,
    format: String,
    description: String,
    priority: i64,
}

impl Column {
    fn new(name: &str, kind: &str, priority: i64) -> Self {
        let format = if name == "Name" { "name" } else { "" };
        let (name, kind, format) = (name.to_owned(), kind.to_owned(), format.to_owned());
        Self { name, kind, format, description: String::new(), priority }
    }

    fn value(&self) -> Value {
        json!({
            "name": self.name, "type": self.kind, "format": self.format, "description": self.description,
            "priority": self.priority,
        })
    }
}

/// Objects of `kind` as a `meta.k8s.io/v1` Table. `metadata` is the list's. A watch tells the columns once:
/// `with_columns` is false after that.
pub fn render(kind: &Kind, items: &[Arc<Stored>], include: Include, with_columns: bool, metadata: Value) -> Value {
    let now = Timestamp::now();
    let custom = custom_columns(kind);
    let built_in = kinds::printer(&kind.kind).filter(|_| kind.definition.is_none());
    let rows: Vec<Value> = items
        .iter()
        .map(|stored| {
            let object = &stored.object;
            let cells = match &built_in {
                Some(printer) => (printer.cells)(object, now),
                None => custom_cells(&custom, object, now),
            };
            row(kind, object, cells, include)
        })
        .collect();
    let columns: Vec<Value> = match (with_columns, &built_in) {
        (false, _) => Vec::new(),
        (true, Some(printer)) => printer.columns.iter().map(|(n, k, p)| Column::new(n, k, *p).value()).collect(),
        (true, None) => {
            let name = Column::new("Name", "string", 0);
            std::iter::once(&name).chain(custom.iter().map(|(column, _)| column)).map(Column::value).collect()
        }
    };
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata,
        "columnDefinitions": columns, "rows": rows,
    })
}

fn row(kind: &Kind, object: &Object, cells: Vec<Value>, include: Include) -> Value {
    let mut row = json!({"cells": cells});
    match include {
        Include::None => {}
        Include::Metadata => {
            row["object"] = json!({
                "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object.at("/metadata"),
            });
        }
        Include::Object => {
            let mut whole = object.value().clone();
            whole["apiVersion"] = kind.api_version().into();
            whole["kind"] = (&*kind.kind).into();
            row["object"] = whole;
        }
    }
    row
}

/// A custom kind's columns after the name, each with its JSON path; the age when its definition names none.
fn custom_columns(kind: &Kind) -> Vec<(Column, String)> {
    let columns = kind.version_definition().and_then(|v| v.get("additionalPrinterColumns"));
    let columns = columns.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if columns.is_empty() {
        return vec![(Column::new("Age", "date", 0), ".metadata.creationTimestamp".to_owned())];
    }
    let each = columns.iter().map(|column| {
        let text = |key: &str| column.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let priority = column.get("priority").and_then(Value::as_i64).unwrap_or(0);
        let (name, kind, format, description) = (text("name"), text("type"), text("format"), text("description"));
        (Column { name, kind, format, description, priority }, text("jsonPath"))
    });
    each.collect()
}

fn custom_cells(columns: &[(Column, String)], object: &Object, now: Timestamp) -> Vec<Value> {
    let cells = columns.iter().map(|(column, path)| {
        let found = find(object.value(), path);
        let Some(value) = found.first() else { return Value::Null };
        match (column.kind.as_str(), value) {
            ("date", Value::String(time)) => age::since(time, now).into(),
            ("string", Value::String(_)) | ("integer" | "number", Value::Number(_)) | ("boolean", Value::Bool(_)) => {
                (*value).clone()
            }
            ("string", Value::Null) => Value::Null,
            ("string", other) => other.to_string().into(),
            _ => Value::Null,
        }
    });
    std::iter::once(object.name().into()).chain(cells).collect()
}

#[cfg(test)]
mod tests;
