//! The Gateway API in the world: what follows from its objects for their status, and which proxies are to be there.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use deployer::Gateway;
use k8s_openapi::api::core::v1::Service;
use mesh_kube::{Key, status::Condition};
use mesh_model::{
    config::{Config, Credentials, Kind, MeshConfig, ObjectRef, Readers},
    expand::gateway_api::{
        CLASSES, Conversion, GatewayReport, ObjectName, RouteReport, convert,
        status::{self, Facts, SecretState, ServiceFacts},
    },
    registry,
    store::{Change, Record, RecordKind, Store},
};
use mesh_types::Labels;
use serde_json::{Map, Value, json};

use super::objects::{Beside, Finding, Report};

/// What is to be in the cluster because of the Gateway API.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fleet {
    /// GatewayClasses that nobody wrote, and their controllers.
    pub classes: Vec<(&'static str, &'static str)>,
    /// Gateways whose proxies are made for them.
    pub gateways: Vec<Gateway>,
}

/// What the world knows of the Gateway API.
#[derive(Debug, Default)]
pub(super) struct GatewayApi {
    /// Only what the conversion reads.
    store: Store,
    /// The object as it was read: its version, its status.
    read: BTreeMap<(Kind, Key), (String, Option<Value>)>,
    services: BTreeMap<(String, String), ServiceFacts>,
    /// Objects that are on their way out.
    going: BTreeSet<(Kind, Key)>,
    /// The definitions are in the cluster.
    is_installed: bool,
    is_dirty: bool,
    said: BTreeMap<(Kind, Key), Finding>,
    fleet: Arc<Fleet>,
}

/// What follows from what was heard.
#[derive(Debug, Default)]
pub(super) struct Settled {
    /// For the status of objects, where it is new.
    pub(super) reports: Vec<Report>,
    /// What Gateways say of Secrets.
    pub(super) credentials: Vec<(Key, Credentials)>,
}

impl GatewayApi {
    /// Something changed that a status may depend on.
    pub(super) fn touch(&mut self) {
        self.is_dirty = true;
    }

    /// The definitions came.
    pub(super) fn installed(&mut self) {
        self.is_installed = true;
        self.is_dirty = true;
    }

    /// An object that counts; none: it does not, or it is gone.
    pub(super) fn config(&mut self, kind: Kind, key: &Key, object: Option<(Config, &Value)>) {
        if !kind.is_gateway_api() && kind != Kind::ServiceEntry {
            return;
        }
        let place = (kind, key.clone());
        let name: Arc<str> = key.to_string().into();
        match object {
            Some((config, object)) => {
                let metadata = &object["metadata"];
                let version = metadata["resourceVersion"].as_str().unwrap_or_default().to_owned();
                self.read.insert(place.clone(), (version, object.get("status").cloned()));
                if !metadata["deletionTimestamp"].is_null() {
                    self.going.insert(place);
                }
                self.store.apply(Change::Put { name, record: Box::new(Record::Config(config)) });
            }
            None => {
                self.read.remove(&place);
                self.going.remove(&place);
                self.said.remove(&place);
                self.store.apply(Change::Remove { kind: RecordKind::Config(kind), name });
            }
        }
        self.is_dirty = true;
    }

    /// A Service, as it was read and as the registry has it.
    pub(super) fn service(&mut self, service: &Service, record: &mesh_proto::registry::Service) {
        self.services.insert((record.namespace.clone(), record.name.clone()), facts(service, record));
        if let Ok(known) = registry::Service::try_from(record) {
            self.store.apply(Change::put(&record.host, Record::Service(known)));
        }
        self.is_dirty = true;
    }

    /// A Service is gone.
    pub(super) fn no_service(&mut self, key: &Key, host: &str) {
        self.services.remove(&(key.namespace.clone(), key.name.clone()));
        self.store.apply(Change::Remove { kind: RecordKind::Service, name: host.into() });
        self.is_dirty = true;
    }

