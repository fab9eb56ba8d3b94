//! `proxy-config`: what a proxy was told, from its own mouth, in istioctl's tables.
//!
//! Pure: from the answers of the proxy's admin port (`/config_dump`, `/clusters?format=json`) to rows. An object that has
//! a shape nobody expects gives an empty cell, not an error: a person who looks for a fault needs what there is.

mod clusters;
mod endpoints;
mod listeners;
mod routes;

use serde_json::Value;

pub use clusters::{ClusterFilter, clusters};
pub use endpoints::{EndpointFilter, endpoints};
pub use listeners::{ListenerFilter, listeners};
pub use routes::routes;

use crate::table::Table;

/// A view of a part of a proxy's configuration: its table, and the objects behind it.
#[derive(Clone, Debug, PartialEq)]
pub struct View {
    /// For people.
    pub table: Table,
    /// For programs.
    pub objects: Vec<Value>,
}

impl View {
    fn new(head: &[&str]) -> Self {
        Self { table: Table::new(head), objects: Vec::new() }
    }
}

/// The section of a configuration dump whose type is called `name`.
fn section<'a>(dump: &'a Value, name: &str) -> Option<&'a Value> {
    let sections = dump["configs"].as_array()?;
    sections.iter().find(|section| text(&section["@type"]).rsplit('.').next() == Some(name))
}

/// The bootstrap that the proxy was started with.
pub fn bootstrap(dump: &Value) -> Option<&Value> {
    section(dump, "BootstrapConfigDump")
}

/// Objects of a section: from each list, the object under the key (or the path of keys) within each item.
fn objects<'a>(dump: &'a Value, name: &str, lists: &[(&str, &str)]) -> Vec<&'a Value> {
    let Some(section) = section(dump, name) else { return Vec::new() };
    let of = |(list, path): &(&str, &str)| {
        let items = section[*list].as_array().into_iter().flatten();
        items.filter_map(|item| item.pointer(path)).collect::<Vec<_>>()
    };
    lists.iter().flat_map(of).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// `NAME.NAMESPACE` of the object that an Istio configuration path of that kind names.
fn origin(object: &Value, kind: &str) -> String {
    let path = object.pointer("/metadata/filter_metadata/istio/config").map(text).unwrap_or_default();
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        [.., "namespaces", namespace, word, name] if *word == kind => format!("{name}.{namespace}"),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
