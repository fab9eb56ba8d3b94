//! Endpoints: the pods behind a Service, in the form of the first days; and what both forms share.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::{
    api::core::v1::{
        EndpointAddress, EndpointPort, EndpointSubset, Endpoints, ObjectReference, Pod, Service, ServicePort,
    },
    apimachinery::pkg::{
        apis::meta::v1::{LabelSelector, ObjectMeta},
        util::intstr::IntOrString,
    },
    jiff::Timestamp,
};
use serde_json::Value;

use super::{
    Outcome,
    engine::{Engine, Next, key_of},
    pods::{self, is_ready, is_terminal, selects},
};
use crate::{
    api::verbs::DeleteOptions,
    client::{Client, Key},
    object::Object,
    status::Status,
    store::{Change, Resource, Store, Stored},
};

/// When the newest change that an object tells of happened; consumers measure their delay by it.
pub(super) const TRIGGER_TIME: &str = "endpoints.kubernetes.io/last-change-trigger-time";
/// Says that a Service has no cluster address.
pub(super) const HEADLESS: &str = "service.kubernetes.io/headless";
const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// An Endpoints object holds no more addresses than this.
const CAPACITY: usize = 1000;

pub(super) fn engine(client: Client) -> Engine {
    let ours = |_: &Store, endpoints: &Object, _: Change| match endpoints.label(MANAGED_BY) {
        Some(_) => vec![key_of(endpoints)],
        None => Vec::new(),
    };
    Engine::new(client, reconcile).of("", "services").on("", "pods", services_of).on("", "endpoints", ours)
}

/// The Services that select a pod.
pub(super) fn services_of(store: &Store, pod: &Object, _: Change) -> Vec<Key> {
    let (services, _) = store.list(&Resource::new("", "services"), Some(pod.namespace()));
    let selecting = services.iter().filter(|service| {
        let selector = service.object.at("/spec/selector").and_then(Value::as_object);
        selector.is_some_and(|labels| {
            !labels.is_empty()
                && labels.iter().all(|(key, value)| value.as_str().is_some_and(|v| pod.label(key) == Some(v)))
        })
    });
    selecting.map(|service| key_of(&service.object)).collect()
}

/// The pods behind a Service, by address; None for a Service whose endpoints are not ours to find.
pub(super) fn backends(
    client: &Client,
    service: &Service,
    terminating: bool,
) -> Result<Option<Vec<Arc<Stored>>>, Status> {
    let Some(spec) = &service.spec else { return Ok(None) };
    let Some(labels) = spec.selector.clone().filter(|labels| !labels.is_empty()) else { return Ok(None) };
    if spec.type_.as_deref() == Some("ExternalName") {
        return Ok(None);
    }
    let selector = LabelSelector { match_labels: Some(labels), match_expressions: None };
    let (mut pods, _) =
        client.api().store().list(&client.kind::<Pod>()?.resource(), service.metadata.namespace.as_deref());
    pods.retain(|pod| {
        let pod = &pod.object;
        !is_terminal(pod) && !address(pod).is_empty() && (terminating || !pod.is_deleting()) && selects(&selector, pod)
    });
    pods.sort_by_cached_key(|pod| (address(&pod.object).to_owned(), pod.object.name().to_owned()));
    Ok(Some(pods))
}

/// A pod's address, or "".
pub(super) fn address(pod: &Object) -> &str {
    pod.text("/status/podIP")
}

/// True when a Service wants its pods told as ready whatever they say.
pub(super) fn publishes_all(service: &Service) -> bool {
    service.spec.as_ref().and_then(|spec| spec.publish_not_ready_addresses).unwrap_or(false)
}

/// True when a Service has no cluster address.
pub(super) fn is_headless(service: &Service) -> bool {
    service.spec.as_ref().and_then(|spec| spec.cluster_ip.as_deref()) == Some("None")
}

/// The ports of a Service with their numbers on this pod; those whose name the pod does not know are left out.
pub(super) fn ports<'a>(service: &'a Service, pod: &Object) -> Vec<(&'a ServicePort, i32)> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or(&[]);
    ports.iter().filter_map(|port| Some((port, target(port, pod)?))).collect()
}

fn target(port: &ServicePort, pod: &Object) -> Option<i32> {
    let name = match &port.target_port {
        None => return Some(port.port),
        Some(IntOrString::Int(0)) => return Some(port.port),
        Some(IntOrString::Int(number)) => return Some(*number),
        Some(IntOrString::String(name)) => name,
    };
    let protocol = port.protocol.as_deref().unwrap_or("TCP");
    let list = |pointer: &str| pod.at(pointer).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let sidecars = list("/spec/initContainers").iter().filter(|container| container["restartPolicy"] == "Always");
    let mut ports = list("/spec/containers").iter().chain(sidecars).filter_map(|c| c["ports"].as_array()).flatten();
    let found = ports
        .find(|found| found["name"] == name.as_str() && found["protocol"].as_str().unwrap_or("TCP") == protocol)?;
    i32::try_from(found["containerPort"].as_i64()?).ok()
}

