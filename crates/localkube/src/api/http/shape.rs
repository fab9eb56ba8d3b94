//! How a client wants objects shown: whole, their metadata only, or as a table; from its `Accept` header.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, header};
use serde_json::{Map, Value, json};

use crate::{
    api::{
        list::Listing,
        table::{self, Include},
    },
    kinds::Kind,
    status::Status,
    store::Stored,
};

/// How objects are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// As stored.
    Full,
    /// `PartialObjectMetadata`.
    Metadata,
    /// A `Table` of what kubectl prints.
    Table(Include),
}

impl Shape {
    /// The first form in `Accept` that this server can give; 406 when there is none.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Status> {
        let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
        accept.split(',').find_map(clause).ok_or_else(|| {
            let why = "only the following media types are accepted: application/json, application/json;as=Table, \
                       application/json;as=PartialObjectMetadata";
            Status::new(406, "NotAcceptable", why)
        })
    }

    /// One object.
    pub(super) fn one(&self, kind: &Kind, stored: &Arc<Stored>) -> Bytes {
        match self {
            Shape::Full => kind.view(stored.clone()).json(),
            Shape::Metadata => metadata_only(stored).to_string().into(),
            Shape::Table(include) => {
                let metadata = json!({"resourceVersion": stored.object.revision().to_string()});
                let table = table::render(kind, std::slice::from_ref(stored), *include, true, metadata);
                table.to_string().into()
            }
        }
    }

    /// A table's rows carry of their objects what the parameter `includeObject` says.
    pub(super) fn including(self, parameter: &str) -> Self {
        match self {
            Shape::Table(_) => Shape::Table(Include::parse(parameter)),
            other => other,
        }
    }

    /// A page of a list.
    pub(super) fn list(&self, kind: &Kind, listing: &Listing) -> Bytes {
        match self {
            Shape::Full => {
                let head = json!({"apiVersion": kind.api_version(), "kind": format!("{}List", kind.kind)});
                concatenated(&head, listing, listing.items.iter().map(|stored| stored.json()))
            }
            Shape::Metadata => {
                let head = json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList"});
                let items = listing.items.iter().map(|stored| Bytes::from(metadata_only(stored).to_string()));
                concatenated(&head, listing, items)
            }
            Shape::Table(include) => {
                let table = table::render(kind, &listing.items, *include, true, list_metadata(listing));
                table.to_string().into()
            }
        }
    }
}

fn clause(clause: &str) -> Option<Shape> {
    let mut parts = clause.split(';').map(str::trim);
    if !["application/json", "application/*", "*/*"].contains(&parts.next()?) {
        return None;
    }
    match parts.find_map(|parameter| parameter.strip_prefix("as=")) {
        None => Some(Shape::Full),
        Some("Table") => Some(Shape::Table(Include::default())),
        Some("PartialObjectMetadata" | "PartialObjectMetadataList") => Some(Shape::Metadata),
        Some(_) => None,
    }
}

fn metadata_only(stored: &Stored) -> Value {
    let metadata = stored.object.at("/metadata");
    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": metadata})
}

/// A list's own `metadata`.
fn list_metadata(listing: &Listing) -> Value {
    let mut metadata = Map::from_iter([("resourceVersion".to_owned(), listing.revision.to_string().into())]);
    if !listing.continue_token.is_empty() {
        metadata.insert("continue".into(), listing.continue_token.as_str().into());
    }
    if let Some(remaining) = listing.remaining {
        metadata.insert("remainingItemCount".into(), remaining.into());
    }
    metadata.into()
}

/// The list as text, from items that are text already: encoding 10,000 pods anew for each reader would be slow.
fn concatenated(head: &Value, listing: &Listing, items: impl Iterator<Item = Bytes>) -> Bytes {
    let mut head = head.clone();
    head["metadata"] = list_metadata(listing);
    let head = head.to_string();
    let mut text = BytesMut::new();
    text.put_slice(&head.as_bytes()[..head.len() - 1]);
    text.put_slice(b",\"items\":[");
    for (n, item) in items.enumerate() {
        if n > 0 {
            text.put_u8(b',');
        }
        text.put_slice(&item);
    }
    text.put_slice(b"]}\n");
    text.freeze()
}
