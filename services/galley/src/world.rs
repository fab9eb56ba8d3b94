//! The one writer: takes inputs in, keeps what records are made of, and publishes what follows.
//!
//! No IO here. An input changes one resource at once, or marks what depends on it (a node's pods, a service's
//! endpoints); [`World::settle`] makes what is marked.

mod addresses;
mod gateway_api;
mod objects;
mod secrets;
mod workloads;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use istio_api::Shaped;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use mesh_kube::Key;
use mesh_model::{
    config::{Kind, MeshConfig},
    parse::ParseContext,
};
use mesh_proto::{registry, type_url};
use serde_json::Value;

use addresses::Addresses;
pub use gateway_api::Fleet;
use gateway_api::GatewayApi;
pub use objects::{Beside, Finding, Report};
use secrets::Secrets;
use workloads::Workloads;

use crate::{
    input::{Collection, Input, KINDS, Object},
    published::Published,
    record::record,
    registry::{endpoints, mesh, namespace, service},
};

/// Name of the one resource of the mesh's settings.
const MESH: &str = "istio";

/// Namespace and name of a Service.
type ServiceName = (String, String);

/// Everything that galley knows.
#[derive(Debug)]
pub struct World {
    context: ParseContext,
    now: Published,
    awaited: BTreeSet<Collection>,
    /// By service, then by name of the slice.
    slices: BTreeMap<ServiceName, BTreeMap<String, EndpointSlice>>,
    service_of_slice: HashMap<Key, ServiceName>,
    workloads: Workloads,
    secrets: Secrets,
    dirty_services: BTreeSet<ServiceName>,
    addresses: Addresses,
    reports: Vec<Report>,
    gateway_api: GatewayApi,
    is_changed: bool,
}

impl World {
    /// A world that waits for all collections. `context` completes the names of services and short hosts.
    pub fn new(context: ParseContext) -> Self {
        let records = [
            type_url::SERVICE,
            type_url::ENDPOINTS,
            type_url::WORKLOAD,
            type_url::NAMESPACE,
            type_url::REGISTRY_SECRET,
            type_url::MESH_CONFIG,
        ];
        let types = records.map(str::to_owned).into_iter().chain(KINDS.map(crate::config::type_url_of));
        let now =
            Published { types: types.map(|type_url| (type_url, Arc::default())).collect(), ..Published::default() };
        let mut world = Self {
            context,
            now,
            awaited: Collection::all().collect(),
            slices: BTreeMap::new(),
            service_of_slice: HashMap::new(),
            workloads: Workloads::default(),
            secrets: Secrets::default(),
            dirty_services: BTreeSet::new(),
            addresses: Addresses::default(),
            reports: Vec::new(),
            gateway_api: GatewayApi::default(),
            is_changed: false,
        };
        // Readers count on the settings being there, also when nobody wrote any.
        world.settings(&Value::Object(serde_json::Map::new()));
        world
    }

    /// Takes an input in.
    pub fn hear(&mut self, input: Input) {
        match input {
            Input::Applied(object) => self.apply(object),
            Input::Deleted(collection, key) => self.delete(collection, &key),
            Input::Complete(collection) => {
                self.awaited.remove(&collection);
            }
            Input::Installed(Collection::Config(Kind::GatewayClass)) => self.gateway_api.installed(),
            Input::Installed(_) => {}
            Input::Noted(what, issues) => self.say(&what, issues),
        }
    }

    /// What is not listed yet.
    pub fn awaited(&self) -> &BTreeSet<Collection> {
        &self.awaited
    }

    /// What is to be in the cluster because of the Gateway API, as of the last [`Self::settle`].
    pub fn fleet(&self) -> Arc<Fleet> {
        self.gateway_api.fleet()
    }

    /// What is said of objects since this was last called; for their status.
    pub fn take_reports(&mut self) -> Vec<Report> {
        std::mem::take(&mut self.reports)
    }

