//! Makes what the Gateway API asks for in the cluster, when this galley leads: classes, and proxies of Gateways.
//!
//! Objects are applied by their fields (server-side apply), so that those which others set stay. What somebody removed or
//! changed comes back with the next round. Objects go with their Gateway, which owns them.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use deployer::{FIELD_MANAGER, MANAGED};
use kube::{
    Api, Client, Error,
    api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams},
};
use mesh_bootstrap::Drain;
use mesh_model::config::Kind;
use serde_json::{Value, json};
use tokio::{sync::watch, time};

use crate::{source::cluster::resource_of, world::Fleet};

/// After something failed that may pass.
const AGAIN: Duration = Duration::from_secs(2);
/// Between rounds in which everything is applied anew.
const ROUND: Duration = Duration::from_secs(30);

/// Makes objects.
pub struct Deployer {
    client: Client,
    fleet: watch::Receiver<Arc<Fleet>>,
    leads: watch::Receiver<bool>,
    /// What was applied in this round, by kind, namespace and name.
    applied: BTreeMap<String, Value>,
}

impl std::fmt::Debug for Deployer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deployer").finish_non_exhaustive()
    }
}

impl Deployer {
    /// One that makes what `fleet` says while `leads`.
    pub fn new(client: Client, fleet: watch::Receiver<Arc<Fleet>>, leads: watch::Receiver<bool>) -> Self {
        Self { client, fleet, leads, applied: BTreeMap::new() }
    }

    /// Makes and keeps, until the drain begins.
    pub async fn run(mut self, drain: Drain) {
        let mut round = time::interval(ROUND);
        loop {
            let leads = *self.leads.borrow_and_update();
            let fleet = self.fleet.borrow_and_update().clone();
            let failed = leads && !self.make(&fleet).await;
            tokio::select! {
                changed = self.fleet.changed() => if changed.is_err() { return },
                changed = self.leads.changed() => if changed.is_err() { return },
                _ = round.tick() => self.applied.clear(),
                () = time::sleep(AGAIN), if failed => {}
                () = drain.requested() => return,
            }
        }
    }

    /// False: something failed that may pass.
    async fn make(&mut self, fleet: &Fleet) -> bool {
        let mut all_made = true;
        for (name, controller) in &fleet.classes {
            all_made &= self.create_class(name, controller).await;
        }
        for object in fleet.gateways.iter().flat_map(deployer::objects) {
            let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let id = format!("{} {}/{}", text("/kind"), text("/metadata/namespace"), text("/metadata/name"));
            if self.applied.get(&id) == Some(&object) {
                continue;
            }
            match self.apply(&object).await {
                Ok(true) => drop(self.applied.insert(id, object)),
                Ok(false) => {
                    tracing::warn!(
                        object = id,
                        "it is not of this mesh, so it is left alone; rename it or the Gateway"
                    );
                    self.applied.insert(id, object);
                }
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(object = id, error, "it cannot be applied; trying again");
                    all_made = false;
                }
            }
        }
        all_made
    }

    /// A class that came meanwhile is as good.
    async fn create_class(&self, name: &str, controller: &str) -> bool {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource_of(Kind::GatewayClass));
        let class = json!({
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "GatewayClass",
            "metadata": { "name": name },
            "spec": { "controllerName": controller, "description": "Made by the mesh" },
        });
        let Ok(class) = serde_json::from_value(class) else { return true };
        match api
            .create(&PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() }, &class)
            .await
        {
            Ok(_) => true,
            Err(Error::Api(status)) if status.code == 409 => true,
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(class = name, error, "it cannot be created; trying again");
                false
            }
        }
    }

    /// False: there is an object of this name that was not made here.
    async fn apply(&self, object: &Value) -> Result<bool, Error> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = text("/apiVersion").split_once('/').unwrap_or(("", text("/apiVersion")));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("/kind")));
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), text("/metadata/namespace"), &resource);
        let name = text("/metadata/name");
        let present = api.get_opt(name).await?;
        let is_ours =
            |o: &DynamicObject| o.metadata.labels.iter().flatten().any(|(k, v)| (k.as_str(), v.as_str()) == MANAGED);
        if present.as_ref().is_some_and(|object| !is_ours(object)) {
            return Ok(false);
        }
        api.patch(name, &PatchParams::apply(FIELD_MANAGER).force(), &Patch::Apply(object)).await.map(|_| true)
    }
}
