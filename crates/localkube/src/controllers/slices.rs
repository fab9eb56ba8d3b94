//! EndpointSlices: the pods behind a Service, at most a hundred to an object.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use k8s_openapi::{
    api::{
        core::v1::{Service, ServicePort},
        discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice},
    },
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};

use super::{
    Outcome,
    endpoints::{self, HEADLESS, TRIGGER_TIME, backends, is_headless, publishes_all, services_of},
    engine::{Engine, Next},
    pods::{controlled_by, is_ready},
};
use crate::{
    api::verbs::{DeleteOptions, random_suffix},
    client::{Client, Key, Typed},
    object::Object,
    status::Status,
    store::Stored,
};

/// Names the Service of a slice.
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Names the controller of a slice.
pub(super) const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";
/// Endpoints in a slice at most.
const CAPACITY: usize = 100;

pub(super) fn engine(client: Client) -> Engine {
    Engine::new(client, reconcile).of("", "services").on("", "pods", services_of).owned(
        "discovery.k8s.io",
        "endpointslices",
        "Service",
    )
}

async fn reconcile(client: Client, key: Key) -> Outcome {
    // The slices of a Service that is gone go with it, by their ownerReference.
    let Some(service) = client.get::<Service>(&key.namespace, &key.name)? else { return Ok(Next::Change) };
    if service.metadata.deletion_timestamp.is_some() {
        return Ok(Next::Change);
    }
    let Some(pods) = backends(&client, &service, true)? else { return Ok(Next::Change) };
    let mut labels = service.metadata.labels.clone().unwrap_or_default();
    labels.remove(HEADLESS);
    if is_headless(&service) {
        labels.insert(HEADLESS.to_owned(), String::new());
    }
    labels.insert(SERVICE_NAME.to_owned(), key.name.clone());
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    let trigger = endpoints::trigger_time(&service, &pods);
    let annotations = BTreeMap::from([(TRIGGER_TIME.to_owned(), trigger)]);
    let wanted = Wanted { groups: groups(&service, &pods), labels, annotations };
    wanted.write(&client, &service).await?;
    Ok(Next::Change)
}

/// Endpoints that share ports and a family of addresses.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Group {
    pub(super) address_type: &'static str,
    pub(super) ports: Option<Vec<EndpointPort>>,
    pub(super) endpoints: Vec<Endpoint>,
}

fn groups(service: &Service, pods: &[Arc<Stored>]) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for stored in pods {
        let pod = &stored.object;
        let ports: Vec<EndpointPort> =
            endpoints::ports(service, pod).into_iter().map(|(port, number)| port_of(port, number)).collect();
        let (ports, address_type) = (Some(ports), family(endpoints::address(pod)));
        let at = groups.iter().position(|group| group.ports == ports && group.address_type == address_type);
        let at = at.unwrap_or_else(|| {
            groups.push(Group { address_type, ports, endpoints: Vec::new() });
            groups.len() - 1
        });
        groups[at].endpoints.push(endpoint(service, pod));
    }
    if groups.is_empty() {
        // One empty slice says "none", where no slice at all would say "not known yet".
        groups.push(Group { address_type: "IPv4", ..Group::default() });
    }
    groups
}

/// The address type of a slice that holds this address.
pub(super) fn family(address: &str) -> &'static str {
    if address.contains(':') { "IPv6" } else { "IPv4" }
}

fn port_of(port: &ServicePort, number: i32) -> EndpointPort {
    EndpointPort {
        name: Some(port.name.clone().unwrap_or_default()),
        port: Some(number),
        protocol: Some(port.protocol.clone().unwrap_or_else(|| "TCP".to_owned())),
        app_protocol: port.app_protocol.clone(),
    }
}

fn endpoint(service: &Service, pod: &Object) -> Endpoint {
    let (serving, terminating) = (is_ready(pod), pod.is_deleting());
    Endpoint {
        addresses: vec![endpoints::address(pod).to_owned()],
        conditions: Some(EndpointConditions {
            ready: Some(publishes_all(service) || (serving && !terminating)),
            serving: Some(serving),
            terminating: Some(terminating),
        }),
        hostname: endpoints::hostname(service, pod),
        node_name: Some(pod.text("/spec/nodeName").to_owned()).filter(|node| !node.is_empty()),
        target_ref: Some(endpoints::reference(pod)),
        ..Endpoint::default()
    }
}

/// What the slices of one owner should hold.
pub(super) struct Wanted {
    pub(super) groups: Vec<Group>,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) annotations: BTreeMap<String, String>,
}