    /// A namespace; none: it is gone.
    pub(super) fn namespace(&mut self, name: &str, record: Option<&mesh_proto::registry::Namespace>) {
        self.is_dirty |= self.store.apply(match record {
            Some(record) => Change::put(name, Record::Namespace(record.into())),
            None => Change::Remove { kind: RecordKind::Namespace, name: name.into() },
        });
    }

    /// The mesh's settings.
    pub(super) fn mesh(&mut self, settings: MeshConfig) {
        self.is_dirty |= self.store.apply(Change::put("istio", Record::Mesh(Box::new(settings))));
    }

    /// What is to be in the cluster.
    pub(super) fn fleet(&self) -> Arc<Fleet> {
        Arc::clone(&self.fleet)
    }

    /// Draws the conclusions. `secret` tells what a Secret holds.
    pub(super) fn settle(&mut self, secret: &dyn Fn(&ObjectName) -> SecretState) -> Settled {
        if !std::mem::take(&mut self.is_dirty)
            || !self.is_installed && self.read.keys().all(|(k, _)| !k.is_gateway_api())
        {
            return Settled::default();
        }
        let conversion = convert(&self.store);
        let mut found: Vec<(ObjectRef, Vec<Condition>, Beside)> = Vec::new();
        for class in &conversion.classes {
            found.push((class.object.clone(), conditions(&status::class(), class.generation), Beside::Nothing));
        }
        for report in &conversion.gateways {
            let (conditions, beside) = of_gateway(report, &Known { world: self, secret });
            found.push((report.object.clone(), conditions, beside));
        }
        found.extend(conversion.routes.iter().map(|report| (report.object.clone(), Vec::new(), of_route(report))));
        self.fleet = Arc::new(self.wanted(&conversion));
        // A route that no parent of ours has any more loses what we said of it.
        let routes =
            self.read.keys().filter(|(kind, _)| matches!(kind, Kind::HttpRoute | Kind::GrpcRoute | Kind::TlsRoute));
        for (kind, key) in routes {
            let is_found = |o: &ObjectRef| o.kind == *kind && *o.namespace == *key.namespace && *o.name == *key.name;
            if !found.iter().any(|(object, ..)| is_found(object)) {
                let object =
                    ObjectRef { kind: *kind, namespace: key.namespace.as_str().into(), name: key.name.as_str().into() };
                found.push((object, Vec::new(), Beside::Route(Vec::new())));
            }
        }
        let credentials = conversion.gateways.iter().map(|report| credentials(report, &conversion)).collect();
        let reports =
            found.into_iter().filter_map(|(object, conditions, beside)| self.report(&object, conditions, beside));
        Settled { reports: reports.collect(), credentials }
    }

    fn report(&mut self, object: &ObjectRef, conditions: Vec<Condition>, beside: Beside) -> Option<Report> {
        let key = key(object);
        let place = (object.kind, key.clone());
        let (resource_version, status) = self.read.get(&place)?.clone();
        let finding = Finding { resource_version, status, conditions, fields: Map::new(), beside };
        if self.said.get(&place) == Some(&finding) {
            return None;
        }
        self.said.insert(place, finding.clone());
        Some(Report { kind: object.kind, key, finding: Some(finding) })
    }

    fn wanted(&self, conversion: &Conversion) -> Fleet {
        let is_there = |name: &str| {
            self.read.contains_key(&(Kind::GatewayClass, Key { namespace: String::new(), name: name.to_owned() }))
        };
        let classes = CLASSES.into_iter().filter(|(name, _)| self.is_installed && !is_there(name)).collect();
        let refused = ["InvalidParameters", "UnsupportedAddress"];
        let deployed = conversion.gateways.iter().filter(|g| g.is_deployed && !refused.contains(&g.accepted.reason));
        let gateways = deployed.filter_map(|report| self.deployed(&report.object)).collect();
        Fleet { classes, gateways }
    }

