//! CustomResourceDefinitions, made from the types.
//!
//! <https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/custom-resource-definition-v1/>

use serde_json::{Map, Value, json};

use crate::{
    kind::{KINDS, Kind, KindInfo},
    object::Status,
    shape::shaped,
};

shaped!(Status);

/// The definition of one kind.
pub fn crd<K: Kind>() -> Value {
    definition(&K::INFO)
}

/// The definitions of every kind, in the order of [`KINDS`].
pub fn all_crds() -> Vec<Value> {
    KINDS.iter().map(definition).collect()
}

/// The definition of the kind that a row of [`KINDS`] describes.
pub fn definition(info: &KindInfo) -> Value {
    let schema = object_schema(info);
    let versions: Vec<Value> = info
        .versions
        .iter()
        .map(|version| {
            let mut out = json!({
                "name": version.name,
                "served": true,
                "storage": version.storage,
                "subresources": { "status": {} },
                "schema": { "openAPIV3Schema": schema },
            });
            if !info.columns.is_empty() {
                out["additionalPrinterColumns"] = columns(info);
            }
            out
        })
        .collect();
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{}.{}", info.plural, info.group),
            "labels": { "app.kubernetes.io/part-of": "lateen" },
            // Removing a chart must not remove what users wrote.
            "annotations": { "helm.sh/resource-policy": "keep" },
        },
        "spec": { "group": info.group, "names": names(info), "scope": "Namespaced", "versions": versions },
    })
}

fn names(info: &KindInfo) -> Value {
    let mut names = json!({
        "kind": info.kind,
        "listKind": format!("{}List", info.kind),
        "plural": info.plural,
        "singular": info.singular,
        "categories": info.categories,
    });
    if !info.short_names.is_empty() {
        names["shortNames"] = json!(info.short_names);
    }
    names
}

fn columns(info: &KindInfo) -> Value {
    let column = |c: &crate::kind::Column| json!({ "name": c.name, "type": c.r#type, "jsonPath": c.json_path, "description": c.description });
    info.columns.iter().map(column).collect()
}

fn object_schema(info: &KindInfo) -> Value {
    use crate::shape::Shaped;
    let mut properties = Map::new();
    properties.insert("spec".to_owned(), info.shape().schema());
    properties.insert("status".to_owned(), Status::shape().schema());
    let mut schema = json!({ "type": "object", "properties": properties });
    if info.spec_required {
        schema["required"] = json!(["spec"]);
    }
    schema
}

#[cfg(test)]
mod tests;