impl Wanted {
    /// Brings the owner's slices there with as few writes as can be.
    pub(super) async fn write<O: Typed>(self, client: &Client, owner: &O) -> Result<(), Status> {
        let uid = owner.metadata().uid.as_deref().unwrap_or_default();
        let stored = client.api().store().owned(&client.kind::<EndpointSlice>()?.resource(), uid);
        let present =
            stored.iter().map(|stored| stored.object.to_typed()).collect::<Result<Vec<EndpointSlice>, _>>()?;
        let (held, surplus) = assign(present, self.groups);
        for (before, group) in held {
            let is_as_wanted = before.as_ref().is_some_and(|before| {
                before.endpoints == group.endpoints
                    && before.ports == group.ports
                    && before.metadata.labels.as_ref() == Some(&self.labels)
            });
            if is_as_wanted {
                continue;
            }
            let exists = before.is_some();
            let mut slice = before.unwrap_or_else(|| new_slice(owner));
            slice.address_type = group.address_type.to_owned();
            slice.endpoints = group.endpoints;
            slice.ports = group.ports;
            slice.metadata.labels = Some(self.labels.clone());
            slice.metadata.annotations.get_or_insert_default().extend(self.annotations.clone());
            if exists {
                client.update(&slice).await?
            } else {
                client.create(&slice).await?
            };
        }
        for slice in surplus {
            let namespace = slice.metadata.namespace.as_deref().unwrap_or_default();
            let name = slice.metadata.name.as_deref().unwrap_or_default();
            client.delete::<EndpointSlice>(namespace, name, &DeleteOptions::default()).await?;
        }
        Ok(())
    }
}

fn new_slice<O: Typed>(owner: &O) -> EndpointSlice {
    let name = owner.metadata().name.as_deref().unwrap_or_default();
    EndpointSlice {
        metadata: ObjectMeta {
            name: Some(format!("{name}-{}", random_suffix())),
            generate_name: Some(format!("{name}-")),
            namespace: owner.metadata().namespace.clone(),
            owner_references: Some(vec![controlled_by(owner)]),
            ..ObjectMeta::default()
        },
        ..EndpointSlice::default()
    }
}

type Held = (Option<EndpointSlice>, Group);

/// Deals the groups out to the present slices: an endpoint stays where it is, new ones fill the gaps, then slices that
/// would be left over, then new slices. Second: slices that are not needed.
fn assign(present: Vec<EndpointSlice>, groups: Vec<Group>) -> (Vec<Held>, Vec<EndpointSlice>) {
    let mut free = present;
    let (mut held, mut homeless): (Vec<Held>, Vec<Group>) = (Vec::new(), Vec::new());
    for Group { address_type, ports, endpoints } in groups {
        let (same, others) = free.into_iter().partition(|s| s.ports == ports && s.address_type == address_type);
        free = others;
        let slices: Vec<EndpointSlice> = same;
        let packed = pack(slices.iter().map(|slice| slice.endpoints.clone()).collect(), endpoints);
        let mut slices = slices.into_iter();
        for endpoints in packed {
            let group = Group { address_type, ports: ports.clone(), endpoints };
            match slices.next() {
                Some(slice) if group.endpoints.is_empty() && group.ports.is_some() => free.push(slice),
                Some(slice) => held.push((Some(slice), group)),
                None => homeless.push(group),
            }
        }
    }
    for group in homeless {
        let reusable = free.iter().position(|slice| slice.address_type == group.address_type);
        held.push((reusable.map(|at| free.remove(at)), group));
    }
    (held, free)
}

/// Endpoints of one group in as many slices as there were, or more.
fn pack(mut slices: Vec<Vec<Endpoint>>, wanted: Vec<Endpoint>) -> Vec<Vec<Endpoint>> {
    let identity = |endpoint: &Endpoint| {
        let uid = endpoint.target_ref.as_ref().and_then(|target| target.uid.clone());
        (endpoint.addresses.first().cloned(), uid)
    };
    let order: Vec<_> = wanted.iter().map(identity).collect();
    let mut left: HashMap<_, Endpoint> = wanted.into_iter().map(|endpoint| (identity(&endpoint), endpoint)).collect();
    for slice in &mut slices {
        slice.retain_mut(|endpoint| match left.remove(&identity(endpoint)) {
            Some(now) => {
                *endpoint = now;
                true
            }
            None => false,
        });
    }
    for endpoint in order.iter().filter_map(|id| left.remove(id)).collect::<Vec<_>>() {
        match slices.iter_mut().find(|slice| slice.len() < CAPACITY) {
            Some(slice) => slice.push(endpoint),
            None => slices.push(vec![endpoint]),
        }
    }
    if slices.is_empty() {
        slices.push(Vec::new());
    }
    slices
}

#[cfg(test)]
mod tests;