    fn deployed(&self, object: &ObjectRef) -> Option<Gateway> {
        if self.going.contains(&(object.kind, key(object))) {
            return None;
        }
        let is_it = |config: &&Config| config.meta().object() == *object;
        let Config::KubernetesGateway(gateway) = self.store.configs().find(is_it)? else { return None };
        Some(Gateway {
            namespace: object.namespace.to_string(),
            name: object.name.to_string(),
            uid: gateway.meta.uid.clone(),
            annotations: gateway.meta.annotations.clone(),
            spec: gateway.spec.clone(),
        })
    }
}

fn key(object: &ObjectRef) -> Key {
    Key { namespace: object.namespace.to_string(), name: object.name.to_string() }
}

/// What the Gateways say of Secrets that a Gateway of the Gateway API became.
fn credentials(report: &GatewayReport, conversion: &Conversion) -> (Key, Credentials) {
    let of_it = |config: &&Config| config.meta().user_object() == report.object;
    let all: Vec<Credentials> = conversion.objects.iter().filter(of_it).filter_map(Config::credentials).collect();
    let nobody = Readers::Pods { namespace: Some(report.object.namespace.clone()), selector: Labels::default() };
    let readers = all.first().map_or(nobody, |credentials| credentials.readers.clone());
    let names = all.into_iter().flat_map(|credentials| credentials.names).collect();
    (key(&report.object), Credentials { readers, names })
}

struct Known<'a> {
    world: &'a GatewayApi,
    secret: &'a dyn Fn(&ObjectName) -> SecretState,
}

impl Facts for Known<'_> {
    fn service(&self, (namespace, name): &ObjectName) -> Option<ServiceFacts> {
        self.world.services.get(&(namespace.to_string(), name.to_string())).cloned()
    }

    fn secret(&self, name: &ObjectName) -> SecretState {
        (self.secret)(name)
    }
}

fn facts(service: &Service, record: &mesh_proto::registry::Service) -> ServiceFacts {
    let spec = service.spec.as_ref();
    let ports = record.ports.iter().filter_map(|port| u16::try_from(port.number).ok()).collect();
    ServiceFacts {
        host: record.host.clone(),
        is_balanced: spec.and_then(|s| s.type_.as_deref()) == Some("LoadBalancer"),
        addresses: record.external_addresses.clone(),
        ports,
    }
}

fn conditions(found: &[status::Condition], observed_generation: i64) -> Vec<Condition> {
    let one = |c: &status::Condition| Condition {
        kind: c.kind,
        is_true: c.verdict.holds,
        reason: c.verdict.reason,
        message: c.verdict.message.clone(),
        observed_generation,
    };
    found.iter().map(one).collect()
}

fn of_gateway(report: &GatewayReport, facts: &dyn Facts) -> (Vec<Condition>, Beside) {
    let status = status::gateway(report, facts);
    let addresses = status.addresses.iter().map(|(kind, value)| json!({ "type": kind, "value": value })).collect();
    let group = istio_api::gateway_api::GROUP;
    let listeners = status.listeners.iter().map(|listener| {
        let kinds: Vec<Value> =
            listener.kinds.iter().map(|kind| json!({ "group": group, "kind": kind.word() })).collect();
        let rest = json!({ "name": listener.name, "attachedRoutes": listener.attached, "supportedKinds": kinds });
        (rest, conditions(&listener.conditions, report.generation))
    });
    (conditions(&status.conditions, report.generation), Beside::Gateway { addresses, listeners: listeners.collect() })
}

fn of_route(report: &RouteReport) -> Beside {
    let parent = |p: &mesh_model::expand::gateway_api::ParentReport| {
        let parent = serde_json::to_value(&p.parent).unwrap_or_default();
        (parent, conditions(&status::parent(p), report.generation))
    };
    Beside::Route(report.parents.iter().map(parent).collect())
}

#[cfg(test)]
mod tests;