    /// Makes what depends on what was heard. Some: it differs from what was given out before.
    pub fn settle(&mut self) -> Option<Published> {
        // Before everything is listed, much would be said to be missing.
        if self.awaited.is_empty() {
            let settled = self.gateway_api.settle(&|name| self.secrets.state(name));
            self.reports.extend(settled.reports);
            for (key, credentials) in settled.credentials {
                self.secrets.name(Kind::KubernetesGateway, &key, Some(credentials));
            }
        }
        let workloads = self.workloads.take_changed();
        if !workloads.is_empty() {
            self.secrets.pods_changed();
        }
        for (name, workload) in workloads {
            match workload {
                Some(workload) => self.set(type_url::WORKLOAD, &name, &workload),
                None => self.remove(type_url::WORKLOAD, &name),
            }
        }
        for (key, secret) in self.secrets.take_changed(self.workloads.pods()) {
            match secret {
                Some(secret) => self.set(type_url::REGISTRY_SECRET, &key.to_string(), &secret),
                None => self.remove(type_url::REGISTRY_SECRET, &key.to_string()),
            }
        }
        if self.workloads.take_addresses_changed() {
            let unnamed = self.slices.iter().filter(|(_, slices)| slices.values().any(endpoints::needs_addresses));
            self.dirty_services.extend(unnamed.map(|(name, _)| name.clone()));
        }
        for name in std::mem::take(&mut self.dirty_services) {
            self.make_endpoints(&name);
        }
        // Before all are listed, addresses that are taken might be given again.
        if !self.awaited.contains(&Collection::Config(Kind::ServiceEntry)) {
            self.reports.extend(self.addresses.settle());
        }
        if self.awaited.is_empty() && !self.now.is_complete {
            self.now.is_complete = true;
            self.is_changed = true;
        }
        std::mem::take(&mut self.is_changed).then(|| self.now.clone())
    }

    fn apply(&mut self, object: Object) {
        match object {
            Object::Service(service) => {
                let record = service::record(&service, &self.context.domain);
                self.gateway_api.service(&service, &record);
                let service = record;
                self.set(type_url::SERVICE, &service.host, &service);
            }
            Object::Slice(slice) => self.apply_slice(*slice),
            Object::Pod(pod) => self.workloads.apply(&pod),
            Object::Node(node) => self.workloads.apply_node(&node),
            Object::Namespace(object) => {
                let record = namespace::record(&object);
                self.set(type_url::NAMESPACE, &record.name, &record);
                self.gateway_api.namespace(&record.name, Some(&record));
                if self.now.namespaces.get(&record.name) != Some(&record.labels) {
                    Arc::make_mut(&mut self.now.namespaces).insert(record.name, record.labels);
                }
            }
            Object::Secret(secret) => {
                self.gateway_api.touch();
                self.secrets.apply(*secret);
            }
            Object::Mesh(map) => self.apply_mesh(&map),
            Object::Config(kind, object) => self.apply_config(kind, &object),
        }
    }

    fn delete(&mut self, collection: Collection, key: &Key) {
        match collection {
            Collection::Services => {
                let host = service::host(&key.name, &key.namespace, &self.context.domain);
                self.gateway_api.no_service(key, &host);
                self.remove(type_url::SERVICE, &host);
            }
            Collection::Slices => self.delete_slice(key),
            Collection::Pods => self.workloads.delete(key),
            Collection::Nodes => self.workloads.delete_node(&key.name),
            Collection::Namespaces => {
                self.remove(type_url::NAMESPACE, &key.name);
                self.gateway_api.namespace(&key.name, None);
                Arc::make_mut(&mut self.now.namespaces).remove(&key.name);
            }
            Collection::Secrets => {
                self.gateway_api.touch();
                self.secrets.delete(key);
            }
            // Without a ConfigMap the defaults hold.
            Collection::Mesh => {
                self.gateway_api.mesh(MeshConfig::default());
                self.settings(&Value::Object(serde_json::Map::new()));
            }
            Collection::Config(kind) => self.delete_config(kind, key),
        }
    }

