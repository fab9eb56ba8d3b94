//! CustomResourceDefinitions, made from the types.
//!
//! <https://kubernetes.io/docs/reference/kubernetes-api/extend-resources/custom-resource-definition-v1/>

use serde_json::{Map, Value, json};

use crate::{
    gateway_api::{self, ClassStatus, GatewayStatus, RouteStatus},
    kind::{KINDS, Kind, KindInfo},
    object::Status,
    shape::shaped,
};

shaped!(Status, ClassStatus, GatewayStatus, RouteStatus);

/// The definition of one kind.
pub fn crd<K: Kind>() -> Value {
    definition(&K::INFO)
}

/// The definitions of Istio's kinds, in the order of [`KINDS`].
pub fn all_crds() -> Vec<Value> {
    KINDS.iter().filter(|info| info.group != gateway_api::GROUP).map(definition).collect()
}

/// The definitions of the Gateway API's kinds, which belong to the cluster and not to one mesh.
pub fn gateway_api_crds() -> Vec<Value> {
    KINDS.iter().filter(|info| info.group == gateway_api::GROUP).map(definition).collect()
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
                "schema": { "openAPIV3Schema": schema },
            });
            out["subresources"] = if info.status.is_some() { json!({ "status": {} }) } else { json!({}) };
            if !info.columns.is_empty() {
                out["additionalPrinterColumns"] = columns(info);
            }
            out
        })
        .collect();
    // Removing a chart must not remove what users wrote.
    let mut annotations = json!({ "helm.sh/resource-policy": "keep" });
    for (key, value) in info.annotations {
        annotations[*key] = json!(value);
    }
    let scope = if info.namespaced { "Namespaced" } else { "Cluster" };
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{}.{}", info.plural, info.group),
            "labels": { "app.kubernetes.io/part-of": "lateen" },
            "annotations": annotations,
        },
        "spec": { "group": info.group, "names": names(info), "scope": scope, "versions": versions },
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
    let column = |c: &crate::kind::Column| {
        json!({
            "name": c.name, "type": c.r#type, "jsonPath": c.json_path, "description": c.description,
            "priority": c.priority,
        })
    };
    info.columns.iter().map(column).collect()
}

fn object_schema(info: &KindInfo) -> Value {
    let mut properties = Map::new();
    properties.insert("spec".to_owned(), info.shape().schema());
    if let Some(status) = info.status {
        properties.insert("status".to_owned(), status().schema());
    }
    let mut schema = json!({ "type": "object", "properties": properties });
    if info.spec_required {
        schema["required"] = json!(["spec"]);
    }
    schema
}

#[cfg(test)]
mod tests;
