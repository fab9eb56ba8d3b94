//! The Gateway API: its kinds, which users install beside the mesh, and its conditions.

use anyhow::{Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api,
    api::DynamicObject,
    core::{ApiResource, GroupVersionKind},
};
use serde_json::Value;

use crate::{Cluster, ctl::lateenctl, eventually, mesh::PATIENCE};

/// Installs the kinds unless they are there, and waits for the classes that the mesh makes then.
///
/// # Errors
/// A kind was refused, or a class is not accepted in time.
pub async fn install(cluster: &Cluster) -> Result<()> {
    let kinds = lateenctl(&["crds", "gateway-api"], "").await?;
    cluster.apply("default", &kinds).await?;
    let crds = Api::<CustomResourceDefinition>::all(cluster.client.clone());
    eventually("the kinds are served", PATIENCE, async || {
        let crd = crds.get("httproutes.gateway.networking.k8s.io").await?;
        let conditions = crd.status.and_then(|s| s.conditions).unwrap_or_default();
        Ok(conditions.iter().any(|c| c.type_ == "Established" && c.status == "True").then_some(()))
    })
    .await?;
    let classes = Api::<DynamicObject>::all_with(cluster.client.clone(), &resource("GatewayClass"));
    for (class, controller) in
        [("istio", "istio.io/gateway-controller"), ("istio-remote", "istio.io/unmanaged-gateway")]
    {
        eventually(&format!("class {class} is accepted"), PATIENCE, async || {
            let object = classes.get(class).await?;
            ensure!(object.data["spec"]["controllerName"] == controller, "{}", object.data);
            condition(&object.data["status"]["conditions"], "Accepted")?;
            Ok(Some(()))
        })
        .await?;
    }
    Ok(())
}

/// A kind of the Gateway API.
pub fn resource(kind: &str) -> ApiResource {
    ApiResource::from_gvk(&GroupVersionKind::gvk("gateway.networking.k8s.io", "v1", kind))
}

/// Holds a condition to be True.
///
/// # Errors
/// It is not, with all conditions.
pub fn condition(conditions: &Value, name: &str) -> Result<()> {
    let found = conditions.as_array().into_iter().flatten().find(|c| c["type"] == name);
    ensure!(found.is_some_and(|c| c["status"] == "True"), "{name} is not True in {conditions}");
    Ok(())
}