/// A pod as the thing behind an address.
pub(super) fn reference(pod: &Object) -> ObjectReference {
    ObjectReference {
        kind: Some("Pod".to_owned()),
        namespace: Some(pod.namespace().to_owned()),
        name: Some(pod.name().to_owned()),
        uid: Some(pod.uid().to_owned()),
        ..ObjectReference::default()
    }
}

/// The name under which a pod has its own DNS record below the Service.
pub(super) fn hostname(service: &Service, pod: &Object) -> Option<String> {
    let (hostname, subdomain) = (pod.text("/spec/hostname"), pod.text("/spec/subdomain"));
    (!hostname.is_empty() && service.metadata.name.as_deref() == Some(subdomain)).then(|| hostname.to_owned())
}

/// The newest of the Service's birth and its pods' changes of readiness.
pub(super) fn trigger_time(service: &Service, pods: &[Arc<Stored>]) -> String {
    let told = |pod: &Object| -> Option<Timestamp> {
        pods::condition(pod, "Ready")?["lastTransitionTime"].as_str()?.parse().ok()
    };
    let born = service.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let newest = pods.iter().filter_map(|pod| told(&pod.object)).chain(born).max();
    newest.unwrap_or_else(Timestamp::now).to_string()
}

async fn reconcile(client: Client, key: Key) -> Outcome {
    let Some(service) = client.get::<Service>(&key.namespace, &key.name)? else {
        client.delete::<Endpoints>(&key.namespace, &key.name, &DeleteOptions::default()).await?;
        return Ok(Next::Change);
    };
    let Some(mut pods) = backends(&client, &service, publishes_all(&service))? else { return Ok(Next::Change) };
    let truncated = pods.len() > CAPACITY;
    // Ready ones first, should not all have room.
    pods.sort_by_key(|pod| !is_ready(&pod.object));
    pods.truncate(CAPACITY);
    let wanted = Wanted {
        subsets: subsets(&service, &pods),
        labels: labels(&service),
        trigger: trigger_time(&service, &pods),
        truncated,
    };
    wanted.write(&client, &key).await?;
    Ok(Next::Change)
}

struct Wanted {
    subsets: Option<Vec<EndpointSubset>>,
    labels: BTreeMap<String, String>,
    trigger: String,
    truncated: bool,
}

impl Wanted {
    async fn write(self, client: &Client, key: &Key) -> Result<(), Status> {
        let old = client.get::<Endpoints>(&key.namespace, &key.name)?;
        if old
            .as_ref()
            .is_some_and(|old| old.subsets == self.subsets && old.metadata.labels.as_ref() == Some(&self.labels))
        {
            return Ok(());
        }
        let exists = old.is_some();
        let mut endpoints = old.unwrap_or_else(|| Endpoints {
            metadata: ObjectMeta {
                name: Some(key.name.clone()),
                namespace: Some(key.namespace.clone()),
                ..ObjectMeta::default()
            },
            subsets: None,
        });
        endpoints.subsets = self.subsets;
        endpoints.metadata.labels = Some(self.labels);
        let annotations = endpoints.metadata.annotations.get_or_insert_default();
        annotations.insert(TRIGGER_TIME.to_owned(), self.trigger);
        annotations.remove(OVER_CAPACITY);
        if self.truncated {
            annotations.insert(OVER_CAPACITY.to_owned(), "truncated".to_owned());
        }
        if exists {
            client.update(&endpoints).await?
        } else {
            client.create(&endpoints).await?
        };
        Ok(())
    }
}

fn labels(service: &Service) -> BTreeMap<String, String> {
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.remove(HEADLESS);
    if is_headless(service) {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    labels.insert(MANAGED_BY.to_owned(), "endpoint-controller".to_owned());
    labels
}

/// Pods with the same port numbers share a subset.
fn subsets(service: &Service, pods: &[Arc<Stored>]) -> Option<Vec<EndpointSubset>> {
    let mut by_ports: BTreeMap<String, EndpointSubset> = BTreeMap::new();
    for stored in pods {
        let pod = &stored.object;
        let ports: Vec<EndpointPort> =
            ports(service, pod).into_iter().map(|(port, number)| port_of(port, number)).collect();
        let unnamed = service.spec.as_ref().and_then(|spec| spec.ports.as_ref()).is_none_or(Vec::is_empty);
        if ports.is_empty() && !unnamed {
            continue;
        }
        let subset = by_ports.entry(format!("{ports:?}")).or_default();
        subset.ports = (!ports.is_empty()).then_some(ports);
        let address = EndpointAddress {
            ip: address(pod).to_owned(),
            hostname: hostname(service, pod),
            node_name: Some(pod.text("/spec/nodeName").to_owned()).filter(|node| !node.is_empty()),
            target_ref: Some(reference(pod)),
        };
        let ready = publishes_all(service) || is_ready(pod);
        let list = if ready { &mut subset.addresses } else { &mut subset.not_ready_addresses };
        list.get_or_insert_default().push(address);
    }
    (!by_ports.is_empty()).then(|| by_ports.into_values().collect())
}

fn port_of(port: &ServicePort, number: i32) -> EndpointPort {
    EndpointPort {
        name: port.name.clone(),
        port: number,
        protocol: Some(port.protocol.clone().unwrap_or_else(|| "TCP".to_owned())),
        app_protocol: port.app_protocol.clone(),
    }
}
