//! patch: JSON patch, merge patch, strategic merge patch, server-side apply.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{
    Api, Caller, Part, WriteOptions,
    shapes::Shape,
    verbs::{At, Ownership},
};
use crate::{kinds::Kind, object::Object, status::Status, store::Stored};

mod strategic;

/// A change to an object, by content type.
#[derive(Clone, Debug, PartialEq)]
pub enum Patch {
    /// RFC 6902.
    Json(json_patch::Patch),
    /// RFC 7386.
    Merge(Value),
    /// Kubernetes' own, for built-in kinds.
    Strategic(Value),
    /// Server-side apply: the fields that the manager wants, complete.
    Apply(Value),
}

/// A patch's result.
#[derive(Clone, Debug)]
pub struct Patched {
    /// The object after it.
    pub object: Arc<Stored>,
    /// True when server-side apply made the object.
    pub created: bool,
}

impl Patch {
    /// Reads a patch by its content type; 415 for an unknown one, 400 for text that is none.
    pub fn parse(content_type: &str, text: &[u8]) -> Result<Self, Status> {
        use super::http::body::{from_json, from_yaml};
        match content_type {
            "application/json-patch+json" => serde_json::from_slice(text)
                .map(Patch::Json)
                .map_err(|error| Status::bad_request(format!("error decoding patch: {error}"))),
            "application/merge-patch+json" => from_json(text).map(Patch::Merge),
            "application/strategic-merge-patch+json" => from_json(text).map(Patch::Strategic),
            "application/apply-patch+yaml" => from_yaml(text).map(Patch::Apply),
            _ => Err(Status::new(
                415,
                "UnsupportedMediaType",
                "the body of the request was in an unknown format - accepted media types include: \
                 application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
            )),
        }
    }

    /// The value changed by this patch; server-side apply needs more than a value and is refused here.
    pub fn change(&self, kind: &Kind, mut value: Value) -> Result<Value, Status> {
        match self {
            Patch::Json(patch) => {
                json_patch::patch(&mut value, patch).map_err(|error| unprocessable(&error.to_string()))?;
            }
            Patch::Merge(patch) => json_patch::merge(&mut value, patch),
            Patch::Strategic(_) | Patch::Apply(_) if kind.definition.is_some() => return Err(not_for_custom()),
            Patch::Strategic(patch) | Patch::Apply(patch) => return strategic::merge(value, patch, Shape::of(kind)),
        }
        Ok(value)
    }
}

impl Patch {
    /// The changed value of a thing that has no lists to merge, such as a Scale: strategic and apply are merges there.
    pub fn change_plain(&self, mut value: Value) -> Result<Value, Status> {
        match self {
            Patch::Json(_) => return self.change_json(value),
            Patch::Merge(patch) | Patch::Strategic(patch) | Patch::Apply(patch) => json_patch::merge(&mut value, patch),
        }
        Ok(value)
    }

    fn change_json(&self, mut value: Value) -> Result<Value, Status> {
        if let Patch::Json(patch) = self {
            json_patch::patch(&mut value, patch).map_err(|error| unprocessable(&error.to_string()))?;
        }
        Ok(value)
    }
}

impl Api {
    /// Patches an object, or the part of it that `part` says.
    pub async fn patch(
        &self,
        caller: &Caller,
        kind: &Kind,
        part: Part,
        at: At<'_>,
        patch: &Patch,
        options: &WriteOptions,
    ) -> Result<Patched, Status> {
        if let Patch::Apply(config) = patch {
            return self.apply(caller, kind, part, at, config, options).await;
        }
        let change = |old: &Object| Object::new(patch.change(kind, old.value().clone())?);
        let object = self.change(caller, kind, part, at, options, Ownership::Tracked, change).await?;
        Ok(Patched { object, created: false })
    }
}

fn not_for_custom() -> Status {
    Status::new(
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format - accepted media types include: \
         application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml",
    )
}

fn unprocessable(why: &str) -> Status {
    let message = format!("the server rejected our request due to an error in our request: {why}");
    // kubectl shows the message only when there are details without causes.
    Status { details: json!({}), ..Status::new(422, "Invalid", message) }
}

#[cfg(test)]
mod tests;
