//! Objects of any kind, as a person writes them, in any namespace.

use anyhow::{Context, Result};
use futures::FutureExt;
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, Patch, PatchParams},
    core::{ApiResource, GroupVersionKind},
};
use serde_json::Value;

use crate::Cluster;

/// Whose fields they are.
const MANAGER: &str = "lateen-e2e";

/// The documents of a YAML text.
///
/// # Errors
/// It is no YAML.
pub fn documents(yaml: &str) -> Result<Vec<Value>> {
    let all = serde_saphyr::from_multiple::<Value>(yaml).map_err(|e| anyhow::anyhow!("{e}"))?;
    Ok(all.into_iter().filter(|document| !document.is_null()).collect())
}

impl Cluster {
    /// Applies objects; those that name no namespace go into `namespace`.
    ///
    /// # Errors
    /// One was refused.
    pub async fn apply(&self, namespace: &str, yaml: &str) -> Result<()> {
        for document in documents(yaml)? {
            let (api, name) = self.address(namespace, &document)?;
            let object: DynamicObject = serde_json::from_value(document)?;
            let params = PatchParams::apply(MANAGER).force();
            api.patch(&name, &params, &Patch::Apply(&object)).await.with_context(|| format!("{name} was refused"))?;
        }
        Ok(())
    }

    /// Deletes these objects; those that are gone already are no error.
    ///
    /// # Errors
    /// The cluster refused.
    pub async fn delete(&self, namespace: &str, yaml: &str) -> Result<()> {
        for document in documents(yaml)? {
            let (api, name) = self.address(namespace, &document)?;
            match api.delete(&name, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => {}
                deleted => drop(deleted.with_context(|| format!("{name} was not deleted"))?),
            }
        }
        Ok(())
    }

    /// Applies objects that live outside a test's own namespace, and deletes them whatever the test's end.
    ///
    /// # Errors
    /// Those of the test, and those of applying and deleting.
    ///
    /// # Panics
    /// When the test panics, after the objects were deleted.
    pub async fn holding<T>(&self, namespace: &str, yaml: &str, test: impl Future<Output = Result<T>>) -> Result<T> {
        let run = async {
            self.apply(namespace, yaml).await?;
            test.await
        };
        let result = std::panic::AssertUnwindSafe(run).catch_unwind().await;
        let deleted = self.delete(namespace, yaml).await;
        match result {
            Err(panic) => std::panic::resume_unwind(panic),
            Ok(result) => result.and_then(|value| deleted.map(|()| value)),
        }
    }

    fn address(&self, namespace: &str, object: &Value) -> Result<(Api<DynamicObject>, String)> {
        let text = |path: &str| object.pointer(path).and_then(Value::as_str);
        let version = text("/apiVersion").context("an object without an apiVersion")?;
        let kind = text("/kind").context("an object without a kind")?;
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        let name = text("/metadata/name").with_context(|| format!("a {kind} without a name"))?;
        let namespace = text("/metadata/namespace").unwrap_or(namespace);
        let cluster_wide = matches!(kind, "Namespace" | "CustomResourceDefinition" | "GatewayClass");
        let api = if cluster_wide {
            Api::all_with(self.client.clone(), &resource)
        } else {
            Api::namespaced_with(self.client.clone(), namespace, &resource)
        };
        Ok((api, name.to_owned()))
    }
}
