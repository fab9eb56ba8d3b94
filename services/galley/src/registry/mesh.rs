//! The mesh's settings: ConfigMap `istio` in the root namespace.
//!
//! <https://istio.io/latest/docs/reference/config/istio.mesh.v1alpha1/>

use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::Value;

/// Name of the ConfigMap.
pub const CONFIG_MAP: &str = "istio";
/// The key that holds the settings.
const KEY: &str = "mesh";

/// Settings that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum BadMesh {
    /// Not YAML.
    #[error("key `mesh` of ConfigMap `istio` is not YAML")]
    Yaml(#[source] Box<serde_saphyr::Error>),
    /// YAML, but no mapping.
    #[error("key `mesh` of ConfigMap `istio` is no mapping")]
    Shape,
}

/// The settings as they are written; an empty object when nothing is.
///
/// # Errors
/// The text is no YAML mapping.
pub fn settings(map: &ConfigMap) -> Result<Value, BadMesh> {
    let text = map.data.as_ref().and_then(|data| data.get(KEY)).map_or("", String::as_str);
    let value: Option<Value> = serde_saphyr::from_str(text).map_err(|error| BadMesh::Yaml(Box::new(error)))?;
    match value {
        None | Some(Value::Null) => Ok(Value::Object(serde_json::Map::new())),
        Some(value @ Value::Object(_)) => Ok(value),
        Some(_) => Err(BadMesh::Shape),
    }
}

#[cfg(test)]
mod tests;