    fn apply_slice(&mut self, mut slice: EndpointSlice) {
        let key = Key::of(&slice);
        let Some(service) = endpoints::service_of(&slice) else { return self.delete_slice(&key) };
        let service = (key.namespace.clone(), service.to_owned());
        if self.service_of_slice.get(&key).is_some_and(|before| *before != service) {
            self.delete_slice(&key);
        }
        // Bookkeeping that is larger than the slice.
        slice.metadata.managed_fields = None;
        slice.metadata.annotations = None;
        self.dirty_services.insert(service.clone());
        self.service_of_slice.insert(key.clone(), service.clone());
        self.slices.entry(service).or_default().insert(key.name, slice);
    }

    fn delete_slice(&mut self, key: &Key) {
        let Some(service) = self.service_of_slice.remove(key) else { return };
        if let Some(slices) = self.slices.get_mut(&service) {
            slices.remove(&key.name);
            if slices.is_empty() {
                self.slices.remove(&service);
            }
        }
        self.dirty_services.insert(service);
    }

    fn make_endpoints(&mut self, service: &ServiceName) {
        let (namespace, name) = service;
        let host = service::host(name, namespace, &self.context.domain);
        let Some(slices) = self.slices.get(service) else { return self.remove(type_url::ENDPOINTS, &host) };
        let workload_at = |address: &str| self.workloads.at(address);
        let endpoints = endpoints::record(&host, namespace, slices.values(), workload_at);
        self.set(type_url::ENDPOINTS, &host, &endpoints);
    }

    fn set<M: prost::Name>(&mut self, type_url: &str, name: &str, message: &M) {
        self.is_changed |= self.now.set(type_url, record(name, message));
    }

    fn remove(&mut self, type_url: &str, name: &str) {
        self.is_changed |= self.now.remove(type_url, name);
    }

    fn apply_mesh(&mut self, map: &k8s_openapi::api::core::v1::ConfigMap) {
        const OBJECT: &str = "ConfigMap/istio";
        let settings = match mesh::settings(map) {
            Ok(settings) => settings,
            Err(error) => return self.keep_settings(OBJECT, vec![crate::chain(&error)]),
        };
        match mesh_model::parse::parse_mesh(&settings, &self.context) {
            Ok(parsed) => {
                for warning in &parsed.warnings {
                    tracing::warn!(%warning, "the mesh's settings");
                }
                if !parsed.without_effect.is_empty() {
                    tracing::warn!(fields = objects::paths(&parsed.without_effect), "mesh settings without effect");
                }
                self.say(OBJECT, Vec::new());
                self.gateway_api.mesh(parsed.config);
                self.settings(&settings);
            }
            Err(issues) => self.keep_settings(OBJECT, issues.iter().map(ToString::to_string).collect()),
        }
    }

    /// A mistake in the mesh's settings must not throw the whole mesh back to its defaults: the last good ones stay.
    fn keep_settings(&mut self, object: &str, issues: Vec<String>) {
        tracing::error!("the mesh's settings are wrong; the last good ones stay");
        self.say(object, issues);
    }

    fn settings(&mut self, settings: &Value) {
        self.set(type_url::MESH_CONFIG, MESH, &registry::MeshConfig { json: settings.to_string() });
        match istio_api::MeshConfig::read(settings, "") {
            Ok(read) => self.now.mesh = Arc::new(read.value),
            // They parsed, so they can be read; if not, injection keeps what it had.
            Err(findings) => tracing::error!(?findings, "the mesh's settings parse and cannot be read"),
        }
    }

    /// Notes what is wrong with an object; nothing: it is right.
    fn say(&mut self, object: &str, issues: Vec<String>) {
        let said = self.now.issues.get(object);
        if said.map_or(issues.is_empty(), |said| *said == issues) {
            return;
        }
        if !issues.is_empty() {
            tracing::warn!(object, issues = issues.join("; "), "kept back; the rest flows on");
        }
        self.is_changed = true;
        let all = Arc::make_mut(&mut self.now.issues);
        if issues.is_empty() { drop(all.remove(object)) } else { drop(all.insert(object.to_owned(), issues)) }
    }

    fn name_of(kind: Kind, key: &Key) -> String {
        format!("{kind}/{key}")
    }
}

#[cfg(test)]
mod tests;
